"""``facekit recipe``: look at recipes without running one."""

from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.options import Force, Json, Settings
from facekit_cli.output import show

__all__ = ["Source", "app", "check", "copy", "ls", "show_one"]

app = typer.Typer(help="List, show, copy and check recipes.", no_args_is_help=True)

Source = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name or its file.")]


@app.command("ls")
def ls(as_json: Json = False) -> None:
    """List the shipped recipes."""
    from facekit.workflows.recipes import list_shipped

    show("recipe.ls", list_shipped, as_json=as_json)


@app.command("show")
def show_one(source: Source, settings: Settings = None, as_json: Json = False) -> None:
    """Print a recipe with every value it decides."""
    from facekit.workflows.recipes import resolve

    show("recipe.show", lambda: resolve(source, settings or ()), as_json=as_json)


@app.command("copy")
def copy(
    source: Source,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="A new .toml file to edit.")],
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Copy a shipped recipe out to edit it."""
    from facekit.workflows.recipes import copy_recipe

    show("recipe.copy", lambda: copy_recipe(source, target, force=force), as_json=as_json)


@app.command("check")
def check(source: Source, settings: Settings = None, as_json: Json = False) -> None:
    """Check a recipe without running it; every mistake at once."""
    from facekit.workflows.recipes import check_recipe

    show("recipe.check", lambda: check_recipe(source, settings or ()), as_json=as_json)
