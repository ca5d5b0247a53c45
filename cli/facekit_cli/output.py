"""How every command speaks: plan, result, envelope, errors, exit codes."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import typer

from facekit.errors import FacekitError
from facekit_cli.launched import is_first, may_tell, require_single

if TYPE_CHECKING:  # types imports numpy, and help must not wait for it
    from facekit.types import Plan, Progress
    from facekit_cli.progress import BarProgress, LineProgress

__all__ = [
    "BROKEN_PIPE",
    "GOES_ON",
    "GOES_ON_WITHOUT_FORCE",
    "INTERRUPTED",
    "PipeClosed",
    "Stdout",
    "StdoutRefused",
    "emit_error",
    "execute",
    "printable",
    "quiet_libraries",
    "show",
    "speak_any_letter",
]

INTERRUPTED: Final = 130

BROKEN_PIPE: Final = 141
"""What a shell tells of a program that SIGPIPE ended, as in ``seq 1000000 | head -1``."""

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


def speak_any_letter() -> None:
    """Let stdout and stderr write what their encoding lacks as escapes in place of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def execute(
    verb: str,
    plan: Callable[[], PlanT],
    run: "Callable[[PlanT, Progress], Plan]",
    *,
    as_json: bool,
    dry_run: bool = False,
    weights: Sequence[Path] | None = None,
    interrupted: str = "run the same command again",
    together: bool = False,
) -> None:
    """Print the plan, do the work, print the result.

    With ``together`` several processes that a launcher started do the work, and one prints.

    What ``--weights`` gave is searched first while this lasts.

    A result with an ``exit_code`` other than 0 (photos refused, a gate missed) is printed as any
    other and decides the exit code. What ``interrupted`` says is the next step after Ctrl-C.
    """
    with _speaking(verb, as_json, interrupted), _searched(weights or ()):
        if not together:
            require_single(verb)
        made = plan()
        if dry_run:
            _result(verb, made, as_json)
            return
        if not as_json and is_first():
            print(printable(made.describe()), file=sys.stderr, flush=True)
        with _progress() as progress:
            result = run(made, progress)
        _result(verb, result, as_json)


@contextlib.contextmanager
def _searched(weights: Sequence[Path]) -> Iterator[None]:
    if not weights:
        yield
        return
    from facekit.weights import search_first

    search_first(weights)
    try:
        yield
    finally:
        search_first(())


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
        print(f"error: {printable(message)}", file=sys.stderr)


def printable(text: str) -> str:
    """Write letters that would steer a terminal as escapes, for names of files may hold any.

    Line ends and tabs stay.
    """
    return "".join(
        letter
        if letter.isprintable() or letter in "\n\t"
        else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def _progress() -> "BarProgress | LineProgress":
    from facekit_cli.progress import make_progress

    return make_progress()


def _result(verb: str, result: "Plan", as_json: bool) -> None:
    exit_code = int(getattr(result, "exit_code", 0))
    if not is_first():
        pass
    elif as_json:
        _envelope(verb, ok=exit_code == 0, data=result.to_json(), error=None)
    else:
        print(printable(result.describe()), file=_STDOUT.get())
    if exit_code:
        raise typer.Exit(exit_code)


def _envelope(
    verb: str, *, ok: bool, data: Mapping[str, object] | None, error: dict[str, str] | None
) -> None:
    content = {"schema": f"facekit.{verb}/1", "ok": ok, "data": data, "error": error}
    print(json.dumps(content, allow_nan=False), file=_STDOUT.get(), flush=True)


class PipeClosed(Exception):
    """Who read stdout has stopped reading; typer would make exit code 1 of a `BrokenPipeError`."""


class StdoutRefused(Exception):
    """Stdout cannot be written: a full disk, or closed."""


class Stdout:
    """A text stream whose refusals are told apart from errors of the work.

    Everything else is the stream's own.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write as the stream does.

        Raises:
            PipeClosed: Nobody reads any more.
            StdoutRefused: It cannot be written.
        """
        with _told():
            return self._stream.write(text)

    def flush(self) -> None:
        """Flush as the stream does; raises as `write`."""
        with _told():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        """Give what the stream has."""
        return getattr(self._stream, name)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise PipeClosed from error
    except OSError as error:
        raise StdoutRefused(
            f"stdout: not written ({error.strerror}); free some space, or send the output elsewhere"
        ) from error


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
            if may_tell():
                emit_error(verb, error.code, str(error), error.next_step, as_json=as_json)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            if may_tell():
                emit_error(
                    verb,
                    "interrupted",
                    f"interrupted; {interrupted}",
                    interrupted,
                    as_json=as_json,
                )
            raise typer.Exit(INTERRUPTED) from error
