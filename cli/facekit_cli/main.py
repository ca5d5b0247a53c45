"""The ``facekit`` command."""

import os
import sys
from typing import Annotated

import typer
import typer.exceptions

from facekit import __version__
from facekit_cli import check, demo, doctor, evaluate, lab, recipe, shoot, train, weights
from facekit_cli.output import INTERRUPTED, emit_error, quiet_libraries

__all__ = ["app", "main"]

app = typer.Typer(
    name="facekit",
    help="One face that stays the same person over many generated video shots.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a bug keeps its traceback
    rich_markup_mode=None,  # plain help: fast, and the same on every terminal
    add_completion=True,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"facekit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


app.command("check")(check.check)
app.command("train")(train.train)
app.command("shoot")(shoot.shoot)
app.command("eval")(evaluate.evaluate)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(recipe.app, name="recipe")
app.add_typer(weights.app, name="weights")
app.add_typer(lab.app, name="lab")


def main() -> None:
    """Run the command and leave with its exit code."""
    quiet_libraries()
    try:
        code = app(standalone_mode=False)
    except typer.Abort:
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    except typer.exceptions.TyperException as error:
        code = _usage_error(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _usage_error(error: typer.exceptions.TyperException) -> int:
    show = getattr(error, "show", None)  # the usage line, on errors that know their command
    if "--json" in sys.argv:
        emit_error("usage", "usage_error", error.format_message(), "see --help", as_json=True)
    elif show is not None:
        show()
    else:
        print(f"error: {error.format_message()}", file=sys.stderr)
    return int(error.exit_code)
