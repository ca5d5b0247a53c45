"""Wan from a first frame: Wan 2.1 I2V 14B and Wan 2.2 I2V A14B.

Shapes: B batch, C channels, F frames, H height, W width, L tokens.
"""

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from facekit.backbones.family import Text
from facekit.backbones.spec import BackboneSpec
from facekit.backbones.wan import wan_spec
from facekit.backbones.wan_condition import WanConditionFamily

__all__ = ["WAN_IMAGE", "WanImageFamily"]


class WanImageFamily(WanConditionFamily):
    """Beside its noisy latents the transformer sees which frames are given, and their latents.

    Training on photos gives no frame at all: the marks are zeros, and the latents those of frames
    that the stock pipeline leaves open. A photo that stands still and is given as its own first
    frame would leave nothing to learn. Sampling needs a first frame; where nobody passes
    ``image``, it is an empty grey picture, which is good for trying a path and for nothing else.

    The picture's embeddings (Wan 2.1 only) stand before the text in one sequence, and diffusers'
    processor cuts the text off again as the last 512 tokens: prompts are padded to exactly that.
    """

    name = "wan_image"
    pipeline_class = "WanImageToVideoPipeline"
    needs_picture = True

    @torch.no_grad()
    def encode_text(self, pipe: Any, spec: BackboneSpec, prompts: Sequence[str]) -> Text:
        """Encode prompts as ever; with them, where the transformer wants it, an empty picture."""
        text = dict(super().encode_text(pipe, spec, prompts))
        if pipe.transformer.config.image_dim is not None:
            like = text["encoder_hidden_states"]
            embeds_1LC = pipe.encode_image(_empty_picture())
            text["encoder_hidden_states_image"] = embeds_1LC.to(like).repeat(len(prompts), 1, 1)
        return text

    def latent_arguments(self, pipe: Any, noisy: Tensor) -> dict[str, Tensor]:
        """The noisy latents, the marks of given frames, and the latents of these."""
        return {"hidden_states": torch.cat([noisy, self.empty_condition(pipe, noisy)], dim=1)}

    def make_empty(
        self, pipe: Any, num_frames: int, height: int, width: int, device: torch.device
    ) -> Tensor:
        """Marks and latents of frames none of which is given."""
        first_BCHW = torch.zeros(1, 3, height, width, device=device)
        _, marked = pipe.prepare_latents(
            first_BCHW,
            batch_size=1,
            num_channels_latents=pipe.vae.config.z_dim,
            height=height,
            width=width,
            num_frames=num_frames,
            dtype=torch.float32,
            device=device,
            latents=first_BCHW,  # handed back as they are; else it would draw some
        )
        marks = pipe.vae_scale_factor_temporal  # as many channels as a latent has frames
        return torch.cat([torch.zeros_like(marked[:, :marks]), marked[:, marks:]], dim=1)

    def sampling_options(
        self, spec: BackboneSpec, guidance_scale: float, fps: float
    ) -> dict[str, Any]:
        """As ever, and an empty first frame; a caller's own ``image`` takes its place."""
        return {"image": _empty_picture(), **super().sampling_options(spec, guidance_scale, fps)}


def _empty_picture() -> Image.Image:
    """Grey, of any size: the pipeline scales it."""
    return Image.new("RGB", (64, 64), (128, 128, 128))


WAN_IMAGE = WanImageFamily()

# The repository for 720P holds a transformer of the same shape: name a folder of it as
# base.source, or raise the sizes.
wan_spec(
    "wan2_1_i2v_14b",
    WAN_IMAGE,
    fingerprint={"num_layers": 40, "in_channels": 36, "image_dim": 1280},
    repo="Wan-AI/Wan2.1-I2V-14B-480P-Diffusers",
    revision="b184e23a8a16b20f108f727c902e769e873ffc73",
    starts_from_frame=True,
)
wan_spec(
    "wan2_2_i2v_a14b",
    WAN_IMAGE,
    fingerprint={"num_layers": 40, "in_channels": 36, "image_dim": None},
    num_experts=2,
    repo="Wan-AI/Wan2.2-I2V-A14B-Diffusers",
    revision="596658fd9ca6b7b71d5057529bbf319ecbc61d74",
    starts_from_frame=True,
    ends_with_frame=True,
    num_inference_steps=40,
    guidance_scale=3.5,
)
