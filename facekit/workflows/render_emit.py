"""Job files: a render as tasks for the scheduler of a studio, which facekit never talks to itself.

A task is a group of shots that go on from each other, drawn as a part of the board; the last task
is a plain render, which finds all takes there, makes what a lost task has left, and writes
timelines and the report.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from facekit.errors import OutputExists, UsageError
from facekit.generation.storyboard_shot import ShotPlan
from facekit.media.files import ensure_out_dir, full_path, write_text
from facekit.signing.home import KEYS_VARIABLE, key_home
from facekit.types import Progress
from facekit.workflows.credentials import CREDENTIALS_VARIABLE
from facekit.workflows.device import AUTO
from facekit.workflows.render import plan_render
from facekit.workflows.render_job_files import SUBMIT, openjd_template, sbatch
from facekit.workflows.render_state import ShotState

__all__ = ["EMIT_KINDS", "EmitPlan", "EmittedJobs", "plan_emit", "run_emit"]

EMIT_KINDS = ("slurm", "openjd")
_MAX_TASKS = 1000
"""Slurm's arrays end there unless an administrator allows more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmitPlan:
    """Job files that will be written."""

    kind: str
    board: Path
    project: str
    out_dir: Path
    to: Path
    tasks: tuple[tuple[str, ...], ...]
    """Names of the shots of each."""
    device: str
    only: tuple[str, ...] = ()
    """What was asked for; all when empty."""
    weights: tuple[Path, ...] = ()
    photos: Mapping[str, str] = field(default_factory=dict)
    """Where photos are: member -> folder."""
    no_credentials: bool = False
    """Whether tasks make files that do not say where they come from."""
    use: str = ""
    """What for, where it was said; empty otherwise, as is where it is shown."""
    territory: tuple[str, ...] = ()

    def describe(self) -> str:
        """What for, where, and how much each task does."""
        shots = [len(task) for task in self.tasks]
        return "\n".join(
            [
                f"board: {self.board} ({self.project})",
                f"job files: {self.kind}, in {self.to}",
                f"tasks: {len(shots)} with {sum(shots)} shots, {max(shots)} in the longest, and one"
                " that comes last",
                f"device: {self.device}, "
                + ("no graphics card" if self.device == "cpu" else "a graphics card for each task"),
                f"out: {self.out_dir}; it, the board and all that it names must be visible to every"
                " task under the same paths",
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "kind": self.kind,
            "board": str(self.board),
            "out": str(self.out_dir),
            "to": str(self.to),
            "tasks": [list(task) for task in self.tasks],
            "device": self.device,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EmittedJobs:
    """Job files that are there."""

    files: tuple[Path, ...]
    tasks: int
    submit: str
    """The command that gives them to the scheduler."""

    def describe(self) -> str:
        """The files and the next step."""
        return "\n".join([*map(str, self.files), f"next: {self.submit}"])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "files": [str(file) for file in self.files],
            "tasks": self.tasks,
            "submit": self.submit,
        }


def plan_emit(
    path: Path,
    kind: str,
    to: Path | None,
    *,
    out: Path | None = None,
    device: str = AUTO,
    only: Sequence[str] = (),
    weights: Sequence[Path] = (),
    photos: Sequence[str] = (),
    no_credentials: bool = False,
    use: str = "",
    territory: Sequence[str] = (),
) -> EmitPlan:
    """Share what is missing of a board out among tasks; nothing is written.

    Args:
        path: The storyboard.
        kind: One of `EMIT_KINDS`.
        to: Folder of the job files.
        out: Folder of the renders; `renders/<project>` when None.
        device: `cpu`, or `auto` and `cuda` that ask for a graphics card for each task; this machine
            need not have one.
        only: Shots, as for `plan_render`.
        weights: Given to every task.
        photos: Where the photos of the cast are, as for `plan_render`; given to every task.
        no_credentials: Likewise; without it each signs with the keys that lie where they lie here.
        use: What for, as for `plan_render`; given to every task, like the next.
        territory: Where it is shown.

    Raises:
        UsageError: No such kind or device, no folder, or nothing is left to draw.
        OutputExists: The folder is not empty.
        StoryboardError: Mistakes of the board.
    """
    if kind not in EMIT_KINDS:
        raise UsageError(
            f"--emit {kind}: no such job files, expected one of {', '.join(EMIT_KINDS)}; correct it"
        )
    if to is None:
        raise UsageError(
            f"--emit {kind} without --to, expected a folder for the job files; add --to PATH"
        )
    if device not in (AUTO, "cpu", "cuda"):
        raise UsageError(
            f"--device {device} with --emit: the scheduler gives every task its card, expected"
            " auto, cpu or cuda; leave it away"
        )
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise OutputExists(
            f"{to}: exists and is not an empty folder; choose another --to, or remove it"
        )
    plan = plan_render(
        path, out=out, device="cpu", only=only, photos=photos, use=use, territory=territory
    )
    shots = [shot for shot in plan.board.shots if not plan.only or shot.name in plan.only]
    groups = [
        group
        for group in _connected(shots)
        if any(_is_open(plan.state.shots[name]) for name in group)
    ]
    if not groups:
        raise UsageError(
            f"{path}: every shot is there, expected some that are to be drawn; run facekit render"
            " without --emit for timelines and the report"
        )
    count = min(len(groups), _MAX_TASKS)
    shares = [groups[place::count] for place in range(count)]
    return EmitPlan(
        kind=kind,
        board=path,
        project=plan.board.board.project.id,
        out_dir=plan.board.out_dir,
        to=to,
        tasks=tuple(tuple(name for group in share for name in group) for share in shares),
        device=device,
        only=tuple(only),
        weights=tuple(weights),
        photos=plan.photos,
        use=use,
        territory=tuple(territory),
        no_credentials=no_credentials or os.environ.get(CREDENTIALS_VARIABLE) == "none",
    )


def run_emit(plan: EmitPlan, progress: Progress) -> EmittedJobs:
    """Write the job files.

    Raises:
        OutputError: The folder cannot be written.
    """
    ensure_out_dir(plan.to / "logs" if plan.kind == "slurm" else plan.to)
    files = {"task.sh": _task_script(plan)}
    if plan.kind == "slurm":
        files |= {
            "shots.sbatch": sbatch(plan.project, plan.to, plan.device, f"1-{len(plan.tasks)}"),
            "last.sbatch": sbatch(plan.project, plan.to, plan.device, None),
            "submit.sh": SUBMIT,
        }
        submit = f"sh {shlex.quote(str(plan.to / 'submit.sh'))}, with options of sbatch after it"
    else:
        files["template.yaml"] = yaml.safe_dump(
            openjd_template(plan.project, plan.to, plan.device, len(plan.tasks)),
            sort_keys=False,
            allow_unicode=True,
            width=100,
        )
        submit = f"submit {plan.to / 'template.yaml'} with what your farm has for it"
    for name, text in files.items():
        write_text(plan.to / name, text)
    return EmittedJobs(
        files=tuple(plan.to / name for name in files), tasks=len(plan.tasks), submit=submit
    )


def _connected(shots: Sequence[ShotPlan]) -> list[tuple[str, ...]]:
    """Groups of shots that go on from each other, in order of the cut."""
    group_of = {shot.name: {shot.name} for shot in shots}
    for shot in shots:
        for name in shot.depends_on:
            joined = group_of[shot.name] | group_of[name]
            group_of.update(dict.fromkeys(joined, joined))
    found = {frozenset(group_of[shot.name]): None for shot in shots}
    return [tuple(shot.name for shot in shots if shot.name in group) for group in found]


def _is_open(state: ShotState) -> bool:
    waits = bool(state.waits_for or state.decision.make)
    return waits or (state.decision.chosen is not None and not state.is_delivered)


def _task_script(plan: EmitPlan) -> str:
    words = ["facekit", "render", str(plan.board), "--out", str(plan.out_dir)]
    words += ["--device", plan.device]
    words += ["--no-credentials"] * plan.no_credentials
    words += ["--use", plan.use] if plan.use else []
    words += [word for place in plan.territory for word in ("--territory", place)]
    words += [word for path in plan.weights for word in ("--weights", str(path))]
    words += [word for item in plan.photos.items() for word in ("--photos", "=".join(item))]
    command = shlex.join(words)
    lines = [
        "#!/bin/sh",
        f"# Renders {plan.project}: sh task.sh NUMBER for each of 1 to"
        f" {len(plan.tasks)}, in any order and at the same",
        "# time, and then sh task.sh last.",
        "set -eu",
        f"cd {shlex.quote(str(full_path(Path.cwd())))}",
        f"export {KEYS_VARIABLE}={shlex.quote(str(full_path(key_home().folder)))}",
        'case "${1:-}" in',
    ]
    for number, shots in enumerate(plan.tasks, 1):
        lines.append(f"{number}) exec {command} --part {_only(shots)} ;;")
    lines += [
        f"last) exec {' '.join([command, _only(plan.only)]).strip()} ;;",
        f'*) echo "task.sh: expected 1 to {len(plan.tasks)}, or last" >&2; exit 2 ;;',
        "esac",
    ]
    return "\n".join(lines) + "\n"


def _only(shots: Sequence[str]) -> str:
    return shlex.join([word for name in shots for word in ("--only", name)])
