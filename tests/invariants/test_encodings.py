"""What must hold on every backbone for the cache: each item by itself, told by a steady name."""

import pytest
import torch

from facekit.backbones import get_spec
from facekit.training.denoiser import Denoiser
from facekit.training.excerpt_views import frames_of_latent
from facekit.training.makers import text_maker, vae_maker
from tests.tiny.backbones import BACKBONES, clip, tiny_pipe

ONE_PER_FAMILY = tuple({type(get_spec(name).family): name for name in BACKBONES}.values())


@pytest.mark.parametrize("backbone", ONE_PER_FAMILY)
def test_an_encoding_is_its_own_whatever_is_encoded_beside_it(backbone: str) -> None:
    spec, pipe = get_spec(backbone), tiny_pipe(backbone)
    denoiser = Denoiser(pipe=pipe, spec=spec)
    before = vae_maker(denoiser), text_maker(denoiser)
    prompts = ["a woman in the park", "", "close-up of a man"]
    together = denoiser.encode_text(prompts)
    alone = [denoiser.encode_text([prompt]) for prompt in prompts]
    for name, tensor in together.items():
        torch.testing.assert_close(torch.cat([text[name] for text in alone]), tensor)
    frames = clip(spec, batch=1)
    latents = denoiser.encode_video(frames)
    num_latents, num_frames = latents.shape[2], frames.shape[2]
    spans = [frames_of_latent(index, num_frames, num_latents) for index in range(num_latents)]
    assert [frame for span in spans for frame in span] == list(range(num_frames))
    assert denoiser.decode(latents[:, :, -1:]).shape[2] >= 1, "a latent frame is decoded alone"
    assert (vae_maker(denoiser), text_maker(denoiser)) == before
