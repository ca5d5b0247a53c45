"""Rebuild everything that the package embeds: corpus, encoders, VAE, backbone with base adapter, probe.

Each part goes on where it stopped, so that a build can take several sittings; `export` writes the shipped files.
"""

import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from facekit.errors import UsageError
from facekit.resources import toon_dir
from facekit.types import NoProgress, Progress

if TYPE_CHECKING:
    from diffusers import AutoencoderKLWan

    from torch import Tensor

    from facekit.faces.toon import EmbedderNet, ToonFaces
    from facekit.training.pretrain import LatentShard, ToonModel

__all__ = ["PARTS", "BuildToonPlan", "BuildToonResult", "plan_build_toon", "run_build_toon"]

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
PARTS: Mapping[str, int] = {
    "corpus": 1,
    "embedder-a": 1500,
    "vae": 1900,
    "backbone": 2600,
    "detector-a": 1200,
    "embedder-b": 1500,
    "detector-b": 1200,
    "probe": 1000,
    "decoder": 1000,
    "export": 1,
}
"""Part to its number of optimiser steps, in the order in which they are built."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BuildToonPlan:
    """What will be built, and where.

    Attributes:
        parts: Names of parts, in order.
        out: Folder of the corpus and the checkpoints; several gigabytes.
        export_to: Folder that `export` writes the shipped files to.
        seed: Seed of the corpus and of the backbone.
        hours: Stop between parts after this time.
    """

    parts: tuple[str, ...]
    out: Path
    export_to: Path
    seed: int
    hours: float | None

    def describe(self) -> str:
        """Say which parts run, and where."""
        lines = [f"parts: {', '.join(self.parts)}", f"work folder: {self.out} (about 4 GB)", f"export to: {self.export_to}"]
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The fields as JSON."""
        return {"parts": list(self.parts), "out": str(self.out), "export_to": str(self.export_to), "seed": self.seed}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BuildToonResult:
    """What was built.

    Attributes:
        seconds: Part to the seconds that it took in this sitting.
        unfinished: Parts that the time did not suffice for.
    """

    seconds: Mapping[str, float]
    unfinished: tuple[str, ...]

    def describe(self) -> str:
        """Say what took how long."""
        lines = [f"{part}: {seconds:.0f} s" for part, seconds in self.seconds.items()]
        if self.unfinished:
            lines.append(f"not reached: {', '.join(self.unfinished)}; run the same command again to go on")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The fields as JSON."""
        return {"seconds": dict(self.seconds), "unfinished": list(self.unfinished)}


def plan_build_toon(
    *,
    parts: tuple[str, ...] = (),
    hours: float | None = None,
    seed: int | None = None,
    out: Path | None = None,
) -> BuildToonPlan:
    """Plan a build.

    Args:
        parts: Names from `PARTS`; all when empty.
        hours: Stop between two parts after this time.
        seed: Seed of corpus and backbone.
        out: Work folder; `build/toon` here when absent.

    Raises:
        UsageError: A part does not exist.
    """
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise UsageError(f"--part {', '.join(unknown)}: no such part; expected some of {', '.join(PARTS)}")
    chosen = tuple(part for part in PARTS if not parts or part in parts)
    return BuildToonPlan(
        parts=chosen, out=out or Path("build/toon"), export_to=toon_dir(), seed=0 if seed is None else seed, hours=hours
    )


def run_build_toon(plan: BuildToonPlan, progress: Progress | None = None) -> BuildToonResult:
    """Build the parts of a plan, each from where it stopped."""
    progress = progress or NoProgress()
    plan.out.mkdir(parents=True, exist_ok=True)
    started, seconds, unfinished = time.monotonic(), {}, []
    for part in plan.parts:
        if plan.hours is not None and time.monotonic() - started > plan.hours * 3600.0:
            unfinished.append(part)
            continue
        begun = time.monotonic()
        _BUILDERS[part](plan, _reporter(progress, part))
        seconds[part] = round(time.monotonic() - begun, 1)
        progress.finish()
    return BuildToonResult(seconds=seconds, unfinished=tuple(unfinished))


_Report = Callable[[int, int], None]


def _reporter(progress: Progress, part: str) -> _Report:
    last = -1

    def report(done: int, total: int) -> None:
        nonlocal last
        if last < 0:
            progress.start(total, part)
            last = 0
        progress.advance(max(0, done - last), f"{done}/{total}")
        last = max(done, last)

    return report


def _shard_name(aspect: str, frames: int) -> str:
    return f"{aspect.replace(':', 'x')}_{frames}"


def _build_corpus(plan: BuildToonPlan, report: _Report) -> None:
    from facekit.toon.corpus import build_shard

    for aspect, frames, samples, characters in _SHARDS:
        build_shard(
            plan.out / "corpus" / _shard_name(aspect, frames),
            aspect=aspect,
            num_frames=frames,
            num_samples=samples,
            num_characters=characters,
            seed=7 + plan.seed,
            on_progress=report,
        )


def _build_embedder(variant: str) -> Callable[[BuildToonPlan, _Report], None]:
    def build(plan: BuildToonPlan, report: _Report) -> None:
        from facekit.toon.encoders import train_embedder

        train_embedder(
            variant,
            plan.out / "corpus",
            plan.out / f"{variant}-embedder.pt",
            num_characters=NUM_CHARACTERS,
            steps=PARTS[f"embedder-{variant[-1]}"],
            on_progress=report,
        )

    return build


def _build_detector(variant: str) -> Callable[[BuildToonPlan, _Report], None]:
    def build(plan: BuildToonPlan, report: _Report) -> None:
        from facekit.toon.encoders import train_detector

        path = plan.out / f"{variant}-detector.pt"
        train_detector(variant, plan.out / "corpus", path, steps=PARTS[f"detector-{variant[-1]}"], on_progress=report)

    return build


def _build_vae(plan: BuildToonPlan, report: _Report) -> None:
    from facekit.toon.vae import train_vae

    train_vae(plan.out / "corpus", plan.out / "vae.pt", steps=PARTS["vae"], on_progress=report)


def _build_decoder(plan: BuildToonPlan, report: _Report) -> None:
    from facekit.toon.vae import train_vae

    first = _first_vae(plan)
    path = plan.out / "decoder.pt"
    train_vae(plan.out / "corpus", path, steps=PARTS["decoder"], seed=1, encoder_from=first, on_progress=report)


def _build_probe(plan: BuildToonPlan, report: _Report) -> None:
    from facekit.toon.probe import train_probe

    train_probe(plan.out / "corpus", plan.out / "probe.pt", steps=PARTS["probe"], on_progress=report)


def _build_backbone(plan: BuildToonPlan, report: _Report) -> None:
    from facekit.training.pretrain import train_backbone

    shards = _latent_shards(plan, report)
    train_backbone(
        shards, _new_model(plan), plan.out / "backbone.pt", steps=PARTS["backbone"], seed=plan.seed, on_progress=report
    )


def _first_vae(plan: BuildToonPlan) -> "AutoencoderKLWan":
    """The VAE of the part `vae`, with the latent statistics that the backbone was trained with."""
    from facekit.toon.corpus import load_shard
    from facekit.toon.fitting import load_average
    from facekit.toon.vae import new_vae, set_latent_statistics

    vae = new_vae()
    load_average(vae, plan.out / "vae.pt")
    set_latent_statistics(vae, load_shard(plan.out / "corpus" / "1x1_1"))
    return vae


def _latent_shards(plan: BuildToonPlan, report: _Report) -> "dict[str, LatentShard]":
    from facekit.training.pretrain import cache_shard

    encoder, vae = _embedder_a(plan), _first_vae(plan)
    folder = plan.out / "latents"
    folder.mkdir(exist_ok=True)
    names = [_shard_name(aspect, frames) for aspect, frames, _, _ in _SHARDS]
    return {
        name: cache_shard(plan.out / "corpus" / name, folder / f"{name}.npz", vae, encoder, on_progress=report)
        for name in names
    }


def _embedder_a(plan: BuildToonPlan) -> "ToonFaces":
    """The first encoder without its detector: the corpus knows where its faces are."""
    from facekit.faces.toon import DetectorNet, ToonFaces

    return ToonFaces("toon-a", DetectorNet("toon-a"), _trained_embedder(plan, "toon-a"), digest="0" * 64)


def _trained_embedder(plan: BuildToonPlan, variant: str) -> "EmbedderNet":
    from facekit.toon.encoders import Recogniser
    from facekit.toon.fitting import load_average

    recogniser = Recogniser(variant)
    load_average(recogniser, plan.out / f"{variant}-embedder.pt")
    return recogniser.embedder


def _new_model(plan: BuildToonPlan) -> "ToonModel":
    from facekit.training.pretrain import ToonModel

    return ToonModel("toon-a", "", 128, seed=plan.seed)


def _export(plan: BuildToonPlan, report: _Report) -> None:
    """Write the shipped files as fp16 safetensors, with a manifest of digests, licences and the command."""
    import torch

    from facekit.backbones.wan import backbone_digest
    from facekit.faces.toon import DetectorNet
    from facekit.toon.fitting import load_average
    from facekit.toon.probe import ProbeNet
    from facekit.workflows.toon_pipeline import save_backbone

    target = plan.export_to.with_name(plan.export_to.name + ".part")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for variant in ("toon-a", "toon-b"):
        detector = DetectorNet(variant)
        load_average(detector, plan.out / f"{variant}-detector.pt")
        tensors = {f"detector.{name}": value for name, value in detector.state_dict().items()}
        embedder = _trained_embedder(plan, variant)
        tensors |= {f"embedder.{name}": value for name, value in embedder.state_dict().items()}
        _save_half(tensors, target / f"{variant}.safetensors")
    probe = ProbeNet()
    load_average(probe, plan.out / "probe.pt")
    _save_half(probe.state_dict(), target / "probe.safetensors")
    model = _new_model(plan)
    load_average(model, plan.out / "backbone.pt")
    vae = _first_vae(plan)
    if (plan.out / "decoder.pt").is_file():
        statistics = (vae.config.latents_mean, vae.config.latents_std)
        load_average(vae, plan.out / "decoder.pt")
        vae.register_to_config(latents_mean=statistics[0], latents_std=statistics[1])
    save_backbone(model, vae, target / "backbone")
    encoder_digest = sha256((target / "toon-a.safetensors").read_bytes()).hexdigest()
    model.adapter.config = dataclasses.replace(
        model.adapter.config, backbone_digest=backbone_digest(target / "backbone"), encoder_digest=encoder_digest
    )
    model.adapter.save(target / "identity_adapter.safetensors", dtype=torch.float16)
    files = {
        str(path.relative_to(target)): {"sha256": sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
        for path in sorted(target.rglob("*"))
        if path.is_file()
    }
    manifest = {"licence": "Apache-2.0", "command": "facekit lab build-toon", "steps": dict(PARTS), "files": files}
    (target / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    shutil.rmtree(plan.export_to, ignore_errors=True)
    target.rename(plan.export_to)
    report(1, 1)


def _save_half(tensors: "Mapping[str, Tensor]", path: Path) -> None:
    from safetensors.torch import save_file

    half = {name: value.half().contiguous() for name, value in tensors.items() if value.is_floating_point()}
    save_file(half, path, metadata={"format": "pt", "licence": "Apache-2.0"})


_BUILDERS: Mapping[str, Callable[[BuildToonPlan, _Report], None]] = {
    "corpus": _build_corpus,
    "embedder-a": _build_embedder("toon-a"),
    "vae": _build_vae,
    "backbone": _build_backbone,
    "detector-a": _build_detector("toon-a"),
    "embedder-b": _build_embedder("toon-b"),
    "detector-b": _build_detector("toon-b"),
    "probe": _build_probe,
    "decoder": _build_decoder,
    "export": _export,
}
