"""The Wan family: the embedded toon backbone and Wan 2.1 through stock diffusers pipelines.

Shapes: B batch, C channels, F frames, H height, W width, L tokens.
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from facekit.backbones.family import Call, Family, Text, latent_grid
from facekit.backbones.spec import BackboneSpec, register_spec
from facekit.backbones.wan_tiny import TINY_TEXT_DIMS, build_tiny
from facekit.errors import UsageError

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = ["TOON", "WAN", "WAN_2_1_T2V_1_3B", "WanFamily"]

_ATTENTION_LINEARS = ("to_q", "to_k", "to_v", "to_out.0")


class WanFamily(Family):
    """True cross-attention to the text in every block, and a straight path to noise."""

    name = "wan"
    pipeline_class = "WanPipeline"
    network_class = "WanTransformer3DModel"
    can_continue = True

    def find_sites(self, network: nn.Module, every: int) -> tuple[str, ...]:
        """The second attention of every so-manieth block."""
        blocks = getattr(network, "blocks", None)
        if not isinstance(blocks, nn.ModuleList):
            return ()
        return tuple(
            f"blocks.{index}.attn2"
            for index, block in enumerate(blocks)
            if index % every == 0 and hasattr(block, "attn2")
        )

    def build_tiny(self, spec: BackboneSpec) -> "DiffusionPipeline":
        """Four blocks of two heads."""
        return build_tiny(spec)

    @torch.no_grad()
    def encode_text(self, pipe: Any, spec: BackboneSpec, prompts: Sequence[str]) -> Text:
        """Encode prompts exactly as the stock pipeline does, zeros after the last token.

        Returns:
            (B, L, C) in the dtype of the text encoder, L = ``spec.max_sequence_length``.
        """
        embeds: Tensor = pipe.encode_prompt(
            list(prompts),
            do_classifier_free_guidance=False,
            max_sequence_length=spec.max_sequence_length,
        )[0]
        return {"encoder_hidden_states": embeds}

    @torch.no_grad()
    def encode_video(self, pipe: Any, frames_BCFHW: Tensor) -> Tensor:
        """Encode 4 n + 1 frames to ``(z - mean) / std``, z the mode of the posterior."""
        vae = pipe.vae
        # The encoder walks in chunks of 1 + 4 n frames and drops what is left over.
        if frames_BCFHW.shape[2] % 4 != 1:
            raise UsageError(
                f"num_frames is {frames_BCFHW.shape[2]}, expected 4 * n + 1; drop the last frames"
            )
        latents = vae.encode(frames_BCFHW.to(vae.device, vae.dtype)).latent_dist.mode()
        mean, std = _latent_statistics(vae, latents)
        normalised: Tensor = (latents - mean) / std
        return normalised

    def decode_latents(self, pipe: Any, latents: Tensor, clamp: bool = False) -> Tensor:
        """Decode normalised latents chunk by chunk, as the autoencoder does.

        Source: AutoencoderKLWan._decode, diffusers 0.42.1 (Apache-2.0);
        tests/unit/backbones/test_wan.py compares with vae.decode.
        """
        vae = pipe.vae
        latents = latents.to(vae.device, vae.dtype)
        mean, std = _latent_statistics(vae, latents)
        hidden = vae.post_quant_conv(latents * std + mean)
        vae.clear_cache()
        try:
            chunks = []
            for index in range(hidden.shape[2]):
                # The cursor into the cache of causal convolutions starts over with every chunk.
                chunks.append(
                    vae.decoder(
                        hidden[:, :, index : index + 1],
                        feat_cache=vae._feat_map,
                        feat_idx=[0],
                        first_chunk=index == 0,
                    )
                )
        finally:
            vae.clear_cache()
        frames = torch.cat(chunks, dim=2)
        if vae.config.patch_size is not None:
            from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify

            frames = unpatchify(frames, patch_size=vae.config.patch_size)
        return frames.clamp(-1, 1) if clamp else frames

    def predict(
        self, pipe: Any, spec: BackboneSpec, noisy: Tensor, sigma_B: Tensor, text: Text
    ) -> Tensor:
        """Predict noise minus clean latents."""
        velocity: Tensor = pipe.transformer(
            hidden_states=noisy,
            timestep=_timestep(pipe, spec, sigma_B, noisy),
            return_dict=False,
            **text,
        )[0]
        return velocity

    def read_call(self, network: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Latents first, then timesteps, one for each token or one for all."""
        latents = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        timestep = kwargs["timestep"] if "timestep" in kwargs else args[1]
        return Call(
            batch=latents.shape[0],
            grid=latent_grid(latents, network.config.patch_size),
            timestep_B=timestep.reshape(timestep.shape[0], -1).amax(dim=1),
            device=latents.device,
            dtype=latents.dtype,
        )


def _timestep(pipe: Any, spec: BackboneSpec, sigma_B: Tensor, latents: Tensor) -> Tensor:
    """(B, L) where the pipeline's ``expand_timesteps`` gives each token its own, (B,) otherwise."""
    timestep = spec.process.timestep(sigma_B.to(latents.device))
    if not pipe.config.expand_timesteps:
        return timestep
    frames, height, width = latent_grid(latents, pipe.transformer.config.patch_size)
    return timestep.view(-1, 1).expand(-1, frames * height * width).clone()


def _latent_statistics(vae: Any, like: Tensor) -> tuple[Tensor, Tensor]:
    mean, std = (
        torch.tensor(numbers, device=like.device, dtype=like.dtype).view(1, -1, 1, 1, 1)
        for numbers in (vae.config.latents_mean, vae.config.latents_std)
    )
    return mean, std


WAN = WanFamily()


def _wan_spec(name: str, *, text_dim: int, layers: int, **facts: Any) -> BackboneSpec:
    return register_spec(
        BackboneSpec(
            name=name,
            family=WAN,
            lora_targets=tuple(
                f"{attention}.{linear}"
                for attention in ("attn1", "attn2")
                for linear in _ATTENTION_LINEARS
            ),
            fingerprint=MappingProxyType({"text_dim": text_dim, "num_layers": layers}),
            tiny_fingerprint=MappingProxyType({"text_dim": TINY_TEXT_DIMS[name]}),
            # Source: the cards of the repositories; the toon weights by their manifest.
            licence="Apache-2.0",
            commercial_use=True,
            **facts,
        )
    )


TOON = _wan_spec(
    "toon",
    text_dim=128,
    layers=6,
    repo="",
    revision="",
    sizes=MappingProxyType({"1:1": (96, 96), "16:9": (96, 176), "9:16": (176, 96)}),
    max_sequence_length=48,
    max_frames=17,
    num_inference_steps=24,
    guidance_scale=3.0,
    fps=8.0,
)
WAN_2_1_T2V_1_3B = _wan_spec(
    "wan2_1_t2v_1_3b",
    text_dim=4096,
    layers=30,
    repo="Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
    revision="0fad780a534b6463e45facd96134c9f345acfa5b",
    sizes=MappingProxyType({"1:1": (640, 640), "16:9": (480, 832), "9:16": (832, 480)}),
    max_sequence_length=512,
    max_frames=81,
    num_inference_steps=50,
    guidance_scale=5.0,
    fps=16.0,
)
