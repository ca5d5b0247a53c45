"""HunyuanVideo: joint attention of latents and text, first in two streams and then in one.

There is no cross-attention to the text, so identity stands beside the joint attention and is added
to the latents' part alone; the text and its mask stay as they are.

Shapes: B batch, C channels, F frames, H height, W width, L tokens.
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from facekit.backbones.family import Call, Family, Text, latent_grid
from facekit.backbones.hunyuan_tiny import TINY_TEXT_DIM, build_tiny
from facekit.backbones.sites import JOINT, JOINT_UNPROJECTED, SiteKind
from facekit.backbones.spec import BackboneSpec, register_spec
from facekit.errors import UsageError

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = [
    "HUNYUAN",
    "HUNYUANVIDEO",
    "HUNYUAN_LICENCE",
    "HUNYUAN_LORA_EXCLUDED",
    "HUNYUAN_LORA_TARGETS",
    "HunyuanFamily",
]

HUNYUAN_LICENCE = (
    "Tencent Hunyuan Community License: not in the European Union, the United Kingdom and South"
    " Korea, and on request above 100 million users a month"
)
"""Source: LICENSE of tencent/HunyuanVideo and tencent/HunyuanVideo-1.5."""

HUNYUAN_LORA_TARGETS = (
    *(f"attn.{linear}" for linear in ("to_q", "to_k", "to_v", "to_out.0")),
    *(f"attn.{linear}" for linear in ("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")),
)
"""Both streams; the later blocks have only the first three."""

HUNYUAN_LORA_EXCLUDED = r"context_embedder\..*"
"""What refines the text before the blocks; its attention has the same names."""

_TRAINED_GUIDANCE = 1.0
"""The scale that training tells the network: what it learns from are pictures, not guided ones."""


class HunyuanFamily(Family):
    """Distilled guidance: the network is told the scale, and one pass is all there is.

    ``true_cfg_scale`` and a negative prompt make the stock pipeline ask twice all the same; the
    attachment tells the two passes apart.
    """

    name = "hunyuan"
    pipeline_class = "HunyuanVideoPipeline"
    network_class = "HunyuanVideoTransformer3DModel"
    guides_in_two_passes = False

    def find_sites(self, network: nn.Module, every: int) -> tuple[str, ...]:
        """Every so-manieth block of two streams, and half as many of those of one."""
        return tuple(
            f"{name}.{index}.attn"
            for name, step in (
                ("transformer_blocks", every),
                ("single_transformer_blocks", 2 * every),
            )
            for index, block in enumerate(getattr(network, name, ()))
            if index % step == 0 and hasattr(block, "attn")
        )

    def site_kind(self, network: nn.Module, site: str) -> SiteKind:
        """The blocks of one stream project attention and MLP together, after the attention."""
        return JOINT_UNPROJECTED if site.startswith("single_") else JOINT

    def build_tiny(self, spec: BackboneSpec) -> "DiffusionPipeline":
        """Three blocks of two streams, five of one, two heads."""
        return build_tiny(spec)

    @torch.no_grad()
    def encode_text(self, pipe: Any, spec: BackboneSpec, prompts: Sequence[str]) -> Text:
        """Encode prompts exactly as the stock pipeline does: LLaMA's states and CLIP's summary.

        Returns:
            States (B, L, C) with their mask (B, L), L = ``spec.max_sequence_length``, and the
            summary (B, C), in the dtype of the network.
        """
        states, summary, mask = pipe.encode_prompt(
            list(prompts), max_sequence_length=spec.max_sequence_length
        )
        dtype = pipe.transformer.dtype
        return {
            "encoder_hidden_states": states.to(dtype),
            "encoder_attention_mask": mask.to(dtype),
            "pooled_projections": summary.to(dtype),
        }

    @torch.no_grad()
    def encode_video(self, pipe: Any, frames_BCFHW: Tensor) -> Tensor:
        """Encode 4 n + 1 frames to the mode of the posterior, times the scaling factor."""
        vae = pipe.vae
        step = int(pipe.vae_scale_factor_temporal)
        if frames_BCFHW.shape[2] % step != 1:
            raise UsageError(
                f"num_frames is {frames_BCFHW.shape[2]}, expected {step} * n + 1; drop the last"
                " frames"
            )
        latents = vae.encode(frames_BCFHW.to(vae.device, vae.dtype)).latent_dist.mode()
        scaled: Tensor = latents * vae.config.scaling_factor
        return scaled

    def decode_latents(self, pipe: Any, latents: Tensor, clamp: bool = False) -> Tensor:
        """Decode with the autoencoder's own method, which neither clamps nor stops gradients."""
        vae = pipe.vae
        scaled = latents.to(vae.device, vae.dtype) / vae.config.scaling_factor
        frames: Tensor = vae.decode(scaled, return_dict=False)[0]
        return frames.clamp(-1, 1) if clamp else frames

    def predict(
        self, pipe: Any, spec: BackboneSpec, noisy: Tensor, sigma_B: Tensor, text: Text
    ) -> Tensor:
        """Predict noise minus clean latents, told a guidance of 1: pictures are not guided."""
        velocity: Tensor = pipe.transformer(
            hidden_states=noisy,
            timestep=spec.process.timestep(sigma_B.to(noisy.device)).to(noisy.dtype),
            guidance=noisy.new_full((noisy.shape[0],), _TRAINED_GUIDANCE) * 1000.0,
            return_dict=False,
            **text,
        )[0]
        return velocity

    def read_call(self, network: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Latents first, then one timestep for each sample."""
        latents = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        timestep = kwargs["timestep"] if "timestep" in kwargs else args[1]
        config = network.config
        return Call(
            latents=latents,
            grid=latent_grid(latents, (config.patch_size_t, config.patch_size, config.patch_size)),
            timestep_B=timestep.reshape(-1),
        )

    def guidance_scale(self, pipe: Any, network: Any) -> float | None:
        """Unknown: what the pipeline tells is what the network is told, not ``true_cfg_scale``."""
        return None


HUNYUAN = HunyuanFamily()

HUNYUANVIDEO = register_spec(
    BackboneSpec(
        name="hunyuanvideo",
        family=HUNYUAN,
        repo="hunyuanvideo-community/HunyuanVideo",
        revision="e8c2aaa66fe3742a32c11a6766aecbf07c56e773",
        licence=HUNYUAN_LICENCE,
        # It allows some commercial use in some places, which is not a yes.
        commercial_use=False,
        lora_targets=HUNYUAN_LORA_TARGETS,
        lora_excluded=HUNYUAN_LORA_EXCLUDED,
        # Source: README of tencent/HunyuanVideo, its sizes of 540p; frames, steps and fps as well.
        sizes=MappingProxyType({"1:1": (720, 720), "16:9": (544, 960), "9:16": (960, 544)}),
        max_sequence_length=256,
        max_frames=129,
        num_inference_steps=50,
        guidance_scale=6.0,
        fps=24.0,
        fingerprint=MappingProxyType(
            {
                "text_embed_dim": 4096,
                "num_layers": 20,
                "in_channels": 16,
                # Tells it from others of the class: models of images, and undistilled ones.
                "image_condition_type": None,
                "guidance_embeds": True,
            }
        ),
        tiny_fingerprint=MappingProxyType({"text_embed_dim": TINY_TEXT_DIM}),
    )
)
