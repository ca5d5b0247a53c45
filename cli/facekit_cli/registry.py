"""``facekit registry``: where a team keeps its presets."""

import sys
from typing import Annotated

import typer

from facekit_cli.options import Json
from facekit_cli.output import execute, show

__all__ = ["Name", "add", "app", "check", "list_", "login"]

app = typer.Typer(
    help="Add, list and check the places where presets are kept.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What facekit.toml calls it.")]


@app.command("add")
def add(
    name: Name,
    uri: Annotated[
        str,
        typer.Argument(
            metavar="URI",
            help="A folder, s3://BUCKET/FOLDER, hf://datasets/ORG/NAME, or what fsspec knows.",
        ),
    ],
    mirror_of: Annotated[
        str | None,
        typer.Option("--mirror-of", metavar="NAME", help="It copies that one and is only read."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="KEY=VALUE",
            help="For the file system, such as endpoint_url=URL; never a secret; repeatable.",
        ),
    ] = None,
    one_writer: Annotated[
        bool,
        typer.Option(
            "--one-writer",
            help="Promise that nobody else writes, where the storage cannot tell two apart.",
        ),
    ] = False,
    create: Annotated[
        bool,
        typer.Option(
            "--create", help="Make a new one also where one was and is gone, or is not mounted."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a registry into facekit.toml; an empty place becomes one."""
    from facekit.workflows.registries import add_registry

    show(
        "registry.add",
        lambda: add_registry(
            name,
            uri,
            mirror_of=mirror_of,
            options=option or (),
            one_writer=one_writer,
            create=create,
        ),
        as_json=as_json,
    )


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the registries of the show."""
    from facekit.workflows.registries import list_registries

    show("registry.list", list_registries, as_json=as_json)


@app.command("login")
def login(
    name: Name,
    token_stdin: Annotated[
        bool,
        typer.Option(
            "--token-stdin", help="Read a token of the Hugging Face Hub, which its library keeps."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Try whether a registry can be read, and say with which credentials."""
    from facekit.workflows.registries import log_in

    token = sys.stdin.readline().strip() if token_stdin else None
    show("registry.login", lambda: log_in(name, token), as_json=as_json)


@app.command("check")
def check(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The first in facekit.toml if absent.")
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read and compare all content.")] = False,
    as_json: Json = False,
) -> None:
    """Look whether everything in a registry is whole and signed; exit code 6 if not."""
    from facekit.workflows.registry_check import plan_check, run_check

    execute("registry.check", lambda: plan_check(name, deep=deep), run_check, as_json=as_json)
