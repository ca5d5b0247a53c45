"""Options that several commands share, so that one word means one thing.

`--out` is the folder of the result itself; of `train`, which names the folder after the character,
it is the one that holds it.
"""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["PHOTOS", "Device", "DryRun", "Force", "Json", "Out", "OutParent", "Seed", "Settings"]

PHOTOS = "Photos and clips: files, folders, patterns such as 'a/*.jpg', or a zip of them."

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="auto, cpu, cuda, cuda:N or mps; auto takes CUDA where there is one, else the CPU.",
    ),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="PATH", help="Folder of the result.")]
OutParent = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="PATH",
        help="Folder that gets the character's folder, PATH/NAME; characters when absent.",
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Decides everything random.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one recipe value; repeatable."),
]
