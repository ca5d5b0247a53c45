"""What of ``facekit board`` looks at renders and asks for other takes."""

from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.board import Board, Renders
from facekit_cli.options import Device, DryRun, Json, ShownIn, Use, Weights
from facekit_cli.output import GOES_ON, execute, show
from facekit_cli.provenance import NoCredentials, prepared

__all__ = ["app", "pick", "report", "retake", "status"]

app = typer.Typer()


@app.command("status")
def status(board: Board, out: Renders = None, as_json: Json = False) -> None:
    """Say how far every shot is, without loading anything."""
    from facekit.workflows.render_look import render_status

    show("board.status", lambda: render_status(board, out=out), as_json=as_json)


@app.command("retake")
def retake(
    board: Board,
    shots: Annotated[
        list[str], typer.Argument(metavar="SHOT", help="Shots: names, ids or SEQUENCE/ID.")
    ],
    takes: Annotated[int, typer.Option("--takes", min=1, help="Further takes of each.")] = 1,
    device: Device = "auto",
    weights: Weights = None,
    use: Use = "",
    territory: ShownIn = None,
    no_credentials: NoCredentials = False,
    out: Renders = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make further takes of shots, with the next seeds; the best of all is delivered."""
    from facekit.workflows.render import run_render
    from facekit.workflows.render_look import retake_plan

    execute(
        "board.retake",
        prepared(
            lambda: retake_plan(
                board,
                shots,
                takes=takes,
                out=out,
                device=device,
                use=use,
                territory=territory or (),
            ),
            no_credentials=no_credentials,
            dry_run=dry_run,
        ),
        run_render,
        as_json=as_json,
        weights=weights,
        dry_run=dry_run,
        interrupted=GOES_ON,
    )


@app.command("pick")
def pick(
    board: Board,
    shot: Annotated[str, typer.Argument(metavar="SHOT", help="A shot.")],
    take: Annotated[str, typer.Argument(metavar="TAKE", help="One of its takes, such as t02.")],
    use: Use = "",
    territory: ShownIn = None,
    out: Renders = None,
    as_json: Json = False,
) -> None:
    """Choose the take of a shot that is delivered, as a new version."""
    from facekit.workflows.render_look import pick_take

    show(
        "board.pick",
        lambda: pick_take(board, shot, take, out=out, use=use, territory=territory or ()),
        as_json=as_json,
    )


@app.command("report")
def report(
    board: Board,
    publish: Annotated[
        Path | None,
        typer.Option(
            "--publish",
            metavar="FOLDER",
            help="Write it there, to be handed on: without links to files, without names of"
            " folders and machines.",
        ),
    ] = None,
    max_mb: Annotated[
        float,
        typer.Option(
            "--max-mb",
            metavar="MB",
            min=0.1,
            help="Size of the page, in million bytes; pictures are made smaller until it fits.",
        ),
    ] = 12.0,
    out: Renders = None,
    as_json: Json = False,
) -> None:
    """Write the report of what is rendered again."""
    from facekit.workflows.render_look import render_report
    from facekit.workflows.render_report import ReportForm

    form = ReportForm(max_mb=max_mb, folder=publish)
    show("board.report", lambda: render_report(board, out=out, form=form), as_json=as_json)
