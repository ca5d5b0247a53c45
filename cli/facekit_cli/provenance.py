"""``facekit provenance``, and the switch that leaves credentials away."""

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from facekit_cli.launched import is_first
from facekit_cli.options import DryRun, Force, Json
from facekit_cli.output import execute, printable, show

if TYPE_CHECKING:
    from facekit.types import Plan

__all__ = ["NoCredentials", "Profile", "app", "label", "prepared", "show_", "sign"]

PlanT = TypeVar("PlanT", bound="Plan")

NoCredentials = Annotated[
    bool,
    typer.Option(
        "--no-credentials",
        help="Make files that do not say where they come from.",
    ),
]

app = typer.Typer(help="Content credentials of files.", no_args_is_help=True)


class Profile(StrEnum):
    """By whose rules a label is written."""

    EU = "eu"
    CN = "cn"
    CUSTOM = "custom"


def prepared(
    plan: "Callable[[], PlanT]", *, no_credentials: bool, dry_run: bool
) -> "Callable[[], PlanT]":
    """A way to plan that also says, before the work, how files will be signed.

    Where they get no credentials that is told, and so is a key that was made to sign them.
    Processes that are started from here do the same. Files that could not be signed are an error
    of the plan.
    """

    def make() -> PlanT:
        made = plan()
        from facekit.workflows.credentials import CREDENTIALS_VARIABLE, prepare_credentials

        if no_credentials:
            os.environ[CREDENTIALS_VARIABLE] = "none"
        if not dry_run and is_first():
            for line in prepare_credentials():
                print(printable(line), file=sys.stderr, flush=True)
        return made

    return make


@app.command("show")
def show_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A video or a picture.")],
    as_json: Json = False,
) -> None:
    """Print all that the credentials of a file say; facekit verify says what they are worth."""
    from facekit.workflows.provenance import show_manifest

    show("provenance.show", lambda: show_manifest(file), as_json=as_json)


@app.command("sign")
def sign(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Clips and pictures of takes.")
    ],
    timestamp: Annotated[
        str | None,
        typer.Option("--timestamp", metavar="URL", help="A time stamp authority to ask."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Sign takes that were made without credentials, by the records beside them."""
    from facekit.workflows.provenance import sign_takes

    show("provenance.sign", lambda: sign_takes(files, timestamp=timestamp), as_json=as_json)


@app.command("label")
def label(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Videos (mp4, mov) and pictures.")
    ],
    profile: Annotated[
        Profile,
        typer.Option(
            "--profile",
            help="eu: AI in a corner to the end; cn: two seconds at the start, with a --font that"
            " has the letters; custom: your own --text.",
        ),
    ],
    text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help="Other words than the profile's.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", metavar="S", help="How long, from the start of a video."),
    ] = None,
    font: Annotated[
        Path | None, typer.Option("--font", metavar="FILE", help="A font file: .ttf, .otf, .ttc.")
    ] = None,
    no_credentials: NoCredentials = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="The new file, or the folder of several; NAME_labelled when absent.",
        ),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Write a visible label into copies of files, whose credentials say so.

    The files themselves stay as they are, and their credentials are kept in the copies.
    """
    from facekit.workflows.label import plan_labels, run_labels

    execute(
        "provenance.label",
        prepared(
            lambda: plan_labels(
                files,
                profile.value,
                text=text,
                seconds=seconds,
                font=font,
                out=out,
                force=force,
            ),
            no_credentials=no_credentials,
            dry_run=dry_run,
        ),
        run_labels,
        as_json=as_json,
        dry_run=dry_run,
    )
