"""Tiny real backbones, adapters that do something, and one pass of a transformer."""

from typing import Any

import torch
from torch import Tensor, nn

from facekit.adapters.character_file import CharacterFile, CharacterHeader, build_character
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import (
    DEFAULT_NAME,
    LoraSettings,
    add_lora,
    lora_state,
    named_lora_parameters,
)
from facekit.backbones import BackboneSpec, get_spec, spec_names

BACKBONES = spec_names()
EMBEDDING_DIM = 8
GRID = (3, 4, 6)


def tiny_pipe(name: str = "toon") -> Any:
    """A tiny pipeline without its progress bar, the transformer frozen."""
    pipe = get_spec(name).tiny()
    pipe.set_progress_bar_config(disable=True)
    pipe.transformer.requires_grad_(False)
    return pipe


def tiny_adapter(
    transformer: nn.Module, spec: BackboneSpec, *, trained: bool = True, **options: Any
) -> IdentityAdapter:
    """An adapter for it; ``trained`` gives it values, so that it has an effect."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        adapter = IdentityAdapter.from_transformer(
            transformer, spec, embedding_dim=EMBEDDING_DIM, num_tokens=4, heads=2, **options
        )
        if trained:
            for _, branch in adapter.branches():
                nn.init.normal_(branch.to_v.weight)
                nn.init.normal_(branch.to_v.bias)
    return adapter


def embeddings(batch: int = 1, photos: int = 2, seed: int = 0) -> Tensor:
    """Random unit vectors."""
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(batch, photos, EMBEDDING_DIM, generator=generator)
    return nn.functional.normalize(vectors, dim=-1)


def inputs(pipe: Any, batch: int = 2, sigma: float = 0.5, seed: int = 0) -> dict[str, Any]:
    """Arguments of one transformer pass on GRID latent tokens."""
    generator = torch.Generator().manual_seed(seed)
    config = pipe.transformer.config
    frames, height, width = GRID
    shape = (batch, config.in_channels, frames, 2 * height, 2 * width)
    text = torch.randn(batch, 5, config.text_dim, generator=generator)
    tokens = frames * height * width
    time = torch.full((batch, tokens) if pipe.config.expand_timesteps else (batch,), 1000 * sigma)
    return {
        "hidden_states": torch.randn(shape, generator=generator),
        "timestep": time,
        "encoder_hidden_states": text,
        "return_dict": False,
    }


def predict(pipe: Any, **changes: Any) -> Tensor:
    """One pass."""
    prediction: Tensor = pipe.transformer(**(inputs(pipe) | changes))[0]
    return prediction


def tiny_character(
    pipe: Any, name: str = "toon", *, lora: bool = True, seed: int = 0, **options: Any
) -> CharacterFile:
    """A character with an effect, made as a trainer makes it; the pipeline ends up bare."""
    from facekit.adapters.lora import remove_lora

    spec = get_spec(name)
    adapter = tiny_adapter(pipe.transformer, spec, **options)
    settings = LoraSettings(rank=2, alpha=4.0) if lora else None
    if settings:
        add_lora(pipe.transformer, spec, settings, seed=seed)
        randomise_lora(pipe.transformer, seed)
    header = CharacterHeader(
        name=f"mira{seed}",
        level="L2" if lora else "L0",
        backbone=name,
        encoder="toon-a",
        encoder_digest="ab" * 32,
        trigger="mira",
        lora=settings,
        training={"steps": 3},
    )
    character = build_character(
        header,
        adapter=adapter,
        tokens_BKC=adapter.tokens(embeddings(seed=seed)).detach(),
        lora=lora_state(pipe.transformer) if settings else None,
        embeddings_PD=embeddings(seed=seed)[0],
    )
    remove_lora(pipe.transformer)
    return character


def randomise_lora(transformer: nn.Module, seed: int = 0, name: str = DEFAULT_NAME) -> None:
    """Give a fresh LoRA an effect."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        for parameter in named_lora_parameters(transformer, name).values():
            parameter.normal_(std=0.3)


def sample(pipe: Any, spec: BackboneSpec, guidance_scale: float = 2.0, **options: Any) -> Tensor:
    """Sample the stock pipeline, two steps of two prompts, as latents."""
    latents: Tensor = pipe(
        ["a woman in the park", "a man"],
        height=32,
        width=32,
        num_frames=5,
        num_inference_steps=2,
        guidance_scale=guidance_scale,
        max_sequence_length=spec.max_sequence_length,
        generator=[torch.Generator().manual_seed(seed) for seed in (1, 2)],
        output_type="latent",
        **options,
    ).frames
    return latents
