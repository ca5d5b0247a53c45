"""The floor: a LoRA trained by diffusers and peft alone, as anybody would write it in an hour."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
from peft import LoraConfig
from torch import Tensor
from torch.nn import functional

__all__ = ["floor_steps"]


def floor_steps(
    network: Any, latents: Tensor, text: Tensor, *, rank: int, targets: list[str], batch: int,
    lr: float, clip: float, shift: float, time_per_token: int, start: dict[str, Tensor],
    first: tuple[Tensor, Tensor, Tensor, Tensor], bfloat16: bool,
) -> Iterator[tuple[float, float]]:  # fmt: skip
    """Train step by step; gives the loss and the norm of the gradient of each.

    Args:
        network: Frozen; it carries the LoRA until the iterator is closed.
        latents: (N, C, F, H, W), made before.
        text: (N, L, T), made before.
        rank: Also the LoRA's alpha.
        targets: Endings of the names of the layers to adapt.
        batch: Samples of a step.
        lr: Of AdamW.
        clip: Largest norm of the gradient.
        shift: Of the noise levels.
        time_per_token: Latent tokens of a sample where each has a timestep of its own, else 0.
        start: The LoRA's first weights, by name.
        first: Latents, noise, noise levels and text of the first step, to compare with others.
        bfloat16: The arithmetic.
    """
    device = latents.device
    network.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=targets), "floor")
    named = {n.replace(".floor.", "."): p for n, p in network.named_parameters() if ".floor." in n}
    for name, parameter in named.items():
        parameter.data = start[name].to(device, torch.float32)
        parameter.requires_grad_(True)
    fused = {"fused": True} if device.type == "cuda" else {}
    optimizer = torch.optim.AdamW(named.values(), lr=lr, betas=(0.9, 0.99), **fused)
    try:
        while True:
            if first is not None:
                clean, noise, sigma, told = first
                first = None  # type: ignore[assignment]
            else:
                rows = torch.randint(len(latents), (batch,), device=device)
                clean, told = latents[rows], text[rows]
                noise = torch.randn_like(clean)
                sigma = torch.randn(batch, device=device).sigmoid()
                sigma = shift * sigma / (1 + (shift - 1) * sigma)
            weight = sigma.view(-1, 1, 1, 1, 1)
            timestep = 1000 * sigma
            if time_per_token:
                timestep = timestep.view(-1, 1).expand(-1, time_per_token)
            with torch.autocast(device.type, torch.bfloat16) if bfloat16 else nullcontext():
                noisy = (1 - weight) * clean + weight * noise
                velocity = network(noisy, timestep, told, return_dict=False)[0]
            loss = functional.mse_loss(velocity.float(), noise - clean)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(named.values(), clip)
            optimizer.step()
            optimizer.zero_grad()
            yield loss.item(), norm.item()
    finally:
        network.delete_adapters("floor")
        network.requires_grad_(False)
