"""CogVideoX: joint attention of text and latents in one stream, the text first, and diffusion.

Identity stands beside the joint attention and is added to the latents' part alone.

Shapes: B batch, C channels, F frames, H height, W width, L tokens.
"""

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from facekit.backbones.cogvideox_tiny import TINY_TEXT_DIMS, build_tiny
from facekit.backbones.family import Call, Family, Text, latent_grid
from facekit.backbones.hub import from_pretrained
from facekit.backbones.noise import DiffusionNoise
from facekit.backbones.sites import JOINT_AFTER_TEXT, SiteKind
from facekit.backbones.spec import BackboneSpec, register_spec
from facekit.errors import UsageError

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = ["COGVIDEOX", "COGVIDEOX_2B", "COGVIDEOX_5B", "CogVideoXFamily"]


class CogVideoXFamily(Family):
    """The network wants latents as (B, F, C, H, W), and both halves of a guided batch at once.

    The rotary embedding, which the larger model has, turns the query in place: what is heard of it
    is copied before.
    """

    name = "cogvideox"
    pipeline_class = "CogVideoXPipeline"
    network_class = "CogVideoXTransformer3DModel"

    def find_sites(self, network: nn.Module, every: int) -> tuple[str, ...]:
        """The attention of every so-manieth block."""
        return tuple(
            f"transformer_blocks.{index}.attn1"
            for index, block in enumerate(getattr(network, "transformer_blocks", ()))
            if index % every == 0 and hasattr(block, "attn1")
        )

    def site_kind(self, network: nn.Module, site: str) -> SiteKind:
        """One stream, the text before the latents."""
        return JOINT_AFTER_TEXT

    def load(self, spec: BackboneSpec, source: Path | None, dtype: torch.dtype) -> Any:
        """Load the stock pipeline, the autoencoder in the same precision as the rest.

        The pipeline hands its autoencoder latents in the precision of the text.
        """
        import diffusers

        return from_pretrained(diffusers.CogVideoXPipeline, spec, source, dtype=dtype)

    def build_tiny(self, spec: BackboneSpec) -> "DiffusionPipeline":
        """Four blocks of two heads."""
        return build_tiny(spec)

    @torch.no_grad()
    def encode_text(self, pipe: Any, spec: BackboneSpec, prompts: Sequence[str]) -> Text:
        """Encode prompts exactly as the stock pipeline does; it masks nothing.

        Returns:
            (B, L, C) in the dtype of the text encoder, L = ``spec.max_sequence_length``.
        """
        states, _ = pipe.encode_prompt(
            list(prompts),
            do_classifier_free_guidance=False,
            max_sequence_length=spec.max_sequence_length,
        )
        return {"encoder_hidden_states": states}

    @torch.no_grad()
    def encode_video(self, pipe: Any, frames_BCFHW: Tensor) -> Tensor:
        """Encode 8 n + 1 frames to the mode of the posterior, times the scaling factor.

        Latent frames are decoded in twos, and a first one alone only where their number is odd.
        """
        vae = pipe.vae
        step = 2 * int(pipe.vae_scale_factor_temporal)
        if frames_BCFHW.shape[2] % step != 1:
            raise UsageError(
                f"num_frames is {frames_BCFHW.shape[2]}, expected {step} * n + 1; drop the last"
                " frames"
            )
        latents = vae.encode(frames_BCFHW.to(vae.device, vae.dtype)).latent_dist.mode()
        scaled: Tensor = latents * pipe.vae_scaling_factor_image
        return scaled

    def decode_latents(self, pipe: Any, latents: Tensor, clamp: bool = False) -> Tensor:
        """Decode with the autoencoder's own method, which neither clamps nor stops gradients."""
        vae = pipe.vae
        scaled = latents.to(vae.device, vae.dtype) / pipe.vae_scaling_factor_image
        frames: Tensor = vae.decode(scaled).sample
        return frames.clamp(-1, 1) if clamp else frames

    def predict(
        self, pipe: Any, spec: BackboneSpec, noisy: Tensor, sigma_B: Tensor, text: Text
    ) -> Tensor:
        """Predict v; the network's layout, frames before channels, is changed there and back."""
        frames, height, width = noisy.shape[2:]
        config, scale = pipe.transformer.config, pipe.vae_scale_factor_spatial
        rotary = None
        if config.use_rotary_positional_embeddings:
            rotary = pipe._prepare_rotary_positional_embeddings(
                height * scale, width * scale, frames, noisy.device
            )
        prediction: Tensor = pipe.transformer(
            hidden_states=noisy.transpose(1, 2),
            timestep=spec.process.timestep(sigma_B.to(noisy.device)).long(),
            image_rotary_emb=rotary,
            return_dict=False,
            **text,
        )[0]
        return prediction.transpose(1, 2)

    def read_call(self, network: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Latents first, frames before channels; the timestep is the third argument."""
        latents = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        timestep = kwargs["timestep"] if "timestep" in kwargs else args[2]
        return Call(
            latents=latents,
            grid=latent_grid(latents, network.config.patch_size, axes=(1, 3, 4)),
            timestep_B=timestep.reshape(-1),
        )

    def shift(self, pipe: Any) -> float:
        """None: the process has its own signal-to-noise ratio, and timesteps are evenly drawn."""
        return 1.0


COGVIDEOX = CogVideoXFamily()


def _cogvideox_spec(name: str, *, layers: int, snr_shift: float, **facts: Any) -> BackboneSpec:
    return register_spec(
        BackboneSpec(
            name=name,
            family=COGVIDEOX,
            # Source: scheduler_config.json of both repositories.
            process=DiffusionNoise(
                "v_prediction", "scaled_linear", 0.00085, 0.012, True, snr_shift
            ),
            lora_targets=tuple(
                f"attn1.{linear}" for linear in ("to_q", "to_k", "to_v", "to_out.0")
            ),
            # Source: the model cards: 480x720 alone, 8 n + 1 frames up to 49, 8 frames a second.
            # The other two shapes have about as many pixels; the cards promise nothing of them.
            sizes=MappingProxyType({"1:1": (592, 592), "16:9": (480, 720), "9:16": (720, 480)}),
            max_sequence_length=226,
            frame_multiple=8,
            max_frames=49,
            num_inference_steps=50,
            guidance_scale=6.0,
            fps=8.0,
            fingerprint=MappingProxyType(
                # The models of images have more channels, those of version 1.5 a patch in time.
                {"num_layers": layers, "in_channels": 16, "patch_size_t": None}
            ),
            tiny_fingerprint=MappingProxyType({"text_embed_dim": TINY_TEXT_DIMS[name]}),
            **facts,
        )
    )


COGVIDEOX_2B = _cogvideox_spec(
    "cogvideox_2b",
    layers=30,
    snr_shift=3.0,
    repo="zai-org/CogVideoX-2b",
    revision="1137dacfc2c9c012bed6a0793f4ecf2ca8e7ba01",
    licence="Apache-2.0",
    commercial_use=True,
)
COGVIDEOX_5B = _cogvideox_spec(
    "cogvideox_5b",
    layers=42,
    snr_shift=1.0,
    repo="zai-org/CogVideoX-5b",
    revision="8d6ea3f817438460b25595a120f109b88d5fdfad",
    # Source: LICENSE of the repository.
    licence="CogVideoX License: commercial use after registration, up to a million visits a month",
    commercial_use=False,
)
