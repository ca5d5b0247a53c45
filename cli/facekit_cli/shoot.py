"""``facekit shoot``."""

from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from facekit.errors import UsageError
from facekit_cli.options import (
    Device,
    DryRun,
    Force,
    Identity,
    Json,
    Out,
    Seed,
    Settings,
    ShownIn,
    Use,
    Weights,
    read_settings,
)
from facekit_cli.output import GOES_ON, GOES_ON_WITHOUT_FORCE, execute
from facekit_cli.provenance import NoCredentials, prepared

__all__ = ["Aspect", "shoot"]


class Aspect(StrEnum):
    """Width to height."""

    SQUARE = "1:1"
    WIDE = "16:9"
    TALL = "9:16"


def shoot(
    character: Annotated[
        list[str],
        typer.Option(
            "--with",
            metavar="CHARACTER",
            help="A character's name or its file; several times for several in one shot.",
        ),
    ],
    prompts: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROMPT", help="One shot each; @NAME is a character."),
    ] = None,
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
        typer.Option(
            "--num-frames",
            min=1,
            help="Frames per shot; on toon 4 * n + 1 up to 17, or any number above: drawn in"
            " chunks.",
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="The same as a time, to the next frame.")
    ] = None,
    extend: Annotated[
        Path | None,
        typer.Option(
            "--extend", metavar="CLIP", help="Make a clip longer, by its own prompt or PROMPT."
        ),
    ] = None,
    first_frame: Annotated[
        Path | None,
        typer.Option("--first-frame", metavar="PICTURE", help="Every shot begins with it."),
    ] = None,
    last_frame: Annotated[
        Path | None,
        typer.Option("--last-frame", metavar="PICTURE", help="Every shot ends with it."),
    ] = None,
    aspect: Annotated[Aspect | None, typer.Option("--aspect", help="Width to height.")] = None,
    seed: Seed = None,
    takes: Annotated[int, typer.Option("--takes", min=1, help="Versions of each shot.")] = 1,
    strength: Annotated[
        str,
        typer.Option(
            "--strength",
            metavar="NUMBER[,NUMBER...]",
            help="0 to 3: 1 is as trained, 0 leaves the character out, above 1 was never trained."
            " Several are spread evenly over the shot.",
        ),
    ] = "1",
    identity: Identity = False,
    use: Use = "",
    territory: ShownIn = None,
    settings: Settings = None,
    weights: Weights = None,
    device: Device = "auto",
    no_credentials: NoCredentials = False,
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
        prepared(
            lambda: plan_shoot(
                _asked(prompts, extend),
                character=character,
                regions=regions or (),
                num_frames=num_frames,
                seconds=seconds,
                extend=extend,
                first_frame=first_frame,
                last_frame=last_frame,
                aspect=aspect.value if aspect is not None else None,
                seed=seed,
                takes=takes,
                strength=_strength(strength),
                use=use,
                territory=territory or (),
                out=out,
                force=force,
                overrides=read_settings(settings, "base", "sample"),
                device=device,
            ),
            no_credentials=no_credentials,
            dry_run=dry_run,
        ),
        partial(run_shoot, identify=identity),
        as_json=as_json,
        weights=weights,
        dry_run=dry_run,
        interrupted=GOES_ON_WITHOUT_FORCE if force else GOES_ON,
    )


def _asked(prompts: Sequence[str] | None, extend: Path | None) -> Sequence[str]:
    if not prompts and extend is None:
        raise UsageError(
            "no prompt given, expected one for each shot; say what it shows, such as"
            " 'close-up of @mira in the park'"
        )
    return prompts or ()


def _strength(text: str) -> float | tuple[float, ...]:
    try:
        keys = tuple(float(key) for key in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--strength {text}: expected a number, or numbers with commas between them; 1 is as"
            " trained"
        ) from error
    return keys if len(keys) > 1 else keys[0]
