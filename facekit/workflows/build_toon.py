"""Rebuild everything that the package embeds: corpus, encoders, VAE, backbone with adapter, probe.

Each part goes on where it stopped, so that a build can take several sittings; `export` writes the
files that ship, into the work folder or, on demand, in the place of those that ship now.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from facekit.media.files import restore_folder
from facekit.types import NoProgress, Progress
from facekit.workflows.toon_plan import PARTS, BuildToonPlan, BuildToonResult, plan_build_toon

if TYPE_CHECKING:
    from facekit.training.latents import LatentShard

__all__ = [
    "NUM_CHARACTERS",
    "PARTS",
    "BuildToonPlan",
    "BuildToonResult",
    "plan_build_toon",
    "run_build_toon",
]

NUM_CHARACTERS = 6000
_SHARDS: tuple[tuple[str, int, int, int], ...] = (
    # aspect, frames, samples, characters
    ("1:1", 1, 60_000, 6000),
    ("16:9", 1, 8000, 6000),
    ("9:16", 1, 8000, 6000),
    ("1:1", 9, 5000, 5000),
    ("16:9", 9, 800, 800),
    ("9:16", 9, 800, 800),
    ("1:1", 17, 600, 600),
)


def run_build_toon(plan: BuildToonPlan, progress: Progress | None = None) -> BuildToonResult:
    """Build the parts of a plan, each from where it stopped."""
    progress = progress or NoProgress()
    plan.out.mkdir(parents=True, exist_ok=True)
    restore_folder(plan.export_to)  # an installation may have been killed between two names
    if plan.from_shipped:
        from facekit.workflows.toon_checkpoints import seed_from_shipped

        seed_from_shipped(plan)
    started, seconds, unfinished = time.monotonic(), {}, []
    for part in plan.parts:
        if plan.hours is not None and time.monotonic() - started > plan.hours * 3600.0:
            unfinished.append(part)
            continue
        begun, report = time.monotonic(), _Report(progress, part)
        _BUILDERS[part](plan, report)
        report.finish()
        seconds[part] = round(time.monotonic() - begun, 1)
    return BuildToonResult(seconds=seconds, unfinished=tuple(unfinished))


class _Report:
    """Counts of (done, total) as stages of a progress: one for a part, or one for each shard."""

    def __init__(self, progress: Progress, part: str) -> None:
        self._progress, self._part, self._label = progress, part, part
        self._done: int | None = None

    def stage(self, name: str) -> None:
        """Count something else from here on; it is shown as soon as it counts."""
        self.finish()
        self._label = f"{self._part} {name}"

    def __call__(self, done: int, total: int) -> None:
        if self._done is None:
            self._progress.start(total, self._label)
            self._done = 0
        self._progress.advance(max(0, done - self._done), f"{done}/{total}")
        self._done = max(done, self._done)

    def finish(self) -> None:
        """End the stage, where one has begun."""
        if self._done is not None:
            self._progress.finish()
        self._done = None


def _shard_name(aspect: str, frames: int) -> str:
    return f"{aspect.replace(':', 'x')}_{frames}"


def _build_corpus(plan: BuildToonPlan, report: _Report) -> None:
    from facekit.toon.corpus import build_shard
    from facekit.toon.prefetch import spare_workers

    for aspect, frames, samples, characters in _SHARDS:
        name = _shard_name(aspect, frames)
        report.stage(name)
        build_shard(
            plan.out / "corpus" / name,
            aspect=aspect,
            num_frames=frames,
            num_samples=samples,
            num_characters=characters,
            seed=7 + plan.seed,
            num_workers=spare_workers(),
            on_progress=report,
        )


def _build_net(net: str, variant: str) -> Callable[[BuildToonPlan, _Report], None]:
    """Return the builder of one net of one face encoder: "detector", "refiner" or "embedder"."""

    def build(plan: BuildToonPlan, report: _Report) -> None:
        from facekit.toon import encoders

        trainers: Mapping[str, Callable[..., object]] = {
            "detector": encoders.train_detector,
            "refiner": encoders.train_refiner,
            "embedder": partial(encoders.train_embedder, num_characters=NUM_CHARACTERS),
        }
        trainers[net](
            variant,
            plan.out / "corpus",
            plan.out / f"{variant}-{net}.pt",
            steps=plan.steps_of(f"{net}-{variant[-1]}"),
            device=plan.device,
            on_progress=report,
        )

    return build


def _build_vae(plan: BuildToonPlan, report: _Report) -> None:
    from facekit.toon.vae_training import train_vae

    train_vae(
        plan.out / "corpus",
        plan.out / "vae.pt",
        steps=plan.steps_of("vae"),
        device=plan.device,
        on_progress=report,
    )


def _build_vae_faces(plan: BuildToonPlan, report: _Report) -> None:
    from facekit.toon.fitting import load_average
    from facekit.toon.vae import new_vae
    from facekit.toon.vae_training import refine_vae
    from facekit.workflows.toon_checkpoints import embedder_a

    vae, path = new_vae(), plan.out / "vae-faces.pt"
    load_average(vae, plan.out / "vae.pt")
    refine_vae(
        vae,
        plan.out / "corpus",
        path,
        embedder_a(plan).to(plan.device),
        steps=plan.steps_of("vae-faces"),
        device=plan.device,
        on_progress=report,
    )


def _build_decoder(plan: BuildToonPlan, report: _Report) -> None:
    from facekit.toon.vae_training import refine_vae
    from facekit.workflows.toon_checkpoints import embedder_a, first_vae

    refine_vae(
        first_vae(plan),
        plan.out / "corpus",
        plan.out / "decoder.pt",
        embedder_a(plan).to(plan.device),
        steps=plan.steps_of("decoder"),
        freeze_encoder=True,
        seed=2,
        device=plan.device,
        on_progress=report,
    )


def _build_probe(plan: BuildToonPlan, report: _Report) -> None:
    from facekit.toon.probe import train_probe

    train_probe(
        plan.out / "corpus",
        plan.out / "probe.pt",
        steps=plan.steps_of("probe"),
        device=plan.device,
        on_progress=report,
    )


def _build_backbone(plan: BuildToonPlan, report: _Report) -> None:
    from facekit.training.pretrain import train_backbone
    from facekit.workflows.toon_checkpoints import new_model

    shards = _latent_shards(plan, report)
    report.stage("training")
    train_backbone(
        shards,
        new_model(plan),
        plan.out / "backbone.pt",
        steps=plan.steps_of("backbone"),
        tokens_per_step=plan.tokens,
        seed=plan.seed,
        device=plan.device,
        on_progress=report,
    )


def _build_samples(plan: BuildToonPlan, report: _Report) -> None:
    from facekit.toon.samples import write_samples

    write_samples(plan.samples_to)
    report(1, 1)


def _latent_shards(plan: BuildToonPlan, report: _Report) -> "dict[str, LatentShard]":
    from facekit.training.latents import cache_shard
    from facekit.workflows.toon_checkpoints import embedder_a, first_vae, tensors_digest

    encoder, vae = embedder_a(plan), first_vae(plan)
    # Keyed by content: latents of another VAE or vectors of another encoder never pass for these.
    sources = [*vae.state_dict().values(), *encoder.embedder_state().values()]
    folder = plan.out / f"latents-{tensors_digest(sources)[:12]}"
    folder.mkdir(exist_ok=True)
    encoder, vae = encoder.to(plan.device), vae.to(plan.device)
    shards = {}
    for name in (_shard_name(aspect, frames) for aspect, frames, _, _ in _SHARDS):
        report.stage(f"latents {name}")
        shards[name] = cache_shard(
            plan.out / "corpus" / name, folder / f"{name}.npz", vae, encoder, on_progress=report
        )
    return shards


def _export(plan: BuildToonPlan, report: _Report) -> None:
    from facekit.workflows.toon_pipeline import export_toon

    export_toon(plan)
    report(1, 1)


_BUILDERS: Mapping[str, Callable[[BuildToonPlan, _Report], None]] = {
    "corpus": _build_corpus,
    "embedder-a": _build_net("embedder", "toon-a"),
    "vae": _build_vae,
    "vae-faces": _build_vae_faces,
    "backbone": _build_backbone,
    "detector-a": _build_net("detector", "toon-a"),
    "refiner-a": _build_net("refiner", "toon-a"),
    "refiner-b": _build_net("refiner", "toon-b"),
    "embedder-b": _build_net("embedder", "toon-b"),
    "detector-b": _build_net("detector", "toon-b"),
    "probe": _build_probe,
    "decoder": _build_decoder,
    "samples": _build_samples,
    "export": _export,
}
