"""What a build of the embedded weights is made of: its parts, its plan and its result."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

import torch

from facekit.errors import UsageError
from facekit.resources import datasets_dir, toon_dir
from facekit.workflows.device import AUTO, choose_device, device_text

__all__ = ["PARTS", "TOKENS", "BuildToonPlan", "BuildToonResult", "plan_build_toon"]

PARTS: Mapping[str, int] = {
    "corpus": 1,
    "embedder-a": 2200,
    "vae": 1900,
    "vae-faces": 4000,
    "backbone": 7800,
    "detector-a": 1200,
    "refiner-a": 1500,
    "embedder-b": 3600,
    "detector-b": 1200,
    "refiner-b": 1800,
    "probe": 700,
    "decoder": 1000,
    "samples": 1,
    "export": 1,
}
"""Part to its number of optimiser steps, in the order in which they are built."""

TOKENS = 2304
"""Latent tokens per step of the backbone: 64 square pictures."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BuildToonPlan:
    """What will be built, and where.

    Attributes:
        parts: Names of parts, in order.
        out: Folder of the corpus and the checkpoints; several gigabytes.
        export_to: Folder that `export` writes the files that ship to.
        samples_to: Folder that `samples` writes the sample photos to.
        install: Whether these two are what ships with the package.
        seed: Seed of the corpus and of the backbone.
        hours: Stop between parts after this time.
        device: Where nets are trained and the latents are made; the corpus is drawn, and what ships
            is written, by the CPU.
        steps: Optimiser steps of the parts, where not those of `PARTS`.
        tokens: Latent tokens per step of the backbone.
        from_shipped: Start from the shipped weights where the work folder has no checkpoint.
    """

    parts: tuple[str, ...]
    out: Path
    export_to: Path
    samples_to: Path
    install: bool
    seed: int
    hours: float | None
    device: torch.device
    steps: int | None = None
    tokens: int = TOKENS
    from_shipped: bool = False

    def steps_of(self, part: str) -> int:
        """Optimiser steps of one part, over all sittings."""
        return self.steps if self.steps is not None and part in self.parts else PARTS[part]

    def describe(self) -> str:
        """Say which parts run, and where."""
        shipped = ", in the place of what ships" if self.install else ""
        written = {"export": self.export_to, "samples": self.samples_to}
        lines = [
            f"parts: {', '.join(self.parts)}",
            f"work folder: {self.out} (about 4 GB)",
            f"device: {device_text(self.device)}",
            *(
                f"{part} to: {path}{shipped}"
                for part, path in written.items()
                if part in self.parts
            ),
            *((f"steps: {self.steps}",) if self.steps is not None else ()),
            *((f"tokens per step: {self.tokens}",) if "backbone" in self.parts else ()),
            *(("parts without a checkpoint: the shipped weights",) if self.from_shipped else ()),
        ]
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The fields as JSON."""
        return {
            "parts": list(self.parts),
            "out": str(self.out),
            "export_to": str(self.export_to),
            "samples_to": str(self.samples_to),
            "install": self.install,
            "seed": self.seed,
            "device": str(self.device),
            "steps": self.steps,
            "tokens": self.tokens,
            "from_shipped": self.from_shipped,
        }


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
            lines.append(
                f"not reached: {', '.join(self.unfinished)}; run the same command again to go on"
            )
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
    device: str = AUTO,
    steps: int | None = None,
    tokens: int | None = None,
    from_shipped: bool = False,
    install: bool = False,
) -> BuildToonPlan:
    """Plan a build.

    Args:
        parts: Names from `PARTS`; all when empty.
        hours: Stop between two parts after this time.
        seed: Seed of corpus and backbone.
        out: Work folder; `build/toon` here when absent.
        device: Where nets are trained, as for `choose_device`.
        steps: Optimiser steps of the one trained part that `parts` names.
        tokens: Latent tokens per step of the backbone; `TOKENS` when absent.
        from_shipped: Start from the shipped weights where the work folder has no checkpoint.
        install: Let `export` and `samples` replace what ships; they write into the work folder
            otherwise.

    Raises:
        UsageError: A part or the device does not exist, `steps` is given for not exactly one
            trained part, `tokens` without the backbone, or there is nothing to install or no
            permission to.
    """
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise UsageError(
            f"--part {', '.join(unknown)}: no such part, expected some of {', '.join(PARTS)};"
            " correct the name"
        )
    chosen = tuple(part for part in PARTS if not parts or part in parts)
    trained = [part for part in chosen if PARTS[part] > 1]
    if steps is not None and len(trained) != 1:
        raise UsageError(
            f"--steps {steps}: {len(trained)} trained parts are asked for, expected one; "
            "name it with --part"
        )
    if tokens is not None and "backbone" not in chosen:
        raise UsageError(
            f"--tokens {tokens}: {', '.join(chosen)} has no use for it, expected the part backbone;"
            " name it with --part too, or leave --tokens out"
        )
    work = out or Path("build/toon")
    if install:
        _check_install(chosen)
    return BuildToonPlan(
        parts=chosen,
        out=work,
        export_to=toon_dir() if install else work / "export",
        samples_to=datasets_dir() if install else work / "datasets",
        install=install,
        seed=0 if seed is None else seed,
        hours=hours,
        device=choose_device(device),
        steps=steps,
        tokens=TOKENS if tokens is None else tokens,
        from_shipped=from_shipped,
    )


def _check_install(parts: tuple[str, ...]) -> None:
    """Hours of building must not end at a folder that nobody may write to."""
    places = {"export": toon_dir().parent, "samples": datasets_dir()}
    wanted = [place for part, place in places.items() if part in parts]
    if not wanted:
        raise UsageError(
            f"--install: {', '.join(parts)} writes nothing that ships, expected export or samples;"
            " name one of them with --part"
        )
    for place in wanted:
        if not os.access(place, os.W_OK):
            raise UsageError(
                f"--install: no permission to write to {place}; leave --install out, or install"
                " facekit where you may write"
            )
