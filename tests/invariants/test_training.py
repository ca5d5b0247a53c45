"""What must hold on every backbone when it is trained: one step on one sample is a step down."""

import pytest
import torch

from facekit.adapters.attach import attach
from facekit.adapters.lora import LoraSettings, add_lora, named_lora_parameters
from facekit.backbones import get_spec
from facekit.training.denoiser import Denoiser
from tests.tiny.backbones import (
    FEW_KINDS,
    clip,
    embeddings,
    network_of,
    randomise_lora,
    tiny_adapter,
    tiny_pipe,
)


@pytest.mark.parametrize("backbone", FEW_KINDS)
def test_one_step_on_one_sample_lowers_its_loss(backbone: str) -> None:
    spec, pipe = get_spec(backbone), tiny_pipe(backbone)
    network = network_of(pipe)
    denoiser = Denoiser(pipe=pipe, spec=spec)
    clean = denoiser.encode_video(clip(spec, batch=1))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    sigma_B = torch.tensor([0.6])
    noisy = denoiser.process.add_noise(clean, noise, sigma_B)
    target = denoiser.process.target(clean, noise, sigma_B)
    text = denoiser.encode_text(["a woman in the park"])
    adapter = tiny_adapter(network, spec)
    add_lora(network, spec, LoraSettings(rank=2, alpha=2.0), seed=0)
    randomise_lora(network)
    network.enable_gradient_checkpointing()
    learned = [*adapter.parameters(), *named_lora_parameters(network).values()]
    losses = []
    with attach(adapter, network, spec) as attachment:
        for _ in range(2):
            with attachment.conditioned_on(adapter.tokens(embeddings())):
                prediction = denoiser.predict(noisy, sigma_B, text)
                loss = (prediction - target).square().mean()
                gradients = torch.autograd.grad(loss, learned, allow_unused=True)
            losses.append(float(loss.detach()))
            norm = sum(float(x.square().sum()) for x in gradients if x is not None) ** 0.5
            with torch.no_grad():
                for parameter, gradient in zip(learned, gradients, strict=True):
                    if gradient is not None:
                        parameter -= 1e-2 / norm * gradient
    assert losses[1] < losses[0]
