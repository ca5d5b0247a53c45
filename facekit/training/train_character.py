"""Photos and a stock pipeline in, what is learned about one character out.

Shapes: B samples, P photos, D embedding, K identity tokens, C token channels, N other people.
"""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from facekit.adapters.attach import attach
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import LoraSettings
from facekit.backbones.spec import BackboneSpec
from facekit.digests import json_digest
from facekit.errors import TrainingError
from facekit.faces.protocols import FaceVendor
from facekit.identity.photo_set import PhotoSet
from facekit.training.captions import Subject
from facekit.training.denoiser import Denoiser
from facekit.training.encoded import EncodedPhotos, encode_photos
from facekit.training.in_place import all_tokens, in_place
from facekit.training.objective import IdentityTokens, Objective
from facekit.training.optimizer import Group, Optimizer
from facekit.training.scopes import checkpointed, frozen, pooled, with_lora
from facekit.training.settings import TrainSettings
from facekit.training.shortage import memory_stage
from facekit.training.trainer import Trainer, Validate
from facekit.training.views import cut_views
from facekit.types import NoProgress, Progress

__all__ = ["CACHE_FILE", "TrainingResult", "run_digest", "train_character"]

CACHE_FILE = "photos.safetensors"

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


def run_digest(
    settings: TrainSettings,
    photos: PhotoSet,
    subject: Subject,
    *,
    backbone_digest: str,
    adapter_digest: str = "",
    lora: LoraSettings | None = None,
    extra: Mapping[str, object] | None = None,
) -> str:
    """Sha256 (hex) of everything that decides the weights; a resumed run must have the same."""
    content: dict[str, object] = {
        "settings": settings.to_json(),
        "photos": photos.digest,
        "subject": asdict(subject),
        "backbone": backbone_digest,
        "adapter": adapter_digest,
        "lora": asdict(lora) if lora else None,
        "extra": dict(extra or {}),
    }
    if settings.pool == "concat":
        content["token_photos"] = photos.best(settings.max_photos)
    return json_digest(content)


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
    progress: Progress | None = None,
) -> TrainingResult:
    """Train one character, or go on where an earlier call in the same folder stopped.

    The pipeline is as it was when this returns or raises.

    Args:
        settings: Level, steps, losses and the rest.
        photos: Held-out ones are not looked at here.
        subject: How captions call the character.
        pipe: A stock pipeline of the backbone, on any device.
        spec: Its backbone.
        faces: The training encoder that made the photos' embeddings, on the pipeline's device.
        out_dir: Receives the state, the log and the encoded photos.
        digest: From `run_digest`.
        adapter: The base identity adapter, on the same device; needed unless the level is "none".
        lora: Rank, alpha and targets; needed where a LoRA is trained.
        others_ND: Embeddings of other people, for the contrastive loss.
        validate: Judges what the pipeline draws; called with everything in place, so that it
            only has to sample. Without it the last weights are kept.
        guidance: Options of ``Attachment.condition`` that validation samples with, such as
            three-way guidance; nothing of it takes part in the losses.
        progress: Told of every step.

    Raises:
        KeyboardInterrupt: Asked to stop; the state is saved.
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
    device = network.device
    with memory_stage("encoding photos and prompts"):
        encoded = _encoded(settings, photos, subject, denoiser, spec, faces, out_dir, digest)
        encoded = encoded.to(device)
    with ExitStack() as stack:
        stack.enter_context(frozen(network, pipe.vae, adapter))
        attachment = None
        if adapter is not None:
            stack.enter_context(pooled(adapter, settings))
            attachment = stack.enter_context(attach(adapter, network, spec, pipe=pipe))
        groups = []
        tokens = None
        if adapter is not None and settings.trains_tokens:
            tokens = IdentityTokens(adapter.config.num_tokens, adapter.config.token_dim).to(device)
            shift = {_TOKEN_NAME: tokens.shift_1KC}
            groups.append(Group(name="tokens", parameters=shift, lr=settings.token_lr))
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
        if settings.memory.checkpointing_every:
            stack.enter_context(checkpointed(network, settings.memory.checkpointing_every))
        judge = None
        if validate is not None:
            judge = in_place(
                validate,
                settings,
                denoiser,
                adapter,
                attachment,
                tokens,
                encoded,
                guidance or {},
            )
        if not groups:
            return _enrolled(adapter, encoded, judge)
        optimizer = Optimizer(
            tuple(groups),
            warmup=settings.warmup,
            grad_clip=settings.grad_clip,
            ema=settings.ema,
        )
        found = Trainer(
            Objective(
                denoiser,
                settings,
                faces,
                adapter=adapter,
                attachment=attachment,
                tokens=tokens,
                others_ND=None if others_ND is None else others_ND.to(device),
            ),
            optimizer,
            encoded,
            settings,
            shift=denoiser.shift,
            sigma_range=denoiser.sigma_range,
            out_dir=out_dir,
            run_digest=digest,
            progress=progress or NoProgress(),
            validate=judge,
            spent_s=time.monotonic() - began,
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


def _encoded(
    settings: TrainSettings,
    photos: PhotoSet,
    subject: Subject,
    denoiser: Denoiser,
    spec: BackboneSpec,
    faces: FaceVendor,
    out_dir: Path,
    digest: str,
) -> EncodedPhotos:
    path = out_dir / CACHE_FILE
    cached = EncodedPhotos.load(path, digest)
    if cached is not None:
        return cached
    if not photos.train:
        raise TrainingError("no photos to train on; add photos")
    encoded = encode_photos(
        photos.train,
        cut_views(photos.train, spec.sizes),
        subject,
        encode_text=denoiser.encode_text,
        encode_video=denoiser.encode_video,
        encoder=faces,
        num_frames=settings.num_frames,
        token_photos=photos.best(settings.max_photos) if settings.pool == "concat" else None,
    )
    encoded.save(path, digest)
    return encoded


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
