"""Options that several commands share, so that one word means one thing."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DryRun", "Force", "Json", "Out", "Seed", "Settings"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="PATH", help="Where the result goes.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Decides everything random.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one recipe value; repeatable."),
]
