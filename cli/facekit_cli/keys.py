"""``facekit keys``: who you are when you sign, and whose signatures count."""

import getpass
import os
from typing import Annotated

import typer

from facekit_cli.options import Json
from facekit_cli.output import show

__all__ = ["app", "distrust", "init", "rotate", "show_", "trust"]

app = typer.Typer(
    help="Keys that sign presets, and keys of others that count.", no_args_is_help=True
)


@app.command("init")
def init(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="What others see; your login's name when absent."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key of your own; FACEKIT_PASSPHRASE locks it."""
    from facekit.workflows.keys import init_key

    show(
        "keys.init",
        lambda: init_key(
            name or getpass.getuser(), passphrase=os.environ.get("FACEKIT_PASSPHRASE") or None
        ),
        as_json=as_json,
    )


@app.command("show")
def show_(as_json: Json = False) -> None:
    """List your keys, as others can trust them, and the keys that you trust."""
    from facekit.workflows.keys import show_keys

    show("keys.show", show_keys, as_json=as_json)


@app.command("trust")
def trust(
    key: Annotated[
        str,
        typer.Argument(
            metavar="KEY",
            help="The line of a .pub file, such a file, or what keys rotate wrote.",
        ),
    ],
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Whose it is, as you say it.")
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Of what keys rotate wrote: the old key counts no more."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Let the signatures of somebody else count; be sure that it is their key."""
    from facekit.workflows.keys import trust_key

    show("keys.trust", lambda: trust_key(key, name=name, replace=replace), as_json=as_json)


@app.command("distrust")
def distrust(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="As keys show lists it, or how its keyid begins.")
    ],
    as_json: Json = False,
) -> None:
    """Let the signatures of somebody else count no longer."""
    from facekit.workflows.keys import distrust_key

    show("keys.distrust", lambda: distrust_key(name), as_json=as_json)


@app.command("rotate")
def rotate(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="The old key; the one that signs when absent."),
    ] = None,
    new_name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="What the new key is called.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a new key that signs from now on; the old one says so, for others to trust."""
    from facekit.workflows.keys import rotate_key

    show(
        "keys.rotate",
        lambda: rotate_key(
            name, new_name=new_name, passphrase=os.environ.get("FACEKIT_PASSPHRASE") or None
        ),
        as_json=as_json,
    )
