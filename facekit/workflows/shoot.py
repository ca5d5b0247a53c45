"""Prompts and a character in, takes on disk out."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import facekit
from facekit.adapters.character import Character, attach_characters
from facekit.adapters.conditioning import Strength, is_zero
from facekit.backbones.spec import BackboneSpec
from facekit.errors import GateFailed
from facekit.generation.sample import SampleSettings, guidance_options, sample
from facekit.media.files import ensure_out_dir
from facekit.types import Progress, Shot
from facekit.workflows.backbone import load_backbone
from facekit.workflows.characters import call_character
from facekit.workflows.frame_likeness import make_likeness
from facekit.workflows.long_shots import shoot_long
from facekit.workflows.shoot_plan import ShootPlan, plan_shoot
from facekit.workflows.takes import BASE_DIR, REPORT_DIR, write_take

__all__ = ["ShootPlan", "ShootResult", "plan_shoot", "run_shoot", "shoot_takes"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ShootResult:
    """The takes, those that were there already as well."""

    clips: tuple[Path, ...]
    called: str
    """What to say after ``--with``."""
    stopped: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Takes that are shorter than what was asked for, by name, and why."""

    @property
    def exit_code(self) -> int:
        """5 where a take is shorter than what was asked for."""
        return GateFailed.exit_code if self.stopped else 0

    def describe(self) -> str:
        """Write the path of every clip and the next step."""
        folder = self.clips[0].parent
        if folder.name == BASE_DIR:
            folder = folder.parent  # base clips are what the takes beside are compared with
        step = f"facekit eval {shlex.quote(str(folder))} --with {self.called}"
        if any((folder / REPORT_DIR).glob("report.*")):
            step += " --force"  # the report there is one of older takes
        short = [f"stopped: {name} {reason}" for name, reason in self.stopped.items()]
        return "\n".join([*map(str, self.clips), *short, f"next: {step}"])

    def to_json(self) -> Mapping[str, object]:
        """Return the paths, and what is shorter than it should be."""
        return {"clips": [str(path) for path in self.clips], "stopped": dict(self.stopped)}


def run_shoot(plan: ShootPlan, progress: Progress, *, pipe: Any = None) -> ShootResult:
    """Shoot every take that is not there yet, and write each as soon as it is done.

    Args:
        plan: What to shoot.
        progress: Told of every denoising step.
        pipe: The backbone's pipeline, when it is loaded already; it stays on its device.

    Raises:
        WeightsMissing: The backbone is not installed.
        AdapterMismatch: The character was made for other weights.
        OutputError: The folder cannot be written, or the disk is full.
        FaceError: A clip that is to be longer ends with somebody else's face.
    """
    left = [index for index, done in enumerate(plan.done) if not done]
    stopped: Mapping[str, str] = {}
    if left and plan.is_long:
        stopped = _shoot_long(plan, left, pipe, progress)
    elif left:
        ensure_out_dir(plan.out_dir)
        shoot_takes(
            pipe if pipe is not None else load_backbone(plan.recipe, plan.device).pipe,
            plan.spec,
            [plan.shots[index] for index in left],
            [plan.prompts[index] for index in left],
            [plan.fingerprints[index] for index in left],
            plan.settings,
            plan.out_dir,
            progress,
            character=plan.character,
            strength=plan.strength,
        )
    return ShootResult(
        clips=tuple(plan.out_dir / f"{shot.name}.mp4" for shot in plan.shots),
        called=call_character(plan.character.source),
        stopped=stopped,
    )


def _shoot_long(
    plan: ShootPlan, left: Sequence[int], pipe: Any, progress: Progress
) -> Mapping[str, str]:
    """Shoot takes of several chunks; return those that ended early, and why."""
    ensure_out_dir(plan.out_dir)
    pipe = pipe if pipe is not None else load_backbone(plan.recipe, plan.device).pipe
    record = _record(plan.spec, plan.settings, plan.character, plan.strength)
    # A shot that ends with a given picture is drawn at once, so that nothing is handed on.
    is_judged = not is_zero(plan.strength) and plan.start.last is None
    likeness = None if not is_judged else make_likeness(plan.character, plan.device)
    stopped = {}
    for index in left:
        own = {
            "resolved_prompt": plan.prompts[index],
            "fingerprint": plan.fingerprints[index],
            "starts_from": plan.start.source or None,
        }
        taken = shoot_long(pipe, plan, index, {**record, **own}, progress, likeness)
        if taken.stopped:
            stopped[plan.shots[index].name] = taken.stopped
    return stopped


def shoot_takes(
    pipe: Any,
    spec: BackboneSpec,
    shots: Sequence[Shot],
    prompts: Sequence[str],
    fingerprints: Sequence[str],
    settings: SampleSettings,
    out_dir: Path,
    progress: Progress,
    *,
    character: Character | None = None,
    strength: Strength = 1.0,
    label: str = "shots",
) -> tuple[Path, ...]:
    """Shoot and write takes, with a character or, without one, of the bare backbone.

    Prompts, as the backbone reads them, and fingerprints come in the order of the shots; progress
    is told under the label.
    """
    record = _record(spec, settings, character, strength)
    asked = [
        dataclasses.replace(shot, prompt=prompt)
        for shot, prompt in zip(shots, prompts, strict=True)
    ]
    attachment = None
    if character is not None:
        attachment = attach_characters(pipe, character, strength, **guidance_options(settings))
    paths = []
    try:
        clips = sample(pipe, asked, spec, settings, progress=progress, label=label)
        taken = zip(shots, prompts, fingerprints, clips, strict=True)
        for shot, prompt, fingerprint, clip in taken:
            own = {"resolved_prompt": prompt, "fingerprint": fingerprint}
            paths.append(write_take(out_dir, shot, clip, {**record, **own}))
    finally:
        if attachment is not None:
            attachment.detach()
    return tuple(paths)


def _record(
    spec: BackboneSpec, settings: SampleSettings, character: Character | None, strength: Strength
) -> dict[str, object]:
    return {
        "character": character.name if character else None,
        "character_file": character.source if character else None,
        "strength": strength if character else 0.0,
        "backbone": spec.name,
        "sampling": dataclasses.asdict(settings),
        "facekit": facekit.__version__,
    }
