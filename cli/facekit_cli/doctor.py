"""``facekit doctor``."""

from typing import TYPE_CHECKING, Annotated

import typer

from facekit_cli.options import Json, Settings, Weights
from facekit_cli.output import execute

if TYPE_CHECKING:
    from facekit.workflows.doctor import DoctorPlan

__all__ = ["doctor"]


def doctor(
    commercial: Annotated[
        bool,
        typer.Option(
            "--commercial",
            help="Refuse, with exit code 4, what a licence does not allow for commercial use.",
        ),
    ] = False,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe", metavar="RECIPE", help="Whose licences to tell; toon/train when absent."
        ),
    ] = None,
    settings: Settings = None,
    weights: Weights = None,
    as_json: Json = False,
) -> None:
    """Look at versions, devices, weights, licences and disk.

    Prints the command that mends each fault.
    """
    from facekit.recipe import load_recipe
    from facekit.workflows.doctor import plan_doctor, run_doctor

    def plan() -> "DoctorPlan":
        given = settings or ()
        chosen = load_recipe(recipe, given) if recipe else load_recipe(overrides=given)
        return plan_doctor(chosen, commercial=commercial)

    execute("doctor", plan, run_doctor, as_json=as_json, weights=weights)
