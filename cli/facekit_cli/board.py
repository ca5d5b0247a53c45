"""``facekit board``: storyboards checked, planned, imported and exported."""

from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.options import Device, Force, Json
from facekit_cli.output import show

__all__ = ["Board", "Renders", "app", "export", "import_", "new", "plan", "validate"]

app = typer.Typer(help="Begin, check, plan, import and export storyboards.", no_args_is_help=True)

Board = Annotated[Path, typer.Argument(metavar="BOARD", help="A storyboard, a .yaml file.")]
Renders = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="PATH", help="Folder of the renders; renders/PROJECT when absent."
    ),
]


@app.command("new")
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new .yaml file to edit.")],
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write a commented example to begin with."""
    from facekit.workflows.board_files import new_board

    show("board.new", lambda: new_board(file, force=force), as_json=as_json)


@app.command("validate")
def validate(board: Board, as_json: Json = False) -> None:
    """Check a storyboard and all that it names; every mistake at once, with its line."""
    from facekit.workflows.board_plan import check_file

    show("board.validate", lambda: check_file(board), as_json=as_json)


@app.command("plan")
def plan(
    board: Board,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Draw two steps of every size first, to know how long it takes."
        ),
    ] = False,
    device: Device = "auto",
    out: Renders = None,
    as_json: Json = False,
) -> None:
    """Say what every shot becomes and costs, before anything is drawn.

    Frames asked for and delivered, what the backbone draws for them, handles, takes, order, time,
    fingerprints.
    """
    from facekit.workflows.board_plan import plan_board

    show(
        "board.plan",
        lambda: plan_board(board, device=device, measure=measure, out=out),
        as_json=as_json,
    )


@app.command("import")
def import_(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="A shot list (.csv) or a screenplay (.fountain).")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="The board to write.")],
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds", metavar="S", min=0.01, help="Per shot of a screenplay; 4 when absent."
        ),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make a storyboard of a shot list or a screenplay."""
    from facekit.workflows.board_files import import_board

    show(
        "board.import",
        lambda: import_board(source, out, seconds=seconds, force=force),
        as_json=as_json,
    )


@app.command("export")
def export(
    board: Board,
    otio: Annotated[
        Path | None, typer.Option("--otio", metavar="FILE", help="OpenTimelineIO.")
    ] = None,
    edl: Annotated[Path | None, typer.Option("--edl", metavar="FILE", help="CMX 3600.")] = None,
    xml: Annotated[
        Path | None,
        typer.Option("--xml", metavar="FILE", help="Final Cut Pro 7; Premiere and Resolve too."),
    ] = None,
    fcpxml: Annotated[
        Path | None, typer.Option("--fcpxml", metavar="FILE", help="Final Cut Pro X.")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="The list of shots, as board import reads it."),
    ] = None,
    aspect: Annotated[
        str | None,
        typer.Option("--aspect", metavar="W:H", help="Of several; the first when absent."),
    ] = None,
    whole_paths: Annotated[
        bool, typer.Option("--whole-paths", help="Name media by their whole paths.")
    ] = False,
    out: Renders = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write the timeline, shots as rendered or else as planned, or the list of shots."""
    from facekit.workflows.board_export import export_board

    given = {"otio": otio, "edl": edl, "xml": xml, "fcpxml": fcpxml, "csv": csv}
    show(
        "board.export",
        lambda: export_board(
            board,
            {kind: file for kind, file in given.items() if file is not None},  # type: ignore[misc]
            aspect=aspect,
            out=out,
            whole_paths=whole_paths,
            force=force,
        ),
        as_json=as_json,
    )
