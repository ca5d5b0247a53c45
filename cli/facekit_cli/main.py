"""The ``facekit`` command."""

import os
import sys
from typing import Annotated

import typer
import typer.exceptions

from facekit import __version__
from facekit_cli import (
    adapter,
    board,
    character,
    check,
    consent,
    demo,
    doctor,
    evaluate,
    keys,
    lab,
    preset,
    preset_forms,
    preset_locked,
    preset_share,
    provenance,
    recipe,
    registry,
    render,
    render_look,
    shoot,
    train,
    verify,
    weights,
)
from facekit_cli.launched import is_first
from facekit_cli.output import (
    BROKEN_PIPE,
    INTERRUPTED,
    PipeClosed,
    Stdout,
    StdoutRefused,
    emit_error,
    quiet_libraries,
    speak_any_letter,
)

__all__ = ["EXIT_CODES", "app", "main"]

EXIT_CODES = {
    0: "done",
    1: "failed (also where stdout cannot be written)",
    2: "wrong input",
    3: "photos refused",
    4: "a licence or a missing consent forbids it",
    5: "gate missed",
    6: "weights damaged or missing; a preset, ledger or signature that does not hold",
    7: "adapter, backbone, encoder, checkpoint or preset do not go together",
    130: "interrupted",
    141: "who read stdout has stopped",
}
"""What each exit code means, in a few words."""

app = typer.Typer(
    name="facekit",
    help="One face that stays the same person over many generated video shots.",
    epilog=f"Exit codes: {', '.join(f'{code} {said}' for code, said in EXIT_CODES.items())}.",
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
app.command("render")(render.render)
app.command("eval")(evaluate.evaluate)
app.command("verify")(verify.verify)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
board.app.add_typer(render_look.app)
app.add_typer(board.app, name="board")
preset.app.add_typer(preset_forms.app)
preset.app.add_typer(preset_share.app)
preset.app.add_typer(preset_locked.app)
app.add_typer(preset.app, name="preset")
app.add_typer(registry.app, name="registry")
app.add_typer(keys.app, name="keys")
app.add_typer(character.app, name="character")
app.add_typer(consent.app, name="consent")
app.add_typer(adapter.app, name="adapter")
app.add_typer(recipe.app, name="recipe")
app.add_typer(weights.app, name="weights")
app.add_typer(provenance.app, name="provenance")
app.add_typer(lab.app, name="lab")


def main() -> None:
    """Run the command and leave with its exit code."""
    quiet_libraries()
    speak_any_letter()
    if sys.stdout is None:  # closed by who called, as with >&-
        print("error: stdout: closed; send it somewhere", file=sys.stderr)
        sys.exit(1)
    stream, sys.stdout = sys.stdout, Stdout(sys.stdout)
    try:
        code = _run()
        sys.stdout.flush()
    except PipeClosed:
        code = _drop(BROKEN_PIPE)
    except StdoutRefused as error:
        print(f"error: {error}", file=sys.stderr)
        code = _drop(1)
    finally:
        sys.stdout = stream
    sys.exit(code)


def _run() -> int:
    try:
        code = app(standalone_mode=False)
    except typer.Abort:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except typer.exceptions.TyperException as error:
        return _usage_error(error)
    return code if isinstance(code, int) else 0


def _drop(code: int) -> int:
    """Send what waits in stdout's buffer nowhere, for flushing it at the end would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _usage_error(error: typer.exceptions.TyperException) -> int:
    if not is_first():
        return int(error.exit_code)
    error.message = error.message.removeprefix("Value error, ")
    show = getattr(error, "show", None)  # the usage line, on errors that know their command
    if "--json" in sys.argv:
        emit_error("usage", "usage_error", error.format_message(), "see --help", as_json=True)
    elif show is not None:
        show()
    else:
        print(f"error: {error.format_message()}", file=sys.stderr)
    return int(error.exit_code)


if __name__ == "__main__":
    main()
