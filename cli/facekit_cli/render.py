"""``facekit render`` and what of ``facekit board`` draws."""

from functools import partial
from typing import Annotated

import typer

from facekit_cli.board import Board, Renders, app
from facekit_cli.options import Device, DryRun, Json, Weights
from facekit_cli.output import GOES_ON, execute, show
from facekit_cli.provenance import NoCredentials, prepared

__all__ = ["NumWorkers", "Only", "pick", "render", "report", "resume", "retake", "status"]

Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="SHOT",
        help="Only this shot or sequence, and what it goes on from; repeatable.",
    ),
]

NumWorkers = Annotated[
    int,
    typer.Option(
        "--workers", min=1, max=64, help="Processes that draw, each on a card of its own."
    ),
]


def render(
    board: Board,
    only: Only = None,
    workers: NumWorkers = 1,
    device: Device = "auto",
    weights: Weights = None,
    no_credentials: NoCredentials = False,
    out: Renders = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Render a storyboard: draw every shot, judge it, draw again what fails, deliver.

    What is finished is never made again; run it again to go on.
    """
    from facekit.workflows.render import plan_render, run_render

    execute(
        "render",
        prepared(
            lambda: plan_render(board, out=out, device=device, only=only or ()),
            no_credentials=no_credentials,
            dry_run=dry_run,
        ),
        partial(run_render, workers=workers),
        as_json=as_json,
        weights=weights,
        dry_run=dry_run,
        interrupted=GOES_ON,
    )


app.command("render")(render)


@app.command("resume")
def resume(
    board: Board,
    workers: NumWorkers = 1,
    device: Device = "auto",
    weights: Weights = None,
    no_credentials: NoCredentials = False,
    out: Renders = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Go on with a render that was stopped, or whose board has changed: the same as render."""
    render(board, None, workers, device, weights, no_credentials, out, dry_run, as_json)


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
            lambda: retake_plan(board, shots, takes=takes, out=out, device=device),
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
    out: Renders = None,
    as_json: Json = False,
) -> None:
    """Choose the take of a shot that is delivered, as a new version."""
    from facekit.workflows.render_look import pick_take

    show("board.pick", lambda: pick_take(board, shot, take, out=out), as_json=as_json)


@app.command("report")
def report(board: Board, out: Renders = None, as_json: Json = False) -> None:
    """Write the report of what is rendered again."""
    from facekit.workflows.render_look import render_report

    show("board.report", lambda: render_report(board, out=out), as_json=as_json)
