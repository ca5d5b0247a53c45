"""What one training step looks at, as a pure function of (seed, step).

Shapes: B samples, C latent channels, F latent frames, H and W latent height and width, L text
tokens, T text channels, P conditioning photos, D embedding.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from facekit.backbones.family import Text
from facekit.recipe import NoiseSection
from facekit.training.buckets import choose_bucket
from facekit.training.chance import generator, uniform
from facekit.training.encoded import EncodedPhotos
from facekit.training.noise_levels import level_at
from facekit.training.processes import ALONE, Processes
from facekit.training.settings import Dropout, TrainSettings

__all__ = ["Batch", "Dropped", "SampleChoice", "choose_samples", "make_batch", "sigmas"]

Dropped = Literal["nothing", "identity", "text", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleChoice:
    """One sample: which view is learned, under which conditions, at which noise level."""

    view: int
    conditions: tuple[int, ...]
    """Photos whose embeddings condition it; never its own where another one exists."""
    reference: int
    """Photo that the identity loss compares with."""
    sigma: float
    masked: bool
    """Whether its flow loss is the mean over the face alone."""
    dropped: Dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The tensors of one step."""

    latents_BCFHW: Tensor
    noise_BCFHW: Tensor
    sigma_B: Tensor
    text: Text
    class_text: Text
    """The same captions with the class phrase in place of the trigger."""
    masks_BFHW: Tensor
    masked_B: Tensor
    """Bool: whose flow loss is the mean over the face."""
    embeddings_BPD: Tensor
    weights_BP: Tensor
    present_B: Tensor
    """1 where the identity conditions, 0 where it is dropped."""
    named_B: Tensor
    """Bool: whose caption is there."""
    reference_BD: Tensor
    transforms_B23: Tensor
    """From the pixels of the view to the encoder's crop."""
    face_frames: tuple[int, ...]
    """The latent frame of each sample that shows the face there; 0 for a photo."""
    preserve: bool
    """Whether this step computes the preservation loss."""
    share: float = 1.0
    """The part of the step's samples that is here; the rest is in other processes."""


def sigmas(
    seed: int,
    step: int,
    count: int,
    shift: float,
    between: tuple[float, float] = (0.0, 1.0),
    noise: NoiseSection | None = None,
) -> list[float]:
    """Draw noise levels, stratified over the batch.

    Args:
        seed: Of the run.
        step: Of the run.
        count: Samples in the batch; each takes its own stratum, in random order.
        shift: As in flow-match schedulers, 1 changes nothing.
        between: The same distribution, cut off below and above.
        noise: How the levels are spread before the shift; as a recipe that says nothing when None.
    """
    rng = generator(seed, "sigma", step, count)
    strata = torch.randperm(count, generator=rng).double()
    u = (strata + torch.rand(count, generator=rng, dtype=torch.float64)) / count
    return [float(x) for x in level_at(u, noise or NoiseSection(), shift, between)]


def choose_samples(
    step: int,
    settings: TrainSettings,
    view_photos: Sequence[int],
    view_buckets: Sequence[tuple[int, ...]],
    num_photos: int,
    shift: float = 1.0,
    token_photos: Collection[int] = (),
    sigma_range: tuple[float, float] = (0.0, 1.0),
    clips: Collection[int] = (),
) -> list[SampleChoice]:
    """Choose the samples of one step.

    Args:
        step: Counts from 0.
        settings: Seed, batch size, dropout and mask probabilities.
        view_photos: The photo of every view.
        view_buckets: The size of every view; a batch holds one size only.
        num_photos: How many photos condition.
        shift: Of the noise levels.
        token_photos: Those that make the character's tokens; they condition before the others.
        sigma_range: None below and above.
        clips: The views that are excerpts of clips; they have their share of the tokens.
    """
    seed = settings.seed
    members, count = choose_bucket(
        seed, step, view_buckets, clips, settings.batch_size, settings.clips.share
    )
    order = torch.randperm(len(members), generator=generator(seed, "views", step)).tolist()
    # All samples of a step condition on equally many photos, so that they stack without padding.
    most = max(1, num_photos - 2)
    if settings.pool == "concat":
        most = min(most, settings.max_photos)
    num_conditions = 1 + int(uniform(seed, "conditions", step) * most)
    levels = sigmas(seed, step, count, shift, sigma_range, settings.noise)
    choices = []
    for index in range(count):
        view = members[order[index % len(order)]]
        reference, conditions = _pair(seed, step, index, view_photos[view], num_photos)
        # A stable sort: chance decides among those that make the tokens, and among the others.
        conditions = tuple(sorted(conditions, key=lambda photo: photo not in token_photos))
        choices.append(
            SampleChoice(
                view=view,
                conditions=conditions[:num_conditions],
                reference=reference,
                sigma=levels[index],
                masked=uniform(seed, "mask", step, index) < settings.weights.face_mask_probability,
                dropped=_dropped(uniform(seed, "dropout", step, index), settings.dropout),
            )
        )
    return choices


def _pair(
    seed: int, step: int, index: int, target: int, num_photos: int
) -> tuple[int, tuple[int, ...]]:
    """A reference and conditioning photos: both differ from the target and from each other.

    With two photos the other one conditions and the target itself is the reference; with one
    photo there is no choice.
    """
    others = [i for i in range(num_photos) if i != target]
    if not others:
        return target, (target,)
    order = torch.randperm(len(others), generator=generator(seed, "pair", step, index)).tolist()
    shuffled = [others[i] for i in order]
    if len(shuffled) == 1:
        return target, (shuffled[0],)
    return shuffled[0], tuple(shuffled[1:])


def _dropped(u: float, dropout: Dropout) -> Dropped:
    if u < dropout.both:
        return "both"
    if u < dropout.both + dropout.identity:
        return "identity"
    if u < dropout.both + dropout.identity + dropout.text:
        return "text"
    return "nothing"


def make_batch(
    step: int,
    settings: TrainSettings,
    photos: EncodedPhotos,
    shift: float,
    sigma_range: tuple[float, float] = (0.0, 1.0),
    processes: Processes = ALONE,
) -> Batch:
    """Gather the tensors of one step; equal arguments give equal tensors in any process.

    Of several processes each gets its part of the samples that a single one would have.
    """
    choices = choose_samples(
        step,
        settings,
        photos.view_photos,
        photos.buckets,
        photos.num_photos,
        shift,
        photos.token_photos,
        sigma_range,
        photos.clips,
    )
    total = len(choices)
    mine = processes.part(total)
    choices = choices[mine.start : mine.stop]
    views = [choice.view for choice in choices]
    latents_BCFHW = torch.stack([photos.latents[v] for v in views])
    noise_BCFHW = torch.stack(
        [
            torch.randn(
                latents_BCFHW.shape[1:], generator=generator(settings.seed, "noise", step, index)
            )
            for index in mine
        ]
    )
    device = latents_BCFHW.device  # what is drawn and chosen here comes from the CPU, on any device
    no_text = [choice.dropped in ("text", "both") for choice in choices]
    conditions = torch.tensor([choice.conditions for choice in choices])
    weights = settings.weights
    preserve = (
        settings.trains_lora
        and weights.preservation > 0
        and uniform(settings.seed, "preserve", step) < weights.preservation_probability
    )
    return Batch(
        latents_BCFHW=latents_BCFHW,
        noise_BCFHW=noise_BCFHW.to(device),
        sigma_B=torch.tensor([choice.sigma for choice in choices], dtype=torch.float32).to(device),
        text=photos.text([None if off else v for v, off in zip(views, no_text, strict=True)]),
        class_text=photos.class_text(views),
        masks_BFHW=torch.stack([photos.masks[v] for v in views]),
        masked_B=torch.tensor([choice.masked for choice in choices]).to(device),
        embeddings_BPD=photos.embeddings_PD[conditions],
        weights_BP=photos.quality_P[conditions],
        present_B=torch.tensor(
            [float(choice.dropped in ("nothing", "text")) for choice in choices]
        ).to(device),
        named_B=torch.tensor([not off for off in no_text]).to(device),
        reference_BD=photos.embeddings_PD[[choice.reference for choice in choices]],
        transforms_B23=torch.stack([photos.transforms[v] for v in views]),
        face_frames=tuple(photos.face_frames[v] for v in views),
        preserve=preserve,
        share=len(mine) / total,
    )
