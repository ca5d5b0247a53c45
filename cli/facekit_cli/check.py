"""``facekit check``."""

from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.options import PHOTOS, Json, Settings
from facekit_cli.output import execute

__all__ = ["check"]


def check(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTOS", help=PHOTOS)],
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="What the character is called.")
    ] = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Say whether photos will make a character, and why not; exit code 3 when they will not."""
    from facekit.recipe import load_recipe
    from facekit.workflows.check import plan_check, run_check

    execute(
        "check",
        lambda: plan_check(photos, name=name, recipe=load_recipe(overrides=settings or ())),
        run_check,
        as_json=as_json,
    )
