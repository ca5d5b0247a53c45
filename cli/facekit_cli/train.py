"""``facekit train``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.options import PHOTOS, Device, DryRun, Force, Json, OutParent, Seed, Settings
from facekit_cli.output import GOES_ON, execute

__all__ = ["Level", "train"]


class Level(StrEnum):
    """How much is trained."""

    L0 = "L0"
    L1 = "L1"
    L2 = "L2"


def train(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTOS", help=PHOTOS)],
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="What to call the character.")],
    trigger: Annotated[
        str | None,
        typer.Option(
            "--trigger",
            metavar="TEXT",
            help="Words that stand for the character, such as 'a man with curly black hair'.",
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", metavar="NAME", help="The backbone; toon when absent.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe", metavar="RECIPE", help="A recipe's name or file; BASE/train when absent."
        ),
    ] = None,
    settings: Settings = None,
    level: Annotated[
        Level | None,
        typer.Option(
            "--level", help="L0: only enrol; L1: tune tokens; L2: tokens and LoRA (the default)."
        ),
    ] = None,
    seed: Seed = None,
    device: Device = "auto",
    out: OutParent = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Make a character from a few photos of one person."""
    from facekit.recipe import load_recipe
    from facekit.workflows.train import plan_train, run_train

    overrides = [f"base.name={base}"] if base is not None else []
    overrides += [f"identity.level={level.value}"] if level is not None else []
    overrides += [f"train.seed={seed}"] if seed is not None else []
    overrides += settings or []
    execute(
        "train",
        lambda: plan_train(
            photos,
            name=name,
            recipe=load_recipe(recipe or f"{base or 'toon'}/train", overrides),
            out=out,
            force=force,
            trigger=trigger,
            device=device,
        ),
        run_train,
        as_json=as_json,
        dry_run=dry_run,
        interrupted=GOES_ON,
    )
