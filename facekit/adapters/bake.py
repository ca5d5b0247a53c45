"""The identity branch as a plain LoRA, as far as one can stand for it, and how far that is.

At a site the branch adds ``W_o Attn(Q, K_id, V_id)``, which no LoRA can: it is not linear in what
a LoRA sees. What comes nearest is fitted by least squares over activations of real passes: a
LoRA of the site's output projection, which sees what the text's attention read.

Shapes: N tokens of all passes, C inner channels.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from facekit.adapters.character import Character, attach_characters
from facekit.adapters.formats.factors import LoraFactors
from facekit.adapters.low_rank import Squares, add_samples, fit_low_rank, missed_part
from facekit.backbones.sites import CROSS, base_layer
from facekit.backbones.spec import detect_spec, site_module
from facekit.errors import AdapterError, UsageError

__all__ = ["BAKE_RANK", "Baked", "Sampling", "bake_identity"]

BAKE_RANK = 16
"""Rank of what is fitted at each site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """The clips whose passes the branch is watched in."""

    prompts: Sequence[str]
    """At least three: one part is fitted, one chooses how cautiously, the last only measures."""
    height: int
    width: int
    num_frames: int
    num_inference_steps: int
    guidance_scale: float
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baked:
    """What was fitted, and what is missing."""

    modules: Mapping[str, LoraFactors]
    """Path of each site's output projection to what is added there."""
    residuals: Mapping[str, float]
    """Site to the part of the branch's effect that the LoRA misses, root mean square over passes
    that were not fitted; 1 is as if nothing had been baked."""
    velocity_residual: float
    """The same for what the whole transformer predicts."""
    strength: float


@dataclass(slots=True, eq=False)
class _Watch:
    """What is seen of each pass while it runs."""

    reads: dict[str, Tensor] = field(default_factory=dict)
    plain: dict[str, Tensor] = field(default_factory=dict)
    added: dict[str, Tensor] = field(default_factory=dict)


@torch.no_grad()
def bake_identity(
    pipe: Any, character: Character, strength: float, sampling: Sampling, rank: int = BAKE_RANK
) -> Baked:
    """Fit the effect of a character's identity branch, with its LoRA on, at one strength.

    The conditional and the unconditional passes of the stock pipeline are both fitted, for a
    plain LoRA acts in both. The pipeline is given back as it was.

    Args:
        pipe: The stock pipeline of the character's backbone.
        character: With an identity branch.
        strength: Of the branch; 1 is as trained.
        sampling: Which clips are drawn to watch it.
        rank: Of what is fitted at each site.

    Raises:
        AdapterError: A plain LoRA, which has nothing to bake; or a branch without any effect.
        AdapterMismatch: Another backbone than the character's.
        UsageError: Fewer than three prompts, or a strength that is not above 0.
    """
    if character.file.identity is None:
        raise AdapterError(
            f"{character.source}: a plain LoRA has no identity branch, got --bake, expected a"
            " character of level L0, L1 or L2; leave --bake away"
        )
    if not strength > 0 or len(sampling.prompts) < 3:
        raise UsageError(
            f"bake at strength {strength:g} over {len(sampling.prompts)} prompts, expected a"
            " strength above 0 and three prompts; change them"
        )
    parts = _split(sampling)
    spec = detect_spec(pipe)
    transformer = spec.family.network(pipe)
    with attach_characters(pipe, character) as attachment:
        identity = attachment.identity
        assert identity is not None
        identity.set_strength(strength)
        sites = identity.sites
        if any(spec.family.site_kind(transformer, site) is not CROSS for site in sites):
            raise AdapterError(
                f"{character.source}: {spec.name} has no plain cross-attention at its sites,"
                " expected one whose output projection a LoRA can stand for; leave --bake away"
            )
        sums = [{site: _empty(transformer, site) for site in sites} for _ in parts]
        calls: list[_Call] = []
        for squares, prompts in zip(sums, parts, strict=True):
            calls.clear()  # those of the last part remain
            for watch, call in _passes(pipe, sites, sampling, prompts):
                for site in sites:
                    add_samples(squares[site], watch.reads[site], watch.added[site])
                calls.append(call)
        fitting, choosing, measuring = sums
        fitted = {site: fit_low_rank(fitting[site], choosing[site], rank) for site in sites}
        if not any(squares.target for squares in measuring.values()):
            raise AdapterError(
                f"{character.source}: its identity branch adds nothing at strength {strength:g},"
                " expected an effect; train it, or leave --bake away"
            )
        modules = {
            f"{site}.to_out.0": LoraFactors(
                down=down.float(), up=up.float(), alpha=float(len(down))
            )
            for site, (down, up) in fitted.items()
        }
        with_branch = [_replay(transformer, call) for call in calls]
        with identity.disabled():
            without = [_replay(transformer, call) for call in calls]
            with _added_to_weights(transformer, modules):
                with_lora = [_replay(transformer, call) for call in calls]
    return Baked(
        modules=modules,
        residuals={site: missed_part(measuring[site], *fitted[site]) for site in sites},
        velocity_residual=_part(with_lora, with_branch, without),
        strength=strength,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """One call of the transformer, to be made again."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def _passes(
    pipe: Any, sites: Sequence[str], sampling: Sampling, prompts: Sequence[str]
) -> Iterator[tuple[_Watch, _Call]]:
    """Draw clips and give what was seen of every pass."""
    spec = detect_spec(pipe)
    for index, prompt in enumerate(prompts):
        seen: list[tuple[_Watch, _Call]] = []
        with _watching(spec.family.network(pipe), sites, seen):
            pipe(
                prompt,
                height=sampling.height,
                width=sampling.width,
                num_frames=sampling.num_frames,
                num_inference_steps=sampling.num_inference_steps,
                **spec.family.sampling_options(spec, sampling.guidance_scale, spec.fps),
                generator=torch.Generator().manual_seed(sampling.seed + index),
                output_type="latent",
            )
        yield from seen


@contextmanager
def _watching(
    transformer: Any, sites: Sequence[str], seen: list[tuple[_Watch, _Call]]
) -> Iterator[None]:
    watch = _Watch()
    names: list[str] = []
    hooks = []

    def before(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        nonlocal watch
        watch = _Watch()
        seen.append((watch, _Call(names[-1] if names else "", args, dict(kwargs))))

    def watch_site(site: str) -> None:
        attention = site_module(transformer, site)

        def projected(module: Any, args: tuple[Any, ...], output: Tensor) -> None:
            watch.reads[site], watch.plain[site] = args[0].flatten(0, 1), output.flatten(0, 1)

        def done(module: Any, args: tuple[Any, ...], output: Tensor) -> None:
            watch.added[site] = output.flatten(0, 1) - watch.plain.pop(site)

        hooks.append(attention.to_out[0].register_forward_hook(projected))
        hooks.append(attention.register_forward_hook(done))

    for site in sites:
        watch_site(site)
    hooks.append(transformer.register_forward_pre_hook(before, with_kwargs=True))
    named = transformer.cache_context

    @contextmanager
    def remember(name: str, **kwargs: Any) -> Iterator[None]:
        names.append(name)
        try:
            with named(name, **kwargs):
                yield
        finally:
            names.pop()

    transformer.cache_context = remember
    try:
        yield
    finally:
        transformer.cache_context = named
        for hook in hooks:
            hook.remove()


def _replay(transformer: Any, call: _Call) -> Tensor:
    with transformer.cache_context(call.name or "cond"):
        answer = transformer(*call.args, **call.kwargs)
    sample: Tensor = answer[0] if isinstance(answer, tuple) else answer.sample
    return sample.double()


@contextmanager
def _added_to_weights(transformer: Any, modules: Mapping[str, LoraFactors]) -> Iterator[None]:
    layers = {path: base_layer(site_module(transformer, path)) for path in modules}
    kept = {path: layer.weight.detach().clone() for path, layer in layers.items()}
    try:
        for path, layer in layers.items():
            layer.weight.copy_(kept[path] + modules[path].delta().to(kept[path]))
        yield
    finally:
        for path, layer in layers.items():
            layer.weight.copy_(kept[path])


def _empty(transformer: Any, site: str) -> Squares:
    layer = base_layer(site_module(transformer, f"{site}.to_out.0"))
    return Squares(
        inputs=torch.zeros(layer.in_features, layer.in_features, dtype=torch.float64),
        crossed=torch.zeros(layer.in_features, layer.out_features, dtype=torch.float64),
    )


def _split(sampling: Sampling) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    prompts = sampling.prompts
    part = max(1, len(prompts) // 4)
    return prompts[: -2 * part], prompts[-2 * part : -part], prompts[-part:]


def _part(got: Sequence[Tensor], wanted: Sequence[Tensor], without: Sequence[Tensor]) -> float:
    missed = sum(float((a - b).square().sum()) for a, b in zip(got, wanted, strict=True))
    size = sum(float((a - b).square().sum()) for a, b in zip(wanted, without, strict=True))
    return math.sqrt(missed / size) if size else 0.0
