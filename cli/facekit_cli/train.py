"""``facekit train``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.options import (
    PHOTOS,
    Allow,
    Base,
    Device,
    DryRun,
    Force,
    Json,
    OutParent,
    RecipeSource,
    Seed,
    Settings,
    Weights,
    join_overrides,
    trained_settings,
)
from facekit_cli.output import GOES_ON, execute
from facekit_cli.provenance import NoCredentials, prepared

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
    base: Base = None,
    recipe: RecipeSource = None,
    settings: Settings = None,
    weights: Weights = None,
    allow: Allow = None,
    level: Annotated[
        Level | None,
        typer.Option(
            "--level",
            metavar="L0|L1|L2",
            case_sensitive=False,
            help="L0: only enrol; L1: tune tokens; L2: tokens and LoRA. The recipe's when absent.",
        ),
    ] = None,
    vram: Annotated[
        float | None,
        typer.Option(
            "--vram",
            metavar="GB",
            min=1,
            help="Memory to make do with: chooses the recipe. The graphics card's when absent.",
        ),
    ] = None,
    seed: Seed = None,
    device: Device = "auto",
    track: Annotated[
        list[str] | None,
        typer.Option(
            "--track",
            metavar="NAME",
            help="Send the log to tensorboard or wandb too; several with commas, or repeated.",
        ),
    ] = None,
    shard: Annotated[
        bool,
        typer.Option(
            "--shard",
            help="Of several processes, each holds only a part of the backbone's weights (FSDP2).",
        ),
    ] = False,
    consent: Annotated[
        str | None,
        typer.Option(
            "--consent",
            metavar="REF",
            help="The person's consent, as facekit consent record keeps it; photographs need one.",
        ),
    ] = None,
    drawn: Annotated[
        bool,
        typer.Option(
            "--drawn",
            help="Nobody is depicted. Understood where backbone and encoder know drawings alone.",
        ),
    ] = False,
    is_subject: Annotated[
        bool,
        typer.Option(
            "--i-am-the-subject",
            help="You are the person, of age, and agree to shots of yourself; it is recorded.",
        ),
    ] = False,
    no_credentials: NoCredentials = False,
    out: OutParent = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Make a character from a few photos of one person."""
    from facekit.recipe import load_recipe
    from facekit.workflows.cost import recipe_for_device
    from facekit.workflows.processes import leave, plan_together
    from facekit.workflows.train import TrainPlan, plan_train, run_train

    flags = {
        "--base": ("base.name", base),
        "--level": ("identity.level", level),
        "--seed": ("train.seed", seed),
    }

    def plan(where: str) -> TrainPlan:
        overrides = join_overrides(flags, settings or ())
        return plan_train(
            photos,
            name=name,
            recipe=trained_settings(
                settings, load_recipe(recipe_for_device(recipe, base, where, vram), overrides)
            ),
            out=out,
            force=force,
            trigger=trigger,
            device=where,
            allow=allow or (),
            consent=consent,
            drawn=drawn,
            is_subject=is_subject,
            track=[name.strip() for given in track or () for name in given.split(",")],
            estimate=dry_run or base is not None,
            card_gb=vram,
        )

    execute(
        "train",
        lambda: plan_together(
            lambda where: prepared(
                lambda: plan(where), no_credentials=no_credentials, dry_run=dry_run
            )(),
            device=device,
            shards=shard,
        ),
        run_train,
        together=True,
        as_json=as_json,
        weights=weights,
        dry_run=dry_run,
        interrupted=GOES_ON,
    )
    leave()
