"""The Wan family, from text: the embedded toon backbone, Wan 2.1 and Wan 2.2.

Shapes: B batch, C channels, F frames, H height, W width, L tokens.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from facekit.backbones.family import Call, Expert, Family, Text, latent_grid, unwrapped
from facekit.backbones.spec import BackboneSpec, register_spec
from facekit.backbones.wan_tiny import TINY_TEXT_DIMS, build_tiny
from facekit.backbones.wan_vae import decode_chunks, encode_frames
from facekit.errors import UsageError

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = ["TOON", "WAN", "WAN_2_1_T2V_1_3B", "WanFamily", "wan_spec"]

_ATTENTION_LINEARS = ("to_q", "to_k", "to_v", "to_out.0")


class WanFamily(Family):
    """True cross-attention to the text in every block, and a straight path to noise.

    Wan 2.2 A14B has two networks: ``pipe.transformer`` for noise levels from the pipeline's
    ``boundary_ratio`` on, ``pipe.transformer_2`` below it. Identity goes into both, folded once
    with the key norms of the second. Training and LoRA are for one of them, the second unless
    somebody asks for the first, and training draws its noise on that side of the boundary.
    """

    name = "wan"
    pipeline_class = "WanPipeline"
    network_class = "WanTransformer3DModel"
    has_text_apart = True

    def networks(self, pipe: Any) -> tuple[Any, ...]:
        """The transformer, or both."""
        both = (getattr(pipe, name, None) for name in ("transformer", "transformer_2"))
        first, second = map(unwrapped, both)
        return (first,) if second is None else (first, second)

    def sigma_range(self, pipe: Any, expert: Expert = "low") -> tuple[float, float]:
        """All, or those on one side of the boundary.

        Raises:
            UsageError: Two transformers without a boundary.
        """
        if len(self.networks(pipe)) == 1:
            return 0.0, 1.0
        boundary = _boundary(pipe)
        return (0.0, boundary) if expert == "low" else (boundary, 1.0)

    def guidance_scale(self, pipe: Any, network: Any) -> float | None:
        """The second transformer may be guided with a scale of its own."""
        scale = super().guidance_scale(pipe, network)
        if scale is None or len(self.networks(pipe)) == 1 or network is not self.networks(pipe)[1]:
            return scale
        return float(pipe._guidance_scale_2)

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

    def text_projection(self, network: Any) -> nn.Module | None:
        """None where embeddings of a picture stand before the text (Wan 2.1 I2V)."""
        if network.config.image_dim is not None:
            return None
        projection: nn.Module = network.condition_embedder.text_embedder
        return projection

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
        return encode_frames(pipe.vae, frames_BCFHW)

    def decode_latents(self, pipe: Any, latents: Tensor, clamp: bool = False) -> Tensor:
        """Decode normalised latents chunk by chunk, as the autoencoder does."""
        frames = decode_chunks(pipe.vae, latents)
        return frames.clamp(-1, 1) if clamp else frames

    def predict(
        self, pipe: Any, spec: BackboneSpec, noisy: Tensor, sigma_B: Tensor, text: Text
    ) -> Tensor:
        """Predict noise minus clean latents, each sample by the transformer of its noise level."""
        arguments = {
            "timestep": _timestep(pipe, spec, sigma_B, noisy),
            **self.latent_arguments(pipe, noisy),
            **text,
        }
        networks = self.networks(pipe)
        if len(networks) == 1:
            return _ask(networks[0], arguments)
        # As the pipeline decides it: on timesteps.
        boundary = spec.process.timestep(torch.tensor(_boundary(pipe)))
        high_B = spec.process.timestep(sigma_B) >= boundary.to(sigma_B.device)
        if high_B.all() or not high_B.any():
            return _ask(networks[0 if high_B.all() else 1], arguments)
        velocity = torch.empty_like(noisy)
        for network, chosen_B in zip(networks, (high_B, ~high_B), strict=True):
            rows = {name: tensor[chosen_B] for name, tensor in arguments.items()}
            velocity[chosen_B] = _ask(network, rows).to(velocity.dtype)
        return velocity

    def latent_arguments(self, pipe: Any, noisy: Tensor) -> dict[str, Tensor]:
        """What the transformer is given of the latents, each with the samples first."""
        return {"hidden_states": noisy}

    def read_call(self, network: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Latents first, then timesteps, one for each token or one for all."""
        latents = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        timestep = kwargs["timestep"] if "timestep" in kwargs else args[1]
        return Call(
            latents=latents,
            grid=latent_grid(latents, network.config.patch_size),
            timestep_B=timestep.reshape(timestep.shape[0], -1).amax(dim=1),
        )


def _boundary(pipe: Any) -> float:
    boundary = pipe.config.get("boundary_ratio")
    if boundary is None:
        raise UsageError(
            f"{type(pipe).__name__} holds two transformers and no boundary_ratio, expected the"
            " noise level where one hands over to the other; load it from its repository, or"
            " pass boundary_ratio"
        )
    return float(boundary)


def _ask(network: Any, arguments: dict[str, Tensor]) -> Tensor:
    velocity: Tensor = network(return_dict=False, **arguments)[0]
    return velocity


def _timestep(pipe: Any, spec: BackboneSpec, sigma_B: Tensor, latents: Tensor) -> Tensor:
    """(B, L) where the pipeline's ``expand_timesteps`` gives each token its own, (B,) otherwise."""
    timestep = spec.process.timestep(sigma_B.to(latents.device))
    if not pipe.config.get("expand_timesteps"):
        return timestep
    frames, height, width = latent_grid(latents, pipe.transformer.config.patch_size)
    return timestep.view(-1, 1).expand(-1, frames * height * width).clone()


WAN = WanFamily()


_SIZES_480P = MappingProxyType({"1:1": (640, 640), "16:9": (480, 832), "9:16": (832, 480)})
"""The smaller of the two areas that Wan was trained on, 480 x 832, in every aspect."""


def wan_spec(
    name: str, family: WanFamily = WAN, *, fingerprint: Mapping[str, object], **facts: Any
) -> BackboneSpec:
    """Register a model of the Wan family.

    Args:
        name: Of the spec.
        family: How it is asked.
        fingerprint: Of the real network's config, beside the width of its text.
        facts: Further fields of the spec, in place of those of Wan 2.1.
    """
    common: dict[str, Any] = {
        "sizes": _SIZES_480P,
        "num_inference_steps": 50,
        # Source: the cards of the repositories; the toon weights by their manifest.
        "licence": "Apache-2.0",
        "commercial_use": True,
    }
    return register_spec(
        BackboneSpec(
            name=name,
            family=family,
            lora_targets=tuple(
                f"{attention}.{linear}"
                for attention in ("attn1", "attn2")
                for linear in _ATTENTION_LINEARS
            ),
            fingerprint=MappingProxyType({"text_dim": 4096, **fingerprint}),
            tiny_fingerprint=MappingProxyType({"text_dim": TINY_TEXT_DIMS[name]}),
            **{**common, **facts},
        )
    )


TOON = wan_spec(
    "toon",
    fingerprint={"text_dim": 128, "num_layers": 6},
    repo="",
    revision="",
    sizes=MappingProxyType({"1:1": (96, 96), "16:9": (96, 176), "9:16": (176, 96)}),
    max_sequence_length=48,
    max_frames=17,
    starts_from_frame=True,
    num_inference_steps=24,
    guidance_scale=3.0,
    fps=8.0,
)
WAN_2_1_T2V_1_3B = wan_spec(
    "wan2_1_t2v_1_3b",
    fingerprint={"num_layers": 30, "in_channels": 16},
    repo="Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
    revision="0fad780a534b6463e45facd96134c9f345acfa5b",
)
wan_spec(
    "wan2_1_t2v_14b",
    fingerprint={"num_layers": 40, "in_channels": 16},
    repo="Wan-AI/Wan2.1-T2V-14B-Diffusers",
    revision="38ec498cb3208fb688890f8cc7e94ede2cbd7f68",
)
# Revisions: the commits that public projects pin; no weights but those of toon were loaded here.
# Steps, guidance and frame rate of Wan 2.2: the examples of diffusers' documentation.
wan_spec(
    "wan2_2_t2v_a14b",
    # A transformer alone is that of Wan 2.1 14B; the pipeline's second one tells them apart.
    fingerprint={"num_layers": 40, "in_channels": 16},
    num_experts=2,
    repo="Wan-AI/Wan2.2-T2V-A14B-Diffusers",
    revision="5be7df9619b54f4e2667b2755bc6a756675b5cd7",
    num_inference_steps=40,
    # The examples guide the second expert with 3.0; one number for both keeps three-way guidance
    # exact.
    guidance_scale=4.0,
)
wan_spec(
    "wan2_2_ti2v_5b",
    fingerprint={"num_layers": 30, "in_channels": 48},
    repo="Wan-AI/Wan2.2-TI2V-5B-Diffusers",
    revision="b8fff7315c768468a5333511427288870b2e9635",
    sizes=MappingProxyType({"1:1": (960, 960), "16:9": (704, 1280), "9:16": (1280, 704)}),
    spatial_multiple=32,  # its autoencoder makes one latent of 16 x 16 pixels
    max_frames=121,
    starts_from_frame=True,
    fps=24.0,
)
