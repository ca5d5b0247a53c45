"""``facekit weights``: fetch and verify what does not ship with facekit."""

from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.options import DryRun, Json
from facekit_cli.output import GOES_ON, execute, show

__all__ = ["Name", "Names", "add", "app", "fetch", "ls", "path", "verify"]

app = typer.Typer(help="List, fetch, add and verify face models.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As facekit weights list shows it.")]
Names = Annotated[
    list[str], typer.Argument(metavar="NAME", help="As facekit weights list shows it.")
]


@app.command("list")
def ls(as_json: Json = False) -> None:
    """List what can be fetched, with its size and licence, and what is here."""
    from facekit.workflows.weights import list_weights

    show("weights.list", list_weights, as_json=as_json)


@app.command("fetch")
def fetch(names: Names, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Download weights and verify them; after an interruption it goes on where it stopped."""
    from facekit.workflows.weights import plan_fetch, run_fetch

    execute(
        "weights.fetch",
        lambda: plan_fetch(names),
        run_fetch,
        as_json=as_json,
        dry_run=dry_run,
        interrupted=GOES_ON,
    )


@app.command("add")
def add(
    name: Name,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="The file, its archive, or their folder.")
    ],
    as_json: Json = False,
) -> None:
    """Verify weights that are at hand and copy them to where facekit looks."""
    from facekit.workflows.weights import plan_add, run_add

    execute("weights.add", lambda: plan_add(name, path), run_add, as_json=as_json)


@app.command("path")
def path(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Only the files of this one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the folders where facekit looks; FACEKIT_WEIGHTS sets them."""
    from facekit.workflows.weights import weights_place

    show("weights.path", lambda: weights_place(name), as_json=as_json)


@app.command("verify")
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Only these; all that are here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare weights with the catalogue; exit code 6 when one is damaged or missing."""
    from facekit.workflows.weights import verify_weights

    show("weights.verify", lambda: verify_weights(names or ()), as_json=as_json)
