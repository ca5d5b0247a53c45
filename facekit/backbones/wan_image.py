"""Wan from a first frame: Wan 2.1 I2V 14B and Wan 2.2 I2V A14B.

Shapes: B batch, C channels, F frames, H height, W width, L tokens.
"""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from PIL import Image
from torch import Tensor, nn

from facekit.backbones.family import Text
from facekit.backbones.spec import BackboneSpec
from facekit.backbones.wan import WanFamily, wan_spec

__all__ = ["WAN_IMAGE", "WanImageFamily"]


class WanImageFamily(WanFamily):
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
    can_continue = False
    needs_picture = True

    def __init__(self) -> None:
        self._open: WeakKeyDictionary[nn.Module, dict[tuple[int, ...], Tensor]] = (
            WeakKeyDictionary()
        )

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
        open_1CFHW = self._open_frames(pipe, noisy).to(noisy)
        shape = (noisy.shape[0], *open_1CFHW.shape[1:])
        return {"hidden_states": torch.cat([noisy, open_1CFHW.expand(shape)], dim=1)}

    @torch.no_grad()
    def _open_frames(self, pipe: Any, noisy: Tensor) -> Tensor:
        """Marks and latents of frames none of which is given, as the stock pipeline makes them."""
        found = self._open.setdefault(pipe.vae, {})
        sizes = tuple(noisy.shape[2:])
        if sizes not in found:
            scale, temporal = pipe.vae_scale_factor_spatial, pipe.vae_scale_factor_temporal
            height, width = sizes[1] * scale, sizes[2] * scale
            marked = pipe.prepare_latents(
                torch.zeros(1, 3, height, width, device=noisy.device),
                batch_size=1,
                num_channels_latents=pipe.vae.config.z_dim,
                height=height,
                width=width,
                num_frames=(sizes[0] - 1) * temporal + 1,
                dtype=torch.float32,
                device=noisy.device,
                latents=noisy[:1],
            )[1]
            marked[:, :temporal] = 0
            found[sizes] = marked
        return found[sizes]

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
)
wan_spec(
    "wan2_2_i2v_a14b",
    WAN_IMAGE,
    fingerprint={"num_layers": 40, "in_channels": 36, "image_dim": None},
    num_experts=2,
    repo="Wan-AI/Wan2.2-I2V-A14B-Diffusers",
    revision="596658fd9ca6b7b71d5057529bbf319ecbc61d74",
    num_inference_steps=40,
    guidance_scale=3.5,
)
