"""``facekit check``."""

from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.options import (
    PHOTOS,
    Allow,
    Base,
    Json,
    RecipeSource,
    Settings,
    Weights,
    join_overrides,
    read_settings,
)
from facekit_cli.output import execute

__all__ = ["check"]


def check(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTOS", help=PHOTOS)],
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="What the character is called.")
    ] = None,
    base: Base = None,
    recipe: RecipeSource = None,
    settings: Settings = None,
    weights: Weights = None,
    allow: Allow = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="Write the dataset and report.html here, or bring them up to date.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say whether photos will make a character, and why not.

    Exit code 3 when they will not.
    """
    from facekit.recipe import load_recipe, training_recipe
    from facekit.workflows.check import plan_check, run_check

    given = [("--base", base), ("--recipe", recipe), *(("--set", one) for one in settings or ())]
    given += [("--allow", one) for one in allow or ()]
    given += [("--weights", str(one)) for one in weights or ()]
    execute(
        "check",
        lambda: plan_check(
            photos,
            name=name,
            recipe=load_recipe(
                recipe or training_recipe(base),
                join_overrides(
                    {"--base": ("base.name", base)},
                    read_settings(settings, "encoder", "photos", "captions"),
                ),
            ),
            allow=allow or (),
            out=out,
            options=[word for flag, said in given if said is not None for word in (flag, said)],
        ),
        run_check,
        as_json=as_json,
        weights=weights,
    )
