"""How every command speaks: plan, result, envelope, errors, exit codes."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import typer

from facekit.errors import FacekitError

if TYPE_CHECKING:  # types imports numpy, and help must not wait for it
    from facekit.types import Plan, Progress
    from facekit_cli.progress import BarProgress, LineProgress

__all__ = [
    "GOES_ON",
    "GOES_ON_WITHOUT_FORCE",
    "INTERRUPTED",
    "emit_error",
    "execute",
    "quiet_libraries",
    "show",
]

INTERRUPTED: Final = 130

GOES_ON: Final = "run the same command again to go on"
"""After Ctrl-C, for commands that keep what is done."""

GOES_ON_WITHOUT_FORCE: Final = "run the same command without --force to go on"
"""The same where ``--force`` would begin anew."""

PlanT = TypeVar("PlanT", bound="Plan")

_QUIET_LIBRARIES: Final = {
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}


def quiet_libraries() -> None:
    """Keep libraries from chatting and from calling home, unless the user has said otherwise.

    They read these settings when they are imported, so this comes before any command.
    """
    for name, value in _QUIET_LIBRARIES.items():
        os.environ.setdefault(name, value)


def execute(
    verb: str,
    plan: Callable[[], PlanT],
    run: "Callable[[PlanT, Progress], Plan]",
    *,
    as_json: bool,
    dry_run: bool = False,
    interrupted: str = "run the same command again",
) -> None:
    """Print the plan, do the work, print the result.

    A result with an ``exit_code`` other than 0 (photos refused, a gate missed) is printed as any
    other and decides the exit code. What ``interrupted`` says is the next step after Ctrl-C.
    """
    with _speaking(verb, as_json, interrupted):
        made = plan()
        if dry_run:
            _result(verb, made, as_json)
            return
        if not as_json:
            print(made.describe(), file=sys.stderr, flush=True)
        with _progress() as progress:
            result = run(made, progress)
        _result(verb, result, as_json)


def show(verb: str, make: "Callable[[], Plan]", *, as_json: bool) -> None:
    """Print something that needs no plan."""
    with _speaking(verb, as_json):
        _result(verb, make(), as_json)


def emit_error(verb: str, code: str, message: str, next_step: str, *, as_json: bool) -> None:
    """Say what went wrong: on stderr for people, as the envelope on stdout for programs."""
    if as_json:
        error = {"code": code, "message": message, "next": next_step}
        _envelope(verb, ok=False, data=None, error=error)
    else:
        print(f"error: {message}", file=sys.stderr)


def _progress() -> "BarProgress | LineProgress":
    from facekit_cli.progress import make_progress

    return make_progress()


def _result(verb: str, result: "Plan", as_json: bool) -> None:
    exit_code = int(getattr(result, "exit_code", 0))
    if as_json:
        _envelope(verb, ok=exit_code == 0, data=result.to_json(), error=None)
    else:
        print(result.describe(), file=_STDOUT.get())
    if exit_code:
        raise typer.Exit(exit_code)


def _envelope(
    verb: str, *, ok: bool, data: Mapping[str, object] | None, error: dict[str, str] | None
) -> None:
    content = {"schema": f"facekit.{verb}/1", "ok": ok, "data": data, "error": error}
    print(json.dumps(content, allow_nan=False), file=_STDOUT.get(), flush=True)


class _Stdout:
    """The real stdout while libraries are kept from writing to it."""

    def __init__(self) -> None:
        self._kept: Any = None

    def get(self) -> Any:
        return self._kept or sys.stdout

    @contextlib.contextmanager
    def reserved(self) -> Iterator[None]:
        self._kept = sys.stdout
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        finally:
            self._kept = None


_STDOUT: Final = _Stdout()


@contextlib.contextmanager
def _speaking(
    verb: str, as_json: bool, interrupted: str = "run the same command again"
) -> Iterator[None]:
    with _STDOUT.reserved():
        try:
            yield
        except FacekitError as error:
            emit_error(verb, error.code, str(error), error.next_step, as_json=as_json)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            emit_error(
                verb,
                "interrupted",
                f"interrupted; {interrupted}",
                interrupted,
                as_json=as_json,
            )
            raise typer.Exit(INTERRUPTED) from error
