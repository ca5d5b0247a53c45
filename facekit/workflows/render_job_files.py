"""What schedulers read: scripts for Slurm, a template of Open Job Description."""

import shlex
from pathlib import Path

from facekit.media.files import full_path

__all__ = ["SUBMIT", "openjd_template", "sbatch"]

_CORES = 4


def sbatch(project: str, to: Path, device: str, array: str | None) -> str:
    """The script of a job for Slurm.

    Args:
        project: Its name.
        to: Folder of the job files.
        device: `cpu` asks for no graphics card.
        array: Numbers of its tasks, such as 1-8; the last task when None.
    """
    folder = full_path(to)
    log = folder / "logs" / ("%A_%a.txt" if array else "%j.txt")
    lines = ["#!/bin/sh", f"#SBATCH --job-name={project}"]
    lines += [f"#SBATCH --array={array}"] if array else []
    lines += ["#SBATCH --ntasks=1", f"#SBATCH --cpus-per-task={_CORES}"]
    lines += [] if device == "cpu" else ["#SBATCH --gpus-per-task=1"]
    lines += ["#SBATCH --requeue", f'#SBATCH --output="{log}"']
    task = '"$SLURM_ARRAY_TASK_ID"' if array else "last"
    return "\n".join([*lines, f"exec sh {shlex.quote(str(folder / 'task.sh'))} {task}"]) + "\n"


SUBMIT = """\
#!/bin/sh
# Gives the tasks to Slurm: sh submit.sh, with options of sbatch such as -p gpu -t 2:00:00 after it.
set -eu
cd "$(dirname "$0")"
job=$(sbatch --parsable "$@" shots.sbatch)
# also after tasks that were lost: the last one makes what they left
sbatch --dependency="afterany:${job%%;*}" "$@" last.sbatch
"""


def openjd_template(project: str, to: Path, device: str, num_tasks: int) -> dict[str, object]:
    """The job as an Open Job Description template.

    Source: https://github.com/OpenJobDescription/openjd-specifications (jobtemplate-2023-09).
    """
    room: dict[str, object] = {"amounts": [{"name": "amount.worker.vcpu", "min": 1}]}
    if device != "cpu":
        room = {"amounts": [{"name": "amount.worker.gpu", "min": 1}]}

    def script(task: str) -> dict[str, object]:
        run = {"command": "sh", "args": ["{{Param.Jobs}}/task.sh", task]}
        return {"actions": {"onRun": run}}

    tasks = {"name": "Task", "type": "INT", "range": f"1-{num_tasks}"}
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "name": project,
        "parameterDefinitions": [
            {
                "name": "Jobs",
                "type": "PATH",
                "objectType": "DIRECTORY",
                "dataFlow": "IN",
                "default": str(full_path(to)),
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
