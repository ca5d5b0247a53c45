"""HunyuanVideo-1.5: joint attention in two streams throughout, guidance by an object of its own.

Its text stream is Qwen's states, ByT5's of what stands in quotes, and an image's; without an image
the last are zeros, and so are the channels of the condition beside the noisy latents.

Shapes: B batch, C channels, F frames, H height, W width, L tokens.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from facekit.backbones.family import Text
from facekit.backbones.hunyuan import (
    HUNYUAN_LICENCE,
    HUNYUAN_LORA_EXCLUDED,
    HUNYUAN_LORA_TARGETS,
    HunyuanFamily,
)
from facekit.backbones.hunyuan15_tiny import TINY_TEXT_DIM, build_tiny
from facekit.backbones.sites import JOINT, SiteKind
from facekit.backbones.spec import BackboneSpec, register_spec
from facekit.errors import WeightsError

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = ["HUNYUAN15", "HUNYUANVIDEO_1_5", "Hunyuan15Family"]


class Hunyuan15Family(HunyuanFamily):
    """Autoencoder and calls as HunyuanVideo's; guided in two passes by ``pipe.guider``."""

    name = "hunyuan15"
    pipeline_class = "HunyuanVideo15Pipeline"
    network_class = "HunyuanVideo15Transformer3DModel"
    guides_in_two_passes = True

    def site_kind(self, network: nn.Module, site: str) -> SiteKind:
        """Every block has two streams."""
        return JOINT

    def load(self, spec: BackboneSpec, source: Path | None, dtype: torch.dtype) -> Any:
        """As ever; the distilled model has the same config and another guider.

        Raises:
            WeightsMissing: It is not on this machine.
            WeightsError: What is there cannot be loaded, or is the distilled model.
        """
        pipe = super().load(spec, source, dtype)
        if pipe.guider.guidance_scale <= 1:
            raise WeightsError(
                f"{source or spec.repo}: its guider has guidance_scale"
                f" {pipe.guider.guidance_scale:g}, as the model with distilled guidance has,"
                f" expected {spec.name}, which is guided; name the folder of"
                f" {spec.repo}"
            )
        return pipe

    def build_tiny(self, spec: BackboneSpec) -> "DiffusionPipeline":
        """Four blocks of two heads, and short texts."""
        return build_tiny(spec)

    @torch.no_grad()
    def encode_text(self, pipe: Any, spec: BackboneSpec, prompts: Sequence[str]) -> Text:
        """Encode prompts exactly as the stock pipeline does, which pads to its own length.

        Returns:
            States (B, L, C) of both text encoders with their masks (B, L), in the dtype of the
            network.
        """
        states, mask, states_2, mask_2 = pipe.encode_prompt(
            list(prompts), dtype=pipe.transformer.dtype, batch_size=len(prompts)
        )
        return {
            "encoder_hidden_states": states,
            "encoder_attention_mask": mask,
            "encoder_hidden_states_2": states_2,
            "encoder_attention_mask_2": mask_2,
        }

    def encode_video(self, pipe: Any, frames_BCFHW: Tensor) -> Tensor:
        """As HunyuanVideo's, one clip at a time."""
        with _one_by_one(pipe.vae):
            return super().encode_video(pipe, frames_BCFHW)

    def decode_latents(self, pipe: Any, latents: Tensor, clamp: bool = False) -> Tensor:
        """As HunyuanVideo's, one clip at a time."""
        with _one_by_one(pipe.vae):
            return super().decode_latents(pipe, latents, clamp)

    def predict(
        self, pipe: Any, spec: BackboneSpec, noisy: Tensor, sigma_B: Tensor, text: Text
    ) -> Tensor:
        """Predict noise minus clean latents; an image's channels and tokens are zeros."""
        condition, mask = pipe.prepare_cond_latents_and_mask(noisy, noisy.dtype, noisy.device)
        image = noisy.new_zeros(
            noisy.shape[0], pipe.vision_num_semantic_tokens, pipe.vision_states_dim
        )
        velocity: Tensor = pipe.transformer(
            hidden_states=torch.cat([noisy, condition, mask], dim=1),
            image_embeds=image,
            timestep=spec.process.timestep(sigma_B.to(noisy.device)).to(noisy.dtype),
            return_dict=False,
            **text,
        )[0]
        return velocity

    def guidance_scale(self, pipe: Any, network: Any) -> float | None:
        """The guider's."""
        return float(pipe.guider.guidance_scale)

    def sampling_options(
        self, spec: BackboneSpec, guidance_scale: float, fps: float
    ) -> dict[str, Any]:
        """Nothing: guidance is the guider's (``sampling``), the text's length the pipeline's."""
        return {}

    @contextmanager
    def sampling(self, pipe: Any, guidance_scale: float) -> Iterator[None]:
        """Set the scale of the pipeline's guider, and decode one clip at a time."""
        guider = pipe.guider
        before, guider.guidance_scale = guider.guidance_scale, guidance_scale
        try:
            with _one_by_one(pipe.vae):
                yield
        finally:
            guider.guidance_scale = before


@contextmanager
def _one_by_one(vae: Any) -> Iterator[None]:
    """Slice batches: the mask of the autoencoder's attention fits one sample only."""
    before, vae.use_slicing = vae.use_slicing, True
    try:
        yield
    finally:
        vae.use_slicing = before


HUNYUAN15 = Hunyuan15Family()

HUNYUANVIDEO_1_5 = register_spec(
    BackboneSpec(
        name="hunyuanvideo_1_5",
        family=HUNYUAN15,
        repo="hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-480p_t2v",
        revision="286be7ce72277246578a3e3cc2487e95ddae5bcf",
        licence=HUNYUAN_LICENCE,
        # It allows some commercial use in some places, which is not a yes.
        commercial_use=False,
        lora_targets=HUNYUAN_LORA_TARGETS,
        lora_excluded=HUNYUAN_LORA_EXCLUDED,
        # The area is the network's target_size, 640 x 640; frames and steps: the pipeline's own.
        sizes=MappingProxyType({"1:1": (640, 640), "16:9": (480, 848), "9:16": (848, 480)}),
        max_sequence_length=1000,
        max_frames=121,
        num_inference_steps=50,
        # Source: convert_hunyuan_video1_5_to_diffusers.py of diffusers, 480p_t2v.
        guidance_scale=6.0,
        fps=24.0,
        fingerprint=MappingProxyType(
            {"text_embed_dim": 3584, "num_layers": 54, "task_type": "t2v", "target_size": 640}
        ),
        tiny_fingerprint=MappingProxyType({"text_embed_dim": TINY_TEXT_DIM}),
    )
)
