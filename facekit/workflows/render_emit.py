"""Job files: a render as tasks for the scheduler of a studio, which facekit never talks to itself.

A task is a group of shots that go on from each other, drawn as a part of the board; the last task
is a plain render, which finds all takes there, makes what a lost task has left, and writes
timelines and the report.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from facekit.media.files import ensure_out_dir, full_path, write_text
from facekit.types import Progress
from facekit.workflows.render_emit_plan import EMIT_KINDS, EmitPlan, plan_emit

__all__ = ["EMIT_KINDS", "EmitPlan", "EmittedJobs", "plan_emit", "run_emit"]

_CORES = 4


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


def run_emit(plan: EmitPlan, progress: Progress) -> EmittedJobs:
    """Write the job files.

    Raises:
        OutputError: The folder cannot be written.
    """
    ensure_out_dir(plan.to / "logs" if plan.kind == "slurm" else plan.to)
    files = {"task.sh": _task_script(plan)}
    if plan.kind == "slurm":
        files |= {
            "shots.sbatch": _sbatch(plan, f"1-{len(plan.tasks)}"),
            "last.sbatch": _sbatch(plan, None),
            "submit.sh": _SUBMIT,
        }
        submit = f"sh {shlex.quote(str(plan.to / 'submit.sh'))}, with options of sbatch after it"
    else:
        files["template.yaml"] = yaml.safe_dump(
            _openjd_template(plan), sort_keys=False, allow_unicode=True, width=100
        )
        submit = f"submit {plan.to / 'template.yaml'} with what your farm has for it"
    for name, text in files.items():
        write_text(plan.to / name, text)
    return EmittedJobs(
        files=tuple(plan.to / name for name in files), tasks=len(plan.tasks), submit=submit
    )


def _task_script(plan: EmitPlan) -> str:
    words = ["facekit", "render", str(plan.board), "--out", str(plan.out_dir)]
    words += ["--device", plan.device]
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


def _sbatch(plan: EmitPlan, array: str | None) -> str:
    folder = full_path(plan.to)
    log = folder / "logs" / ("%A_%a.txt" if array else "%j.txt")
    lines = ["#!/bin/sh", f"#SBATCH --job-name={plan.project}"]
    lines += [f"#SBATCH --array={array}"] if array else []
    lines += ["#SBATCH --ntasks=1", f"#SBATCH --cpus-per-task={_CORES}"]
    lines += [] if plan.device == "cpu" else ["#SBATCH --gpus-per-task=1"]
    lines += ["#SBATCH --requeue", f'#SBATCH --output="{log}"']
    task = '"$SLURM_ARRAY_TASK_ID"' if array else "last"
    return "\n".join([*lines, f"exec sh {shlex.quote(str(folder / 'task.sh'))} {task}"]) + "\n"


_SUBMIT = """\
#!/bin/sh
# Gives the tasks to Slurm: sh submit.sh, with options of sbatch such as -p gpu -t 2:00:00 after it.
set -eu
cd "$(dirname "$0")"
job=$(sbatch --parsable "$@" shots.sbatch)
# also after tasks that were lost: the last one makes what they left
sbatch --dependency="afterany:${job%%;*}" "$@" last.sbatch
"""


def _openjd_template(plan: EmitPlan) -> dict[str, object]:
    """The job as an Open Job Description template.

    Source: https://github.com/OpenJobDescription/openjd-specifications (jobtemplate-2023-09).
    """
    room: dict[str, object] = {"amounts": [{"name": "amount.worker.vcpu", "min": 1}]}
    if plan.device != "cpu":
        room = {"amounts": [{"name": "amount.worker.gpu", "min": 1}]}

    def script(task: str) -> dict[str, object]:
        run = {"command": "sh", "args": ["{{Param.Jobs}}/task.sh", task]}
        return {"actions": {"onRun": run}}

    tasks = {"name": "Task", "type": "INT", "range": f"1-{len(plan.tasks)}"}
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "name": plan.project,
        "parameterDefinitions": [
            {
                "name": "Jobs",
                "type": "PATH",
                "objectType": "DIRECTORY",
                "dataFlow": "IN",
                "default": str(full_path(plan.to)),
                "description": "Folder of task.sh, which names board and renders by whole paths.",
            }
        ],
        "steps": [
            {
                "name": "Shots",
                "parameterSpace": {"taskParameterDefinitions": [tasks]},
                "hostRequirements": room,
                "script": script("{{Task.Param.Task}}"),
            },
            {
                "name": "Last",
                "dependencies": [{"dependsOn": "Shots"}],
                "hostRequirements": room,
                "script": script("last"),
            },
        ],
    }
