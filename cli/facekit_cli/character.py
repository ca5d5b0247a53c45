"""``facekit character``: the characters that are here, and how one is removed."""

from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.options import DryRun, Json
from facekit_cli.output import execute, show

__all__ = [
    "Name",
    "app",
    "delete",
    "ls",
    "show_one",
]

app = typer.Typer(
    help="List characters, whose face each is; delete one and all of it.",
    no_args_is_help=True,
)

Name = Annotated[
    str, typer.Argument(metavar="CHARACTER", help="A character's name, its folder or its file.")
]


@app.command("list")
def ls(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="characters when absent.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List characters, and by what right each may be used now."""
    from facekit.workflows.character_look import list_characters

    show("character.list", lambda: list_characters(folder), as_json=as_json)


@app.command("show")
def show_one(name: Name, as_json: Json = False) -> None:
    """Show one character in full."""
    from facekit.workflows.character_look import show_character

    show("character.show", lambda: show_character(name), as_json=as_json)


@app.command("delete")
def delete(
    name: Name,
    cascade: Annotated[
        bool,
        typer.Option(
            "--cascade",
            help="Remove what was made of it too: takes, reports, datasets, presets, caches.",
        ),
    ] = False,
    with_photos: Annotated[
        bool, typer.Option("--with-photos", help="Remove the photos it was trained on too.")
    ] = False,
    folders: Annotated[
        list[Path] | None,
        typer.Option(
            "--in",
            metavar="FOLDER",
            help="Where else to look for what was made of it; repeatable. The working folder is"
            " looked through in any case.",
        ),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Remove a character, and write a report of what went and what is left."""
    from facekit.workflows.character_delete import plan_delete, run_delete

    execute(
        "character.delete",
        lambda: plan_delete(name, cascade=cascade, with_photos=with_photos, folders=folders or ()),
        run_delete,
        as_json=as_json,
        dry_run=dry_run,
    )
