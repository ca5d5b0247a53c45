"""``facekit shoot``."""

from enum import StrEnum
from typing import Annotated

import typer

from facekit_cli.options import DryRun, Force, Json, Out, Seed
from facekit_cli.output import execute


class Aspect(StrEnum):
    """Width to height."""

    SQUARE = "1:1"
    WIDE = "16:9"
    TALL = "9:16"


def shoot(
    prompts: Annotated[
        list[str], typer.Argument(metavar="PROMPT", help="One shot each; @NAME is the character.")
    ],
    character: Annotated[
        str, typer.Option("--with", metavar="CHARACTER", help="A character's name or its file.")
    ],
    num_frames: Annotated[
        int | None, typer.Option("--num-frames", min=1, help="Frames per shot.")
    ] = None,
    aspect: Annotated[Aspect | None, typer.Option("--aspect", help="Width to height.")] = None,
    seed: Seed = None,
    takes: Annotated[int, typer.Option("--takes", min=1, help="Versions of each shot.")] = 1,
    strength: Annotated[
        float | None, typer.Option("--strength", min=0.0, help="Of the identity; 1 is usual.")
    ] = None,
    out: Out = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Make shots with a character in them."""
    from facekit.workflows.shoot import plan_shoot, run_shoot

    execute(
        "shoot",
        lambda: plan_shoot(
            prompts,
            character=character,
            num_frames=num_frames,
            aspect=aspect.value if aspect is not None else None,
            seed=seed,
            takes=takes,
            strength=strength,
            out=out,
            force=force,
        ),
        run_shoot,
        as_json=as_json,
        dry_run=dry_run,
    )
