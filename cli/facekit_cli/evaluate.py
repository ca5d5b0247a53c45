"""``facekit eval``."""

from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.options import DryRun, Force, Json, Out, Settings
from facekit_cli.output import execute


def evaluate(
    clips: Annotated[list[Path], typer.Argument(metavar="CLIPS", help="Files or folders.")],
    character: Annotated[
        str, typer.Option("--with", metavar="CHARACTER", help="A character's name or its file.")
    ],
    photos: Annotated[
        list[Path] | None,
        typer.Option("--photos", metavar="PATH", help="Photos kept out of training; repeatable."),
    ] = None,
    settings: Settings = None,
    out: Out = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Measure whether it is the same person in all clips; exit code 5 when a gate is missed."""
    from facekit.recipe import load_recipe
    from facekit.workflows.evaluate import plan_evaluate, run_evaluate

    execute(
        "eval",
        lambda: plan_evaluate(
            clips,
            character=character,
            photos=photos or (),
            recipe=load_recipe(overrides=settings or ()),
            out=out,
            force=force,
        ),
        run_evaluate,
        as_json=as_json,
        dry_run=dry_run,
    )
