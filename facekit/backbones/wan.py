"""The Wan family: the embedded toon backbone and Wan 2.1 through stock diffusers pipelines.

Shapes: B batch, C channels, F frames, H height, W width, L tokens.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from facekit.backbones.digest import backbone_digest, pipeline_digest
from facekit.backbones.flow import (
    NUM_TRAIN_TIMESTEPS,
    add_noise,
    model_timestep,
    predict_clean,
    velocity,
)
from facekit.backbones.spec import BackboneSpec, register_spec
from facekit.backbones.wan_tiny import TINY_TEXT_DIMS, build_tiny
from facekit.errors import UsageError, WeightsError, WeightsMissing
from facekit.resources import toon_backbone_dir
from facekit.weights import verify_once

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = [
    "TOON",
    "WAN_2_1_T2V_1_3B",
    "WAN_SPECS",
    "add_noise",
    "backbone_digest",
    "decode_latents",
    "detect_spec",
    "encode_text",
    "encode_video",
    "model_timestep",
    "pipeline_digest",
    "predict_clean",
    "velocity",
]

_ATTENTION_LINEARS = ("to_q", "to_k", "to_v", "to_out.0")


def _find_sites(transformer: nn.Module, every: int) -> tuple[str, ...]:
    blocks = getattr(transformer, "blocks", None)
    if not isinstance(blocks, nn.ModuleList):
        return ()
    return tuple(
        f"blocks.{index}.attn2"
        for index, block in enumerate(blocks)
        if index % every == 0 and hasattr(block, "attn2")
    )


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep the progress bars of both libraries off the terminal; facekit shows its own."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    shown = [
        log for log in (diffusers_logging, transformers_logging) if log.is_progress_bar_enabled()
    ]
    for log in shown:
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log in shown:
            log.enable_progress_bar()


def _load(spec: BackboneSpec, source: Path | None, dtype: torch.dtype) -> "DiffusionPipeline":
    from diffusers import WanPipeline

    # The autoencoder stays in float32: in half precision it shows.
    dtypes = {"default": dtype, "vae": torch.float32}
    pipe: DiffusionPipeline = _from_pretrained(WanPipeline, spec, source, dtype=dtypes)
    return pipe


def _load_tokenizer(spec: BackboneSpec, source: Path | None) -> Any:
    from transformers import AutoTokenizer

    return _from_pretrained(AutoTokenizer, spec, source, subfolder="tokenizer")


def _from_pretrained(kind: Any, spec: BackboneSpec, source: Path | None, **options: Any) -> Any:
    """Load a pipeline or a part of it from where the spec or the caller says."""
    if source is None and not spec.repo:
        source = toon_backbone_dir()
    if source is not None and not (source / "model_index.json").is_file():
        raise WeightsMissing(
            f"{source}: no model_index.json, expected {spec.name} as a diffusers pipeline; name a"
            " folder written by save_pretrained, or reinstall facekit for the embedded one"
        )
    if source == toon_backbone_dir():
        verify_once(source.parent, below=f"{source.name}/{options.get('subfolder', '')}")
    options["local_files_only"] = True
    try:
        with _without_bars():
            if source is not None:
                return kind.from_pretrained(str(source), **options)
            return kind.from_pretrained(spec.repo, revision=spec.revision, **options)
    except (OSError, ValueError) as error:
        if source is not None:
            raise WeightsError(
                f"{source}: cannot be loaded as {spec.name} ({error}); fetch the folder again"
            ) from error
        raise WeightsMissing(
            f"{spec.name}: not on this machine, expected {spec.repo} at {spec.revision};"
            f" run: hf download {spec.repo} --revision {spec.revision}"
        ) from error


def _wan_spec(name: str, *, text_dim: int, layers: int, **facts: Any) -> BackboneSpec:
    fingerprint = {"text_dim": text_dim, "num_layers": layers}
    tiny = {"text_dim": TINY_TEXT_DIMS[name]}
    return register_spec(
        BackboneSpec(
            name=name,
            family="wan",
            lora_targets=tuple(
                f"{attention}.{linear}"
                for attention in ("attn1", "attn2")
                for linear in _ATTENTION_LINEARS
            ),
            fingerprints=(MappingProxyType(fingerprint), MappingProxyType(tiny)),
            num_train_timesteps=NUM_TRAIN_TIMESTEPS,
            find_sites=_find_sites,
            load_pipeline=_load,
            load_tokenizer=_load_tokenizer,
            build_tiny=build_tiny,
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
WAN_SPECS = (TOON, WAN_2_1_T2V_1_3B)


def detect_spec(model: Any) -> BackboneSpec:
    """Tell the backbone from a pipeline or a transformer.

    Raises:
        UsageError: None of the known Wan backbones.
    """
    transformer = getattr(model, "transformer", model)
    config = getattr(transformer, "config", {})
    for spec in WAN_SPECS:
        for fingerprint in spec.fingerprints:
            if all(config.get(name) == value for name, value in fingerprint.items()):
                return spec
    known = ", ".join(spec.name for spec in WAN_SPECS)
    raise UsageError(
        f"{type(transformer).__name__} is not a backbone that facekit knows, expected one of"
        f" {known}; load the pipeline with facekit.backbones.get_spec(name).load()"
    )


@torch.no_grad()
def encode_text(
    pipe: Any, prompts: Sequence[str], *, max_sequence_length: int | None = None
) -> Tensor:
    """Encode prompts exactly as the stock pipeline does, zeros after the last token.

    Args:
        pipe: A Wan pipeline.
        prompts: At least one.
        max_sequence_length: The spec's when None; sampling must be called with the same.

    Returns:
        (B, L, C) in the dtype of the text encoder, L = max_sequence_length.
    """
    length = max_sequence_length or detect_spec(pipe).max_sequence_length
    embeds: Tensor = pipe.encode_prompt(
        list(prompts), do_classifier_free_guidance=False, max_sequence_length=length
    )[0]
    return embeds


def _latent_statistics(vae: Any, like: Tensor) -> tuple[Tensor, Tensor]:
    mean, std = (
        torch.tensor(numbers, device=like.device, dtype=like.dtype).view(1, -1, 1, 1, 1)
        for numbers in (vae.config.latents_mean, vae.config.latents_std)
    )
    return mean, std


@torch.no_grad()
def encode_video(pipe: Any, frames_BCFHW: Tensor) -> Tensor:
    """Encode frames to normalised latents, the mode of the posterior.

    Args:
        pipe: A Wan pipeline.
        frames_BCFHW: RGB in -1..1, 4 n + 1 frames.

    Returns:
        (B, C, F', H', W'), ``(z - mean) / std``.
    """
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


def decode_latents(pipe: Any, latents: Tensor, clamp: bool = False) -> Tensor:
    """Decode normalised latents to frames; gradients flow.

    Args:
        pipe: A Wan pipeline.
        latents: (B, C, F', H', W') as ``encode_video`` gives them.
        clamp: Clip to -1..1 as ``vae.decode`` does. It kills the gradient where the decoder
            saturates, so leave it off inside a loss.

    Returns:
        (B, 3, F, H, W), RGB, about -1..1.

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
