"""``facekit eval``."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.options import (
    Device,
    DryRun,
    Force,
    Identity,
    Json,
    Out,
    Settings,
    Weights,
    read_settings,
)
from facekit_cli.output import execute

__all__ = ["evaluate"]


def evaluate(
    clips: Annotated[list[Path], typer.Argument(metavar="CLIPS", help="Files or folders.")],
    character: Annotated[
        str, typer.Option("--with", metavar="CHARACTER", help="A character's name or its file.")
    ],
    photos: Annotated[
        list[Path] | None,
        typer.Option(
            "--photos",
            metavar="PATH",
            help="Photos kept out of training, or where the character's own are now; repeatable.",
        ),
    ] = None,
    identity: Identity = False,
    settings: Settings = None,
    weights: Weights = None,
    device: Device = "auto",
    out: Out = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Measure whether it is the same person in all clips.

    Exit code 5 when a gate is missed.
    """
    from facekit.workflows.characters import evaluation_recipe
    from facekit.workflows.evaluate import plan_evaluate, run_evaluate

    execute(
        "eval",
        lambda: plan_evaluate(
            clips,
            character=character,
            photos=photos or (),
            recipe=evaluation_recipe(
                character, read_settings(settings, "encoder", "photos", "gates")
            ),
            out=out,
            force=force,
            device=device,
        ),
        partial(run_evaluate, identify=identity),
        as_json=as_json,
        weights=weights,
        dry_run=dry_run,
        interrupted="no report was written; run the same command again to measure anew",
    )
