"""Where the log of a run goes beside its own file: TensorBoard and Weights & Biases.

A tracker never stops a run: when it fails later than at its start, it falls silent and says so in
`warnings`. The run's own log (`MetricsLog`) has every row either way.
"""

import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from facekit.errors import UsageError
from facekit.faces.packages import import_optional
from facekit.media.files import write_text
from facekit.media.images import read_image

__all__ = [
    "TENSORBOARD_DIR",
    "TRACKERS",
    "WANDB_DIR",
    "Tracker",
    "check_trackers",
    "open_trackers",
]

TENSORBOARD_DIR = "tensorboard"
WANDB_DIR = "wandb"

_PICTURES = "validate/samples"
_FLUSH_S = 10
_LAST_WORDS_S = 30.0
"""How long the end of a run waits for rows that are still on their way to a server."""


class Tracker(Protocol):
    """Gets what the log of a run gets."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why it fell silent, if it did."""

    def begin(self, first_step: int) -> None:
        """Start, or go on with the same run: rows of steps after `first_step` come again.

        Args:
            first_step: Steps done; -1 when the run is a new one.

        Raises:
            UsageError: It cannot start.
        """

    def write(self, step: int, row: Mapping[str, object]) -> None:
        """Take a row of the log; `step` counts the steps done."""

    def picture(self, step: int, path: Path) -> None:
        """Take the picture of a validation."""

    def close(self) -> None:
        """Send what is left; nothing happens without `begin`, or a second time."""


def check_trackers(names: Sequence[str]) -> tuple[str, ...]:
    """Make sure that trackers are known and could start; each is given back once.

    Raises:
        UsageError: A name is unknown; or wandb is to send rows to a server and knows no key.
        PackageMissing: The package of one is not installed.
    """
    if unknown := sorted(set(names) - set(TRACKERS)):
        raise UsageError(
            f"tracker {', '.join(unknown)} is unknown, expected some of {', '.join(TRACKERS)};"
            " correct --track"
        )
    once = tuple(dict.fromkeys(names))
    for name in once:
        TRACKERS[name].check()
    return once


def open_trackers(
    names: Sequence[str], out_dir: Path, *, run: str, config: Mapping[str, Any]
) -> tuple[Tracker, ...]:
    """Make trackers; nothing is written before `Tracker.begin`.

    Args:
        names: As `check_trackers` gives them.
        out_dir: The folder of the run.
        run: What the run is called.
        config: Plain data that describes it, the recipe.
    """
    return tuple(TRACKERS[name](out_dir, run, config) for name in names)


class _Quiet:
    """A tracker that falls silent at its first failure."""

    name = ""
    failures: tuple[type[Exception], ...] = (OSError, RuntimeError, ValueError)

    def __init__(self) -> None:
        self.warnings: tuple[str, ...] = ()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self.failures as error:
            reason = str(error) or type(error).__name__
            self.warnings = (f"tracking with {self.name} ended early: {reason}",)

    @property
    def _is_silent(self) -> bool:
        return bool(self.warnings)


class _TensorBoard(_Quiet):
    """Event files in the folder of the run."""

    name = "tensorboard"

    def __init__(self, out_dir: Path, run: str, config: Mapping[str, Any]) -> None:
        super().__init__()
        self._folder = out_dir / TENSORBOARD_DIR
        self._run, self._config = run, config
        self._writer: Any = None

    @staticmethod
    def check() -> None:
        import_optional("tensorboard", extra="track")

    def begin(self, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        is_new = first_step < 0
        with self._told():
            if is_new and self._folder.is_dir():
                shutil.rmtree(self._folder)
            self._writer = SummaryWriter(
                str(self._folder),
                purge_step=None if is_new else first_step + 1,
                flush_secs=_FLUSH_S,
            )
            if is_new:
                lines = (f"    {key}: {value}" for key, value in self._config.items())
                self._writer.add_text("recipe", "\n".join(lines), 0)

    def write(self, step: int, row: Mapping[str, object]) -> None:
        if self._writer is None or self._is_silent:
            return
        with self._told():
            for name, value in _numbers(row).items():
                self._writer.add_scalar(name, value, step)

    def picture(self, step: int, path: Path) -> None:
        if self._writer is None or self._is_silent:
            return
        with self._told():
            self._writer.add_image(_PICTURES, read_image(path), step, dataformats="HWC")

    def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with self._told():
                writer.close()


class _Wandb(_Quiet):
    """A run of Weights & Biases; where it goes is said by WANDB_MODE and the other WANDB_..."""

    name = "wandb"

    def __init__(self, out_dir: Path, run: str, config: Mapping[str, Any]) -> None:
        super().__init__()
        self._out_dir, self._name, self._config = out_dir, run, config
        self._run: Any = None

    @staticmethod
    def check() -> None:
        wandb = import_optional("wandb", extra="track")
        sends = wandb.setup().settings.mode in ("online", "shared", "run")
        # Without a key it would ask for one at the terminal, in the middle of a run.
        if sends and not wandb.login(prompt=False):
            raise UsageError(
                "wandb is to send its rows to a server and knows no API key, expected one; run"
                " wandb login, or set WANDB_MODE=offline"
            )

    def begin(self, first_step: int) -> None:
        wandb = import_optional("wandb", extra="track")
        self.failures = (*_Quiet.failures, wandb.Error)
        known = self._out_dir / WANDB_DIR / "run_id"
        try:
            if first_step < 0 or not known.is_file():
                write_text(known, secrets.token_hex(4))
            self._run = wandb.init(
                project="facekit",
                name=self._name,
                id=known.read_text(encoding="utf-8"),
                resume="allow",
                dir=str(self._out_dir),
                config=dict(self._config),
                settings=wandb.Settings(silent=True, console="off"),
            )
        except self.failures as error:
            raise UsageError(
                f"wandb did not start ({error}), expected it to; set WANDB_MODE=offline, or leave"
                " --track wandb away"
            ) from error
        # The step is a number among others, so that rows which come again are not refused.
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def write(self, step: int, row: Mapping[str, object]) -> None:
        self._log(step, _numbers(row))

    def picture(self, step: int, path: Path) -> None:
        if self._run is not None:
            self._log(step, {_PICTURES: import_optional("wandb", extra="track").Image(str(path))})

    def close(self) -> None:
        run, self._run = self._run, None
        if run is None:
            return

        def finish() -> None:
            with self._told():
                run.finish()

        # Without a network it would wait for one for hours.
        ending = threading.Thread(target=finish, daemon=True)
        ending.start()
        ending.join(_LAST_WORDS_S)
        if ending.is_alive():
            self.warnings = (
                f"wandb had rows left to send; wandb sync {self._out_dir / WANDB_DIR} sends them",
            )

    def _log(self, step: int, row: Mapping[str, Any]) -> None:
        if self._run is None or self._is_silent:
            return
        with self._told():
            self._run.log({"step": step, **row})


TRACKERS: Mapping[str, type[_TensorBoard] | type[_Wandb]] = {
    "tensorboard": _TensorBoard,
    "wandb": _Wandb,
}


def _numbers(row: Mapping[str, object]) -> dict[str, float]:
    """What can be drawn; numbers that are not finite are written as text in a row."""
    return {
        name: float(value) for name, value in row.items() if isinstance(value, int | float | str)
    }
