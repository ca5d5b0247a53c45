"""LTX-Video, 2B and 13B: packed latents, the text by cross-attention in every block.

Shapes: B batch, C channels, F frames, H height, W width, L latent tokens.
"""

import inspect
import math
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from facekit.backbones.family import Call, Family, Text
from facekit.backbones.hub import from_pretrained
from facekit.backbones.ltx_tiny import TINY_TEXT_DIMS, build_tiny
from facekit.backbones.spec import BackboneSpec, register_spec
from facekit.errors import AdapterError, UsageError

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = [
    "LTX",
    "LTX_VIDEO_2B",
    "LTX_VIDEO_13B",
    "VIDEO_LORA_TARGETS",
    "LTXFamily",
    "pack",
    "unpack",
]

VIDEO_LORA_TARGETS = tuple(
    f"{attention}.{linear}"
    for attention in ("attn1", "attn2")
    for linear in ("to_q", "to_k", "to_v", "to_out.0")
)

_DECODE_TIMESTEP = 0.05
_DECODE_NOISE = 0.025
"""Of autoencoders that are told a timestep (0.9.1 and later); others do not look at them.

Source: the notes of diffusers' LTX-Video page.
"""

_BASE_SHIFT = 0.95
"""Logarithm of the shift at 1024 tokens or fewer.

Source: base_shift in the scheduler's config of Lightricks/LTX-Video.
"""


class LTXFamily(Family):
    """True cross-attention to the text in every block, and a straight path to noise.

    The network wants latents packed to (B, L, C) and says nothing of their grid but what rotary
    embedding needs: sizes (``LTXPipeline``) or coordinates (``LTXConditionPipeline``, 0.9.5 and
    later).
    """

    name = "ltx"
    pipeline_class = "LTXPipeline"
    network_class = "LTXVideoTransformer3DModel"
    has_text_apart = True

    def find_sites(self, network: nn.Module, every: int) -> tuple[str, ...]:
        """The video's attention to the text in every so-manieth block."""
        blocks = getattr(network, "transformer_blocks", None)
        if not isinstance(blocks, nn.ModuleList):
            return ()
        return tuple(
            f"transformer_blocks.{index}.attn2"
            for index, block in enumerate(blocks)
            if index % every == 0 and hasattr(block, "attn2")
        )

    def load(self, spec: BackboneSpec, source: Path | None, dtype: torch.dtype) -> Any:
        """Load all of it in one dtype: ``LTXConditionPipeline`` decodes in that of the text."""
        import diffusers

        kind = getattr(diffusers, spec.pipeline_class or self.pipeline_class)
        return from_pretrained(kind, spec, source, dtype=dtype)

    def build_tiny(self, spec: BackboneSpec) -> "DiffusionPipeline":
        """Four blocks of two heads."""
        return build_tiny(spec)

    @torch.no_grad()
    def encode_text(self, pipe: Any, spec: BackboneSpec, prompts: Sequence[str]) -> Text:
        """Encode prompts exactly as the stock pipeline does.

        Returns:
            Embeddings (B, L, C), also of the padding, and a mask (B, L) of what is heard,
            L = ``spec.max_sequence_length``.
        """
        embeds, mask, _, _ = pipe.encode_prompt(
            list(prompts),
            do_classifier_free_guidance=False,
            max_sequence_length=spec.max_sequence_length,
        )
        return {"encoder_hidden_states": embeds, "encoder_attention_mask": mask}

    @torch.no_grad()
    def encode_video(self, pipe: Any, frames_BCFHW: Tensor) -> Tensor:
        """Encode 8 n + 1 frames to ``(z - mean) / std``, z the mode of the posterior."""
        vae, step = pipe.vae, pipe.vae_temporal_compression_ratio
        if frames_BCFHW.shape[2] % step != 1:
            raise UsageError(
                f"num_frames is {frames_BCFHW.shape[2]}, expected {step} * n + 1; drop the last"
                " frames"
            )
        latents = vae.encode(frames_BCFHW.to(vae.device, vae.dtype)).latent_dist.mode()
        normalised: Tensor = pipe._normalize_latents(latents, *_statistics(vae))
        return normalised

    def decode_latents(self, pipe: Any, latents: Tensor, clamp: bool = False) -> Tensor:
        """Decode normalised latents.

        An autoencoder that is told a timestep is told the one that sampling uses. Sampling also
        mixes a little noise into the latents; here there is none.
        """
        vae = pipe.vae
        latents = latents.to(vae.device, vae.dtype)
        raw = pipe._denormalize_latents(latents, *_statistics(vae))
        told = None
        if vae.config.timestep_conditioning:
            told = torch.full((raw.shape[0],), _DECODE_TIMESTEP, device=raw.device, dtype=raw.dtype)
        frames: Tensor = vae.decode(raw, told, return_dict=False)[0]
        return frames.clamp(-1, 1) if clamp else frames

    def predict(
        self, pipe: Any, spec: BackboneSpec, noisy: Tensor, sigma_B: Tensor, text: Text
    ) -> Tensor:
        """Predict noise minus clean latents, at ``spec.fps`` frames per second."""
        velocity: Tensor = pipe.transformer(
            hidden_states=pack(pipe, noisy),
            timestep=spec.process.timestep(sigma_B.to(noisy.device)),
            return_dict=False,
            **_places(pipe, noisy, spec.fps),
            **text,
        )[0]
        return unpack(pipe, velocity, noisy)

    def read_call(self, network: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Packed latents, timesteps for each sample or token, and sizes or coordinates."""
        _, *names = inspect.signature(type(network).forward).parameters
        told = dict(zip(names, args, strict=False)) | kwargs
        latents, timestep = told["hidden_states"], told["timestep"]
        grid = _grid(told)
        if grid is None or math.prod(grid) != latents.shape[1]:
            raise AdapterError(
                f"{latents.shape[1]} latent tokens, some of pictures that the clip is conditioned"
                " on later than at its start, expected only the clip's own; give conditions at"
                " frame 0 only, or detach the characters"
            )
        return Call(
            latents=latents,
            grid=grid,
            timestep_B=timestep.reshape(timestep.shape[0], -1).amax(dim=1),
        )

    def shift(self, pipe: Any) -> float:
        """What noise levels of a single picture are shifted by.

        A dynamic scheduler's shift grows with the number of tokens: ``exp(base_shift)`` up to
        ``base_image_seq_len``, which no picture of a legal size exceeds, and more for a long
        clip. Characters are trained from pictures, so it is the former, whatever will be sampled.
        ``LTXConditionPipeline`` brings its own table of levels, and its scheduler none; its models
        were trained with the same shift.
        """
        config = pipe.scheduler.config
        if config.get("use_dynamic_shifting"):
            base = float(config["base_shift"])
            return base if config.get("time_shift_type") == "linear" else math.exp(base)
        return math.exp(_BASE_SHIFT) if _has_coordinates(pipe) else super().shift(pipe)

    def sampling_options(
        self, spec: BackboneSpec, guidance_scale: float, fps: float
    ) -> dict[str, Any]:
        """Beside the common ones the frame rate, and what a timestep-aware autoencoder is told."""
        return {
            **super().sampling_options(spec, guidance_scale, fps),
            "frame_rate": fps,
            "decode_timestep": _DECODE_TIMESTEP,
            "decode_noise_scale": _DECODE_NOISE,
        }


def pack(pipe: Any, latents: Tensor) -> Tensor:
    """(B, C, F, H, W) to the (B, L, C) that the network wants."""
    packed: Tensor = pipe._pack_latents(latents, *_patch(pipe))
    return packed


def unpack(pipe: Any, packed_BLC: Tensor, like: Tensor) -> Tensor:
    """The inverse, with frames, height and width as ``like`` has them."""
    (space, time), (frames, height, width) = _patch(pipe), like.shape[2:]
    latents: Tensor = pipe._unpack_latents(
        packed_BLC, frames // time, height // space, width // space, space, time
    )
    return latents


def _patch(pipe: Any) -> tuple[int, int]:
    return pipe.transformer_spatial_patch_size, pipe.transformer_temporal_patch_size


def _statistics(vae: Any) -> tuple[Tensor, Tensor, float]:
    return vae.latents_mean, vae.latents_std, vae.config.scaling_factor


def _has_coordinates(pipe: Any) -> bool:
    from diffusers import LTXConditionPipeline

    return isinstance(pipe, LTXConditionPipeline)


def _places(pipe: Any, latents: Tensor, fps: float) -> dict[str, Any]:
    """What rotary embedding is told, as the stock pipeline computes it."""
    space, time = pipe.vae_spatial_compression_ratio, pipe.vae_temporal_compression_ratio
    batch, _, frames, height, width = latents.shape
    if not _has_coordinates(pipe):
        return {
            "num_frames": frames,
            "height": height,
            "width": width,
            "rope_interpolation_scale": (time / fps, space, space),
        }
    ids = pipe._prepare_video_ids(batch, frames, height, width, *_patch(pipe), latents.device)
    places = pipe._scale_video_ids(ids, space, time, 0, latents.device).float()
    places[:, 0] = places[:, 0] * (1.0 / fps)
    return {"video_coords": places}


def _grid(told: dict[str, Any]) -> tuple[int, int, int] | None:
    """The latent tokens of a call: frames, height, width; None when others stand before them."""
    coordinates = told.get("video_coords")
    if told.get("num_frames") is not None or coordinates is None:
        return told["num_frames"], told["height"], told["width"]
    if (coordinates[0, 0].diff() < 0).any():
        return None
    frames, height, width = (len(axis.unique()) for axis in coordinates[0])
    return frames, height, width


LTX = LTXFamily()


def _ltx_spec(name: str, *, layers: int, width: int, **facts: Any) -> BackboneSpec:
    return register_spec(
        BackboneSpec(
            name=name,
            family=LTX,
            pipeline_class="LTXConditionPipeline",
            lora_targets=VIDEO_LORA_TARGETS,
            fingerprint=MappingProxyType({"num_layers": layers, "cross_attention_dim": width}),
            tiny_fingerprint=MappingProxyType({"caption_channels": TINY_TEXT_DIMS[name]}),
            spatial_multiple=32,
            max_sequence_length=256,
            frame_multiple=8,
            max_frames=257,
            fps=25.0,
            **facts,
        )
    )


# Revisions: as several public repositories pin them; the Hub itself was out of reach. Sizes, steps
# and guidance: the defaults of the pipeline and the examples of diffusers' LTX-Video page.
LTX_VIDEO_2B = _ltx_spec(
    "ltx_video_2b",
    layers=28,
    width=2048,
    repo="Lightricks/LTX-Video-0.9.5",
    revision="e58e28c39631af4d1468ee57a853764e11c1d37e",
    # Source: the card of Lightricks/LTX-Video, 5 March 2025: "new license for commercial use".
    licence="OpenRAIL-M (ltx-video-2b-v0.9.5.license.txt), with restrictions of use",
    commercial_use=True,
    sizes=MappingProxyType({"1:1": (640, 640), "16:9": (480, 832), "9:16": (832, 480)}),
    num_inference_steps=50,
    guidance_scale=3.0,
)
LTX_VIDEO_13B = _ltx_spec(
    "ltx_video_13b",
    layers=48,
    width=4096,
    repo="Lightricks/LTX-Video-0.9.7-dev",
    revision="2101082f5eb5540770a2df43747feadb6f69b889",
    # Source: what public reviews of LTX-Video-Open-Weights-License-0.X.txt say of it. False, for
    # whom it binds is not known here.
    licence="LTXV Open Weights License 0.X, paid above a yearly revenue of 10 million dollars",
    commercial_use=False,
    sizes=MappingProxyType({"1:1": (928, 928), "16:9": (704, 1216), "9:16": (1216, 704)}),
    num_inference_steps=30,
    guidance_scale=5.0,
)
