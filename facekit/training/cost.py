"""What one step of training costs, found by running it with tensors that have no numbers.

The network, its autoencoder and all that is trained have their real sizes and take no memory.
Weights that are held in fewer bits count by formula; so do text encoders, whose peak is their own
weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import lcm, prod

import torch

from facekit.adapters.lora import LoraSettings, add_lora
from facekit.backbones.spec import BackboneSpec
from facekit.training.batches import sigmas
from facekit.training.ledger import fake_ledger
from facekit.training.probing import FakeRun, Found, Situation
from facekit.training.settings import TrainSettings
from facekit.training.sketch import (
    Outline,
    blocks,
    fake_pipe,
    fill,
    held_bytes,
    largest_layer,
    shortened,
)

__all__ = ["Probed", "Situation", "StepCost", "probe_step", "step_cost", "weigh"]

_DRAWS = 1024
_MOMENT_BYTES = {"adamw": 8.0, "adamw_8bit": 2.0, "adamw_schedule_free": 8.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    """Bytes on the device by what holds them, and the work of a step."""

    tokens: int
    """Latent tokens that the network sees of the samples of a step."""
    flops: float
    """Of a mean step: terms of the loss that few steps compute count by their share."""
    base: int
    """The frozen network as it is held, without the blocks that wait in main memory."""
    trained: int
    """What learns, its moments, its average and the copies that are kept of it."""
    data: int
    """Encoded photos and prompts."""
    activations: int
    """The most that a step needs beside these: activations, gradients, weights in full width."""
    text_encoder: int
    """Encoding prompts, the encoder's own weights included."""
    autoencoder: int
    """Encoding a view or decoding a clip of validation, its own weights included."""
    autoencoder_weights: int
    text_weights: int
    stays: bool
    """Whether the autoencoder is needed in training, for the identity loss."""
    is_parked: bool
    """Whether what is not used waits in main memory."""
    offloaded: int
    """Blocks that wait in main memory until they are computed with."""

    @property
    def step(self) -> int:
        """Bytes on the device at the worst moment of a step."""
        held = self.autoencoder_weights if self.stays or not self.is_parked else 0
        held += 0 if self.is_parked else self.text_weights
        return self.base + self.trained + self.data + self.activations + held

    @property
    def encode(self) -> int:
        """The same while photos and prompts are encoded."""
        if self.is_parked:
            return max(self.text_encoder, self.autoencoder)
        return self.base + max(
            self.text_encoder + self.autoencoder_weights, self.autoencoder + self.text_weights
        )

    @property
    def decode(self) -> int:
        """The same while validation decodes a clip."""
        held = 0 if self.is_parked else self.text_weights
        return self.base + self.trained + self.data + self.autoencoder + held

    @property
    def peak(self) -> int:
        """The most that is held on the device at any time."""
        return max(self.step, self.encode, self.decode)

    def to_json(self) -> dict[str, int | float]:
        """Bytes by kind and by stage, tokens and operations."""
        kinds = ("tokens", "flops", "base", "trained", "data", "activations", "offloaded")
        stages = ("step", "encode", "decode", "peak")
        return {name: getattr(self, name) for name in (*kinds, *stages)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What running the fake network gave; the same however its weights are held in fewer bits."""

    found: Found
    latents: tuple[int, ...]
    """Of a view: C, F, H, W."""
    autoencoder_weights: int
    autoencoder: int
    """The most that encoding a view, or decoding a clip, takes beside weights."""


def step_cost(
    spec: BackboneSpec,
    made: Outline,
    settings: TrainSettings,
    lora: LoraSettings | None,
    situation: Situation,
) -> StepCost:
    """Estimate a step. No number is computed, and nothing large is allocated.

    Args:
        spec: The backbone.
        made: Its parts without weights; used up by this.
        settings: Of the run.
        lora: Where one is trained.
        situation: What the recipe does not say.
    """
    frozen_part = weigh(spec, made, settings, situation)
    return frozen_part(probe_step(spec, made, settings, lora, situation))


def probe_step(
    spec: BackboneSpec,
    made: Outline,
    settings: TrainSettings,
    lora: LoraSettings | None,
    situation: Situation,
) -> Probed:
    """Run a step of fake tensors; arguments as of `step_cost`."""
    how = settings.memory.base_weights
    every = settings.memory.checkpointing_every or 1
    unit = lcm(every, spec.site_every if settings.has_identity else 1)
    probes = shortened(made.network, unit)
    if lora is not None and settings.trains_lora:
        for probe in probes:
            add_lora(probe.network, spec, lora)  # before it is fake: peft moves layers about
    dtype = torch.float32 if how == "float32" else _compute_dtype(settings)
    low_noise = _low_noise(spec, made, settings, lora)
    spec.process.sigma(torch.ones(1))  # what it remembers for good must not become a fake
    parts: list[Found] = []
    latents: tuple[int, ...] = ()
    autoencoder = 0
    with fake_ledger() as ledger, torch.random.fork_rng(devices=[]):
        fill(made.vae, torch.float32)
        parts_of_it = (*made.vae.parameters(), *made.vae.buffers())
        autoencoder_weights = sum(tensor.untyped_storage().nbytes() for tensor in parts_of_it)
        for probe in probes:
            pipe = fake_pipe(made, probe.network, dtype)
            run = FakeRun(spec, pipe, made, settings, lora, situation, ledger, low_noise)
            if not parts:
                latents, encoding = run.encoded()
                autoencoder = max(encoding, run.decoded(latents))
            parts.append(run.steps(latents))
    return Probed(
        found=Found.total(parts, [probe.weight for probe in probes]),
        latents=latents,
        autoencoder_weights=autoencoder_weights,
        autoencoder=autoencoder,
    )


def weigh(
    spec: BackboneSpec, made: Outline, settings: TrainSettings, situation: Situation
) -> Callable[[Probed], StepCost]:
    """Count the weights as they are held; what it gives adds them to what a probe gave."""
    how, compute = settings.memory.base_weights, _compute_dtype(settings)
    base = held_bytes(made.network, how)
    sizes = [held_bytes(made.network, how, block) for block in blocks(made.network)]
    waiting, ring = _offloaded(sizes, settings.memory.offloaded_blocks)
    widened = _widened(made, settings, compute)
    is_parked = situation.device != "cpu"
    experts = 1 if is_parked else spec.num_experts
    narrow = 2 if how != "float32" else 4
    shapes = made.shapes
    text_weights = shapes.text_parameters * narrow
    num_phrases = 1 + 2 * situation.num_views
    phrase = sum(prod(shape) * 4 for shape in shapes.text.values())
    rows = num_phrases * max(shape[0] for shape in shapes.text.values())
    moments = _MOMENT_BYTES[settings.optimizer] - _MOMENT_BYTES["adamw"]

    def added(probed: Probed) -> StepCost:
        found = probed.found
        return StepCost(
            tokens=found.tokens,
            flops=found.flops,
            base=base * experts - waiting + ring,
            trained=int(found.trained + moments * found.num_trained),
            data=num_phrases * phrase + situation.num_views * prod(probed.latents) * 4,
            activations=int(found.activations) + widened,
            text_encoder=text_weights + rows * shapes.text_width * narrow * 4,
            autoencoder=probed.autoencoder_weights + probed.autoencoder,
            autoencoder_weights=probed.autoencoder_weights,
            text_weights=text_weights,
            stays=settings.weights.identity > 0 or settings.weights.contrastive > 0,
            is_parked=is_parked,
            offloaded=waiting,
        )

    return added


def _low_noise(
    spec: BackboneSpec, made: Outline, settings: TrainSettings, lora: LoraSettings | None
) -> float:
    """Share of samples that the identity loss looks at."""
    expert = lora.expert if lora else "low"
    between = spec.family.sigma_range(made.tiny, expert)
    noise = settings.noise
    shift = spec.family.shift(made.tiny) if noise.shift is None else noise.shift
    drawn = sigmas(0, 0, _DRAWS, shift, between, noise)
    low = sum(sigma < settings.weights.identity_max_sigma for sigma in drawn) / _DRAWS
    dropout = settings.dropout
    return low * (1 - dropout.both - (dropout.identity if settings.has_identity else dropout.text))


def _compute_dtype(settings: TrainSettings) -> torch.dtype:
    return torch.bfloat16 if settings.precision == "bfloat16" else torch.float32


def _offloaded(sizes: list[int], count: int) -> tuple[int, int]:
    """Bytes of the blocks that wait, and of the two of them that are on the device at a time."""
    count = min(count, len(sizes))
    if not count:
        return 0, 0
    waiting = sorted(sizes, reverse=True)[:count]
    return sum(waiting), sum(waiting[:2])


def _widened(made: Outline, settings: TrainSettings, compute: torch.dtype) -> int:
    """Copies of stored weights in the type of the arithmetic.

    What layerwise casting widens is kept for the backward pass of its block; what is quantised is
    widened again there, a layer at a time.
    """
    how, every = settings.memory.base_weights, settings.memory.checkpointing_every
    width = compute.itemsize
    if how in ("int8", "nf4"):
        return largest_layer(made.network) * width
    if how != "float8" and not (how == "bfloat16" and width == 4):
        return 0
    narrow = 1 if how == "float8" else 2
    sizes = [held_bytes(made.network, "float8", block) for block in blocks(made.network)]
    if not sizes or not every:
        return held_bytes(made.network, "float8") * width
    kept = [size for index, size in enumerate(sizes) if index % every]
    return (sum(kept) + max(sizes)) * max(width // narrow, 1)
