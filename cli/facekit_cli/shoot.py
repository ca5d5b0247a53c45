"""``facekit shoot``."""

from enum import StrEnum
from typing import Annotated

import typer

from facekit_cli.options import (
    Device,
    DryRun,
    Force,
    Json,
    Out,
    Seed,
    Settings,
    Weights,
    read_settings,
)
from facekit_cli.output import GOES_ON, GOES_ON_WITHOUT_FORCE, execute

__all__ = ["Aspect", "shoot"]


class Aspect(StrEnum):
    """Width to height."""

    SQUARE = "1:1"
    WIDE = "16:9"
    TALL = "9:16"


def shoot(
    prompts: Annotated[
        list[str], typer.Argument(metavar="PROMPT", help="One shot each; @NAME is a character.")
    ],
    character: Annotated[
        list[str],
        typer.Option(
            "--with",
            metavar="CHARACTER",
            help="A character's name or its file; several times for several in one shot.",
        ),
    ],
    regions: Annotated[
        list[str] | None,
        typer.Option(
            "--region",
            metavar="NAME=REGION",
            help="Where a character is: left, right, top, bottom, left-third, middle-third,"
            " right-third; a box X0,Y0,X1,Y1 in fractions, or several with .. between; a picture"
            " that is white there; auto looks for it in a first pass, as several characters are"
            " without this option.",
        ),
    ] = None,
    num_frames: Annotated[
        int | None,
        typer.Option("--num-frames", min=1, help="Frames per shot; on toon 4 * n + 1, at most 17."),
    ] = None,
    aspect: Annotated[Aspect | None, typer.Option("--aspect", help="Width to height.")] = None,
    seed: Seed = None,
    takes: Annotated[int, typer.Option("--takes", min=1, help="Versions of each shot.")] = 1,
    strength: Annotated[
        float,
        typer.Option(
            "--strength",
            help="0 to 3: 1 is as trained, 0 leaves the character out, above 1 was never trained.",
        ),
    ] = 1.0,
    settings: Settings = None,
    weights: Weights = None,
    device: Device = "auto",
    out: Out = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Make shots with one or several characters in them.

    By the recipe that trained the first of them, where that is at hand.
    """
    from facekit.workflows.shoot import plan_shoot, run_shoot

    execute(
        "shoot",
        lambda: plan_shoot(
            prompts,
            character=character,
            regions=regions or (),
            num_frames=num_frames,
            aspect=aspect.value if aspect is not None else None,
            seed=seed,
            takes=takes,
            strength=strength,
            out=out,
            force=force,
            overrides=read_settings(settings, "base", "sample"),
            device=device,
        ),
        run_shoot,
        as_json=as_json,
        weights=weights,
        dry_run=dry_run,
        interrupted=GOES_ON_WITHOUT_FORCE if force else GOES_ON,
    )
