"""Tiny real backbones, adapters that do something, and one pass of a transformer."""

from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

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
from facekit.backbones import BackboneSpec, detect_spec, get_spec, spec_names
from tests.tiny.slow import slow_but

BACKBONES = spec_names()
SAME_BUT_FOR_TEXT = {
    "ltx_video_13b": "ltx_video_2b",
    "wan2_1_t2v_14b": "wan2_1_t2v_1_3b",
    "wan2_1_vace_14b": "wan2_1_vace_1_3b",
}
"""Backbones whose tiny pipelines differ from another's in nothing but the width of the texts."""
KINDS = tuple(name for name in BACKBONES if name not in SAME_BUT_FOR_TEXT)
"""One backbone of each kind of tiny pipeline."""
FAMILIES = tuple({type(get_spec(name).family): name for name in reversed(KINDS)}.values())
"""One backbone of each family."""
FEW_KINDS = slow_but(KINDS, *FAMILIES)
"""The kinds as parameters of a test; those whose family is there without them are slow."""
EMBEDDING_DIM = 8
GRID = (3, 4, 6)


def tiny_pipe(name: str = "toon") -> Any:
    """A tiny pipeline without its progress bar, the transformer frozen."""
    spec = get_spec(name)
    pipe: Any = spec.tiny()
    pipe.set_progress_bar_config(disable=True)
    spec.family.network(pipe).requires_grad_(False)
    return pipe


def network_of(pipe: Any) -> Any:
    """The network of a pipeline that is adapted."""
    return detect_spec(pipe).family.network(pipe)


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


def clip(spec: BackboneSpec, batch: int = 2, seed: int = 0) -> Tensor:
    """A small clip of noise that the backbone can encode, RGB in -1..1."""
    generator = torch.Generator().manual_seed(seed)
    frames = min(2 * spec.frame_multiple + 1, spec.max_frames)
    side = spec.spatial_multiple
    return torch.rand(batch, 3, frames, 2 * side, 3 * side, generator=generator) * 2 - 1


def predict(
    pipe: Any, *, batch: int = 2, sigma: float = 0.5, seed: int = 0, text: Any = None
) -> Tensor:
    """One pass of a backbone's network, noise in, prediction out, as training asks for it."""
    spec = detect_spec(pipe)
    family = spec.family
    if text is None:
        text = _text(pipe, spec, batch)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((batch, *_latent_shape(spec.name)), generator=generator)
    return family.predict(pipe, spec, noise, torch.full((batch,), sigma), text)


_TEXTS: WeakKeyDictionary[nn.Module, dict[int, Any]] = WeakKeyDictionary()
"""What text encoders made of two prompts, by the encoder and the number of prompts."""


def _text(pipe: Any, spec: BackboneSpec, batch: int) -> Any:
    """Two prompts as the network takes them; encoded once, for that takes longer than a pass."""
    known = _TEXTS.setdefault(pipe.text_encoder, {})
    if batch not in known:
        with torch.no_grad():
            known[batch] = spec.family.encode_text(
                pipe, spec, ["a woman in the park", "a man"] * (batch // 2)
            )
    return known[batch]


@cache
def _latent_shape(name: str) -> tuple[int, ...]:
    """What the tiny VAE of a backbone makes of `clip`: channels, frames, height, width."""
    spec = get_spec(name)
    with torch.no_grad():
        latents_BCFHW = spec.family.encode_video(spec.tiny(), clip(spec, 1))
    return tuple(latents_BCFHW.shape[1:])


def grid_of(pipe: Any) -> tuple[int, int, int]:
    """The latent tokens of `predict`: frames, height, width."""
    spec = detect_spec(pipe)
    network = spec.family.network(pipe)
    seen: list[tuple[int, int, int]] = []
    hook = network.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(spec.family.read_call(module, args, kwargs).grid),
        with_kwargs=True,
    )
    with torch.no_grad():
        predict(pipe)
    hook.remove()
    return seen[0]


def site_outputs(pipe: Any, site: str) -> tuple[list[Tensor], Any]:
    """Collect what an attention gives for the latent tokens of `predict`, (2, L, C) each."""
    seen: list[Tensor] = []

    def keep(module: nn.Module, args: object, output: Any) -> None:
        latents = output[0] if isinstance(output, tuple) else output
        seen.append(latents.detach().reshape(2, -1, latents.shape[-1]))

    network = detect_spec(pipe).family.network(pipe)
    return seen, network.get_submodule(site).register_forward_hook(keep)


def wan_inputs(pipe: Any, batch: int = 2, sigma: float = 0.5, seed: int = 0) -> dict[str, Any]:
    """Arguments of one pass of a Wan transformer on GRID latent tokens."""
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


def wan_predict(pipe: Any, **changes: Any) -> Tensor:
    """One pass of a Wan transformer."""
    prediction: Tensor = pipe.transformer(**(wan_inputs(pipe) | changes))[0]
    return prediction


def tiny_character(
    pipe: Any, name: str = "toon", *, lora: bool = True, seed: int = 0, **options: Any
) -> CharacterFile:
    """A character with an effect, made as a trainer makes it; the pipeline ends up bare."""
    from facekit.adapters.lora import remove_lora

    spec = get_spec(name)
    network = spec.family.network(pipe)
    adapter = tiny_adapter(network, spec, **options)
    settings = LoraSettings(rank=2, alpha=4.0) if lora else None
    if settings:
        add_lora(network, spec, settings, seed=seed)
        randomise_lora(network, seed)
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
        lora=lora_state(network) if settings else None,
        embeddings_PD=embeddings(seed=seed)[0],
    )
    remove_lora(network)
    return character


def randomise_lora(transformer: nn.Module, seed: int = 0, name: str = DEFAULT_NAME) -> None:
    """Give a fresh LoRA an effect."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        for parameter in named_lora_parameters(transformer, name).values():
            parameter.normal_(std=0.3)


def sample(pipe: Any, spec: BackboneSpec, guidance_scale: float = 2.0, **options: Any) -> Tensor:
    """Sample the stock pipeline, two steps of two prompts, as latents."""
    side = spec.spatial_multiple
    arguments = {
        "height": 2 * side,
        "width": 2 * side,
        "num_frames": spec.frame_multiple + 1,
        "num_inference_steps": 2,
        "output_type": "latent",
        **spec.family.sampling_options(spec, guidance_scale, spec.fps),
        **options,
    }
    prompts = ["a woman in the park", "a man"]
    noise = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    with spec.family.sampling(pipe, guidance_scale):
        if not spec.family.one_at_a_time:
            asked = {"prompt": prompts, "generator": noise, **arguments}
            latents: Tensor = pipe(**asked).frames
            return latents
        pairs = [{"prompt": p, "generator": g} for p, g in zip(prompts, noise, strict=True)]
        return torch.cat([pipe(**{**pair, **arguments}).frames for pair in pairs])
