"""``facekit verify``."""

from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.options import Json
from facekit_cli.output import show

__all__ = ["verify"]


def verify(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Videos, pictures, presets, folders of them."),
    ],
    as_json: Json = False,
) -> None:
    """Tell where a file comes from: which face, preset, consent.

    What is sure, what is likely, and what cannot be known. Exit code 6 where a file was tampered
    with; a key that is not trusted here is no failure.
    """
    from facekit.workflows.verify import verify_files

    show("verify", lambda: verify_files(paths), as_json=as_json)
