"""Photos and a stock pipeline in, what is learned about one character out.

Shapes: B samples, P photos, D embedding, K identity tokens, C token channels, N other people.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from facekit.adapters.attach import attach
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import LoraSettings
from facekit.backbones.spec import BackboneSpec
from facekit.errors import TrainingError, UsageError
from facekit.faces.protocols import FaceParser, FaceVendor
from facekit.identity.photo_set import PhotoSet
from facekit.training.buckets import fewest_samples
from facekit.training.captions import Subject
from facekit.training.denoiser import Denoiser
from facekit.training.encoded import EncodedPhotos
from facekit.training.encoding import encode_once
from facekit.training.fixed_loss import FixedLoss
from facekit.training.in_place import all_tokens, in_place, judged_together
from facekit.training.objective import IdentityTokens, Objective
from facekit.training.offload import check_offloaded, offloaded
from facekit.training.optimizer import Group, Optimizer
from facekit.training.parking import parked, parts_of
from facekit.training.processes import ALONE, Processes
from facekit.training.scopes import checkpointed, frozen, pooled, with_lora
from facekit.training.settings import TrainSettings
from facekit.training.shortage import memory_stage
from facekit.training.trackers import Tracker
from facekit.training.trainer import Trainer, Validate
from facekit.types import NoProgress, Progress

__all__ = ["CACHE_FILE", "HELD_OUT_FILE", "TrainingResult", "train_character"]

CACHE_FILE = "photos.safetensors"
HELD_OUT_FILE = "held_out.safetensors"

_TOKEN_NAME = "tokens.shift"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingResult:
    """What was learned, on the CPU in float32."""

    tokens_KC: Tensor | None
    """The character's tokens from all its photos, or from the best views (`concat`); None without
    an identity branch."""
    lora: Mapping[str, Tensor] | None
    """Keys are module paths of the transformer; None where no LoRA was trained."""
    best_step: int
    best_score: float | None
    """Held-out likeness by the training encoder; None without validation."""
    start_score: float | None
    """The same before the first step: enrolment, or the bare backbone for a plain LoRA."""
    steps: int
    elapsed_s: float
    captions: tuple[str, ...]
    """What the views were called."""
    throughput: Mapping[str, float] = field(default_factory=dict)
    """Of the steps of this sitting."""


def train_character(
    settings: TrainSettings,
    photos: PhotoSet,
    subject: Subject,
    pipe: Any,
    spec: BackboneSpec,
    faces: FaceVendor,
    out_dir: Path,
    *,
    digest: str,
    adapter: IdentityAdapter | None = None,
    lora: LoraSettings | None = None,
    others_ND: Tensor | None = None,
    validate: Validate | None = None,
    guidance: Mapping[str, Any] | None = None,
    parser: FaceParser | None = None,
    progress: Progress | None = None,
    trackers: Sequence[Tracker] = (),
    processes: Processes = ALONE,
    device: torch.device | None = None,
) -> TrainingResult:
    """Train one character, or go on where an earlier call in the same folder stopped.

    The pipeline is as it was when this returns or raises.
    Several processes call it alike and each returns the same.

    Args:
        settings: Level, steps, losses and the rest.
        photos: Nothing is learned from held-out ones; their loss is measured.
        subject: How captions call the character.
        pipe: A stock pipeline of the backbone, on the device or in main memory.
        spec: Its backbone.
        faces: The training encoder that made the photos' embeddings, on the pipeline's device.
        out_dir: Receives the state, the log and the encoded photos, from the first process.
        digest: From `run_digest`.
        adapter: The base identity adapter, on the same device; needed unless the level is "none".
        lora: Rank, alpha and targets; needed where a LoRA is trained.
        others_ND: Embeddings of other people, for the contrastive loss.
        validate: Judges what the pipeline draws; called with everything in place, so that it
            only has to sample. Without it the last weights are kept.
        guidance: Options of ``Attachment.condition`` that validation samples with, such as
            three-way guidance; nothing of it takes part in the losses.
        parser: Draws the face masks of excerpts of clips; the ellipse when None.
        progress: Told of every step.
        trackers: Get a copy of the log, from its start to its end.
        processes: Those that share the samples of every step.
        device: Where it computes; where the network is when None. Parts of the pipeline that are
            not computed with wait in main memory meanwhile, unless processes share the weights out.

    Raises:
        KeyboardInterrupt: Asked to stop; the state is saved.
        ProcessLost: Another process of the run has ended.
        UsageError: A step of clips has fewer samples than there are processes.
        TrainingError: Not finite, or nothing learned, or something needed is missing.
        CheckpointMismatch: The folder holds the state of another run.
    """
    began = time.monotonic()
    adapter = adapter if settings.has_identity else None
    if settings.has_identity and adapter is None:
        raise TrainingError(
            f"identity.level {settings.level} needs the base identity adapter of {spec.name},"
            " got none; set identity.level to none for a plain LoRA"
        )
    lora = lora if settings.trains_lora else None
    if settings.trains_lora and lora is None:
        raise TrainingError(
            f"identity.level {settings.level} trains a LoRA, got no rank and alpha for it; give"
            " lora, or set identity.level to L1"
        )
    denoiser = Denoiser(pipe=pipe, spec=spec, expert=lora.expert if lora else "low")
    network = denoiser.network
    device = device or network.device
    memory = settings.memory
    check_offloaded(memory.offloaded_blocks, network)
    shift = denoiser.shift if settings.noise.shift is None else settings.noise.shift
    with ExitStack() as stack:
        stack.enter_context(frozen(*parts_of(pipe), adapter))
        parking = stack.enter_context(parked(pipe, spec, device, moves=not processes.shards))
        denoiser = replace(denoiser, parking=parking)

        def encode(shown: PhotoSet, name: str) -> EncodedPhotos:
            with memory_stage("encoding photos and prompts"):
                return from_first(shown, name)

        def from_first(shown: PhotoSet, name: str) -> EncodedPhotos:
            made = processes.same(
                # From device to device it goes by way of the CPU.
                lambda: encode_once(
                    settings,
                    shown,
                    subject,
                    denoiser,
                    faces,
                    out_dir / name,
                    digest,
                    parser,
                    progress,
                ).to(device if processes.count == 1 else "cpu")
            )
            return made.to(device)

        encoded = encode(photos, CACHE_FILE)
        held_out = None
        if settings.loss_levels and validate is not None and photos.held_out and settings.trains:
            apart = replace(photos, train=photos.held_out, held_out=(), views=(), excerpts=())
            held_out = encode(apart, HELD_OUT_FILE)
        if memory.offloaded_blocks and device.type != "cpu":
            waiting = stack.enter_context(offloaded(network, memory.offloaded_blocks, device))
            stack.enter_context(parking.offloading(network, waiting))
        needed = (network, pipe.vae) if settings.weights.decodes else (network,)
        parking.settle(*needed)
        attachment = None
        if adapter is not None:
            stack.enter_context(pooled(adapter, settings))
            attachment = stack.enter_context(attach(adapter, network, spec, pipe=pipe))
        groups = []
        tokens = None
        if adapter is not None and settings.trains_tokens:
            tokens = IdentityTokens(adapter.config.num_tokens, adapter.config.token_dim).to(device)
            learned = {_TOKEN_NAME: tokens.shift_1KC}
            groups.append(Group(name="tokens", parameters=learned, lr=settings.token_lr))
        if lora is not None:
            parameters = stack.enter_context(with_lora(network, spec, lora, settings))
            groups.append(
                Group(
                    name="lora",
                    parameters=parameters,
                    lr=settings.lora_lr,
                    weight_decay=settings.weight_decay,
                )
            )
        if memory.checkpointing_every:
            stack.enter_context(checkpointed(network, memory.checkpointing_every))
        judge = None
        if validate is not None:
            placed = (adapter, attachment, tokens, encoded, guidance or {})
            # Sampling may end with the other one of two experts here.
            judge = parking.settled(in_place(validate, settings, denoiser, *placed), *needed)
        if not groups:
            return _enrolled(adapter, encoded, judge and judged_together(judge, processes))
        fewest = fewest_samples(encoded.buckets, encoded.clips, settings.batch_size)
        if fewest < processes.count:
            raise UsageError(
                f"a step of clips takes {fewest} samples and there are {processes.count}"
                " processes, expected at least one sample for each; raise train.batch_size, lower"
                f" clips.num_frames, or start at most {fewest} processes"
            )
        objective = Objective(
            denoiser,
            settings,
            faces,
            adapter=adapter,
            attachment=attachment,
            tokens=tokens,
            others_ND=None if others_ND is None else others_ND.to(device),
        )
        between = denoiser.sigma_range
        if judge is not None and held_out is not None:
            judge = FixedLoss(
                objective, encoded, held_out, shift=shift, sigma_range=between
            ).beside(judge)
        judge = judge and judged_together(judge, processes)
        for group in groups:
            processes.spread(group.parameters.values())
        optimizer = Optimizer(
            tuple(groups),
            warmup=settings.warmup,
            grad_clip=settings.grad_clip,
            ema=settings.ema,
            kind=settings.optimizer,
            lr_schedule=settings.lr_schedule,
        )
        found = Trainer(
            objective,
            optimizer,
            encoded,
            settings,
            shift=shift,
            sigma_range=between,
            out_dir=out_dir,
            run_digest=digest,
            progress=progress or NoProgress(),
            validate=judge,
            spent_s=time.monotonic() - began,
            trackers=trackers,
            processes=processes,
        ).run()
        optimizer.put(found.weights)
        return TrainingResult(
            tokens_KC=all_tokens(adapter, encoded, tokens),
            lora={
                name: tensor.detach().cpu()
                for name, tensor in found.weights.items()
                if name != _TOKEN_NAME
            }
            or None,
            best_step=found.best_step,
            best_score=found.best_score,
            start_score=found.start_score,
            steps=found.steps,
            elapsed_s=found.elapsed_s,
            captions=encoded.captions,
            throughput=found.throughput,
        )


def _enrolled(
    adapter: IdentityAdapter | None, encoded: EncodedPhotos, judge: Validate | None
) -> TrainingResult:
    """Level L0: the tokens as they are projected, and how good they are."""
    began = time.monotonic()
    score = judge(0).score if judge else None
    return TrainingResult(
        tokens_KC=all_tokens(adapter, encoded, None),
        lora=None,
        best_step=0,
        best_score=score,
        start_score=score,
        steps=0,
        elapsed_s=time.monotonic() - began,
        captions=encoded.captions,
    )
