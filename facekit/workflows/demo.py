"""Sample photos in, a report out: check, train, shoot, measure; each stage goes on where it was."""

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from facekit.adapters.character import Character, load_character
from facekit.evaluation.gates import verdict
from facekit.faces.protocols import FaceVendor
from facekit.generation.sample import SampleSettings
from facekit.generation.shots import name_characters
from facekit.media.files import ensure_out_dir, write_text
from facekit.toon import ToonCharacter
from facekit.types import Progress
from facekit.workflows.backbone import Backbone, load_backbone
from facekit.workflows.casting import whole_picture
from facekit.workflows.check import plan_check, run_check
from facekit.workflows.demo_plan import NAME, RECORD_FILE, DemoPlan, plan_demo, read_record
from facekit.workflows.evaluate import EvaluateResult, plan_evaluate, run_evaluate
from facekit.workflows.machine import peak_memory_gb, provenance
from facekit.workflows.shoot import shoot_takes
from facekit.workflows.take_fingerprint import take_fingerprint
from facekit.workflows.takes import BASE_DIR, TRUTH_DIR, is_done, write_take
from facekit.workflows.toon_truth import draw_shot
from facekit.workflows.train import plan_train, run_train

__all__ = ["DemoPlan", "DemoResult", "plan_demo", "run_demo"]

ResultT = TypeVar("ResultT")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DemoResult:
    """Where the report is, and what each stage took."""

    evaluation: EvaluateResult
    seconds: Mapping[str, float]
    peak_memory_gb: float
    record: Path

    def describe(self) -> str:
        """Write the figures, the time of every stage and, last, where the report is.

        The times are those of the sitting that did the work; a finished demo keeps them.
        """
        stages = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())
        total = sum(self.seconds.values())
        *figures, report = self.evaluation.describe().splitlines()
        return "\n".join(
            [
                *figures,
                f"time over all sittings: {total:.0f} s ({stages}); peak memory"
                f" {self.peak_memory_gb:.1f} GB",
                report,
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """Return the same as plain data."""
        return {
            **self.evaluation.to_json(),
            "seconds": dict(self.seconds),
            "peak_memory_gb": self.peak_memory_gb,
            "record": str(self.record),
        }


class _Stages:
    """Times stages, and remembers over sittings what each one took.

    A stage that was stopped goes on and its times add up. One that an earlier sitting finished has
    its time already: going through it again only to find everything there adds nothing.
    """

    def __init__(self, plan: DemoPlan) -> None:
        stored = {} if plan.force else read_record(plan)
        known = stored.get("fingerprint") == plan.fingerprint
        self.seconds: dict[str, float] = dict(stored["seconds"]) if known else {}
        self.peak_gb = float(stored["peak_memory_gb"]) if known else 0.0
        self._stopped: str | None = stored.get("stopped_in") if known else None
        self._plan = plan
        self.save()

    def run(self, name: str, work: Callable[[], ResultT]) -> ResultT:
        if name in self.seconds and name != self._stopped:
            return work()
        began = time.monotonic()
        self._stopped = name
        try:
            result = work()
            self._stopped = None
            return result
        finally:
            spent = self.seconds.get(name, 0.0) + time.monotonic() - began
            self.seconds[name] = round(spent, 2)
            self.save()

    def save(self, **more: object) -> None:
        self.peak_gb = max(self.peak_gb, peak_memory_gb())
        content = {
            "fingerprint": self._plan.fingerprint,
            "seconds": self.seconds,
            "peak_memory_gb": round(self.peak_gb, 3),
            **({"stopped_in": self._stopped} if self._stopped else {}),
            **more,
        }
        text = json.dumps(content, indent=1) + "\n"
        write_text(self._plan.out_dir / RECORD_FILE, text)


def run_demo(
    plan: DemoPlan,
    progress: Progress,
    *,
    faces: FaceVendor | None = None,
    report_faces: FaceVendor | None = None,
    backbone: Backbone | None = None,
) -> DemoResult:
    """Run every stage that is not done yet.

    Args:
        plan: What `plan_demo` made.
        progress: Told of every stage.
        faces: The training encoder; the recipe's when None.
        report_faces: The report encoder; the recipe's when None.
        backbone: When it is loaded already; it stays on its device.

    Raises:
        PhotosRefused: The photos will not do.
        WeightsMissing: The embedded weights are not installed.
        OutputError: The folder cannot be written, or the disk is full.
    """
    ensure_out_dir(plan.out_dir)
    stages = _Stages(plan)
    recipe = plan.recipe
    checked = plan_check(plan.photos, recipe=recipe, name=NAME)
    stages.run("check", lambda: run_check(checked, progress, faces=faces).require())
    loaded = stages.run("load", lambda: backbone or load_backbone(recipe, plan.device))
    training = plan_train(
        plan.photos,
        name=NAME,
        recipe=recipe,
        out=plan.out_dir / "characters",
        force=plan.force,
        trigger=plan.trigger,
        device=str(plan.device),
    )
    outcome = stages.run(
        "train", lambda: run_train(training, progress, faces=faces, backbone=loaded)
    )
    character = load_character(outcome.adapter)
    shots_dir = plan.out_dir / "shots"
    stages.run("shoot", lambda: _shoot(plan, loaded, character, shots_dir, progress, True))
    stages.run("base", lambda: _shoot(plan, loaded, character, shots_dir, progress, False))
    if plan.truth_seed is not None:
        stages.run("truth", lambda: _draw(plan, shots_dir / TRUTH_DIR))
    measuring = plan_evaluate(
        [shots_dir / f"{shot.name}.mp4" for shot in plan.shots],
        character=str(outcome.adapter),
        recipe=recipe,
        out=plan.out_dir / "report",
        force=True,
        device=str(plan.device),
    )
    result = stages.run("evaluate", lambda: run_evaluate(measuring, progress, faces=report_faces))
    stages.save(
        **provenance(loaded.pipe.device),
        shots=len(plan.shots),
        total_seconds=round(sum(stages.seconds.values()), 2),
        train_seconds=outcome.train_seconds,
        figures=dict(result.scores.figures),
        verdict=verdict(result.gates),
    )
    return DemoResult(
        evaluation=result,
        seconds=stages.seconds,
        peak_memory_gb=stages.peak_gb,
        record=plan.out_dir / RECORD_FILE,
    )


def _shoot(
    plan: DemoPlan,
    backbone: Backbone,
    character: Character,
    shots_dir: Path,
    progress: Progress,
    with_character: bool,
) -> None:
    """Shoot what is not there yet, with the character or, for the base, without it."""
    folder = shots_dir if with_character else shots_dir / BASE_DIR
    who = character if with_character else None
    settings = SampleSettings.of(backbone.spec, plan.recipe.sample)
    asked = []
    cast = whole_picture(who)
    for shot in plan.shots:
        prompt = name_characters(shot.prompt, {NAME: character.trigger})
        fingerprint = take_fingerprint(shot, prompt, settings, plan.weights, cast=cast)
        if plan.force or not is_done(folder, shot, fingerprint):
            asked.append((shot, prompt, fingerprint))
    if not asked:
        return
    shots, prompts, fingerprints = zip(*asked, strict=True)
    shoot_takes(
        backbone.pipe,
        backbone.spec,
        shots,
        prompts,
        fingerprints,
        settings,
        ensure_out_dir(folder),
        progress,
        casts=[cast] * len(shots),
        label=f"shots of {NAME}" if with_character else "the same without the character",
    )


def _draw(plan: DemoPlan, folder: Path) -> None:
    assert plan.truth_seed is not None
    character = ToonCharacter.from_seed(plan.truth_seed)
    ensure_out_dir(folder)
    record = {"drawn": character.seed, "fingerprint": plan.fingerprint}
    for shot in plan.shots:
        if plan.force or not is_done(folder, shot, plan.fingerprint):
            write_take(folder, shot, draw_shot(character, shot), record)
