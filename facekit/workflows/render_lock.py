"""One render at a time: a file that says who is at work in a folder, and for how long.

A render of a whole board locks its folder. Parts of one, that work at the same time, lock the
folders of their shots; a whole render and a part keep each other out.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil

from facekit.errors import RenderBusy
from facekit.media.files import ensure_out_dir, write_text

__all__ = ["LOCK_FILE", "holder_of", "holders_of_shots", "locked", "locked_shots"]

LOCK_FILE = ".render.lock"
_BEAT_S = 15.0
"""Who holds a lock touches it so often."""
_SILENT_S = 180.0
"""Another machine's lock that nobody has touched for so long is taken over."""


@contextmanager
def locked(folder: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Keep other renders out of a folder, and out of the shots in it, while the block lasts.

    The lock of a process of this machine that is no more is taken over, and that of another machine
    that has been silent for three minutes.

    Args:
        folder: Of a whole board, or of a shot.
        wait_s: How long to wait for whoever is at work there.

    Raises:
        RenderBusy: Somebody else is at work there.
        OutputError: The folder cannot be written.
    """
    ensure_out_dir(folder)
    path, mine = folder / LOCK_FILE, _me()
    late = time.monotonic() + wait_s
    while (now := _take(path, mine)) is not None:
        other = _read(path)
        if other is None or other.get("token") == mine["token"]:
            continue
        if not _is_alive(path, other, now):
            _put_aside(path, other)
        elif time.monotonic() >= late:
            raise _busy(path, _told(other))
        else:
            time.sleep(1.0)
    done = threading.Event()
    threading.Thread(target=_beat, args=(path, done), daemon=True).start()
    try:
        if (at_work := holders_of_shots(folder)) is not None:
            raise _busy(*at_work)
        yield
    finally:
        done.set()
        held = _read(path)
        if held is not None and held.get("token") == mine["token"]:
            path.unlink(missing_ok=True)


@contextmanager
def locked_shots(out_dir: Path, folders: Sequence[Path], *, wait_s: float) -> Iterator[None]:
    """Keep other renders out of some shots of a board; others may work on other shots meanwhile.

    Args:
        out_dir: Of the board.
        folders: Of the shots.
        wait_s: How long to wait for whoever is at work on one of them.

    Raises:
        RenderBusy: Somebody else is at work on one of them, or on the whole board.
        OutputError: A folder cannot be written.
    """
    with ExitStack() as stack:
        for folder in sorted(folders):  # in one order, so that two never wait for each other
            stack.enter_context(locked(folder, wait_s=wait_s))
        # after the own locks, as a whole render looks at those after its own: one sees the other
        if (whole := holder_of(out_dir)) is not None:
            raise _busy(out_dir / LOCK_FILE, whole)
        yield


def holder_of(folder: Path) -> str | None:
    """Who is at work in a folder, in words; None for nobody who is still there."""
    other = _read(folder / LOCK_FILE)
    if other is None or not _is_alive(folder / LOCK_FILE, other, time.time()):
        return None
    return _told(other)


def holders_of_shots(out_dir: Path) -> tuple[Path, str] | None:
    """The first lock of a shot of a board that somebody holds, and who; None where nobody does."""
    for path in sorted(out_dir.glob(f"*/*/{LOCK_FILE}")):
        if (who := holder_of(path.parent)) is not None:
            return path, who
    return None


def _busy(path: Path, who: str) -> RenderBusy:
    return RenderBusy(
        f"{path.parent}: another render is at work there ({who}), expected one at a time; wait for"
        f" it, choose another --out, or remove {path} if it is no more"
    )


def _told(other: dict[str, object]) -> str:
    return f"process {other.get('pid')} on {other.get('host')} since {other.get('since')}"


def _beat(path: Path, done: threading.Event) -> None:
    while not done.wait(_BEAT_S):
        with suppress(OSError):
            os.utime(path)


def _me() -> dict[str, object]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "since": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "token": secrets.token_hex(8),
    }


def _take(path: Path, mine: dict[str, object]) -> float | None:
    """Put the file there whole, unless one is there; then give the time by the disk's own clock."""
    fresh = path.with_name(f"{path.name}-{mine['token']}")
    write_text(fresh, json.dumps(mine))
    try:
        os.link(fresh, path)
    except FileExistsError:
        return fresh.stat().st_mtime
    finally:
        fresh.unlink(missing_ok=True)
    return None


def _read(path: Path) -> dict[str, object] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError:
        return {"host": "unknown"}  # not ours to read: as of another machine, by its silence
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _is_alive(path: Path, other: dict[str, object], now: float) -> bool:
    """Whether whoever wrote it may still be at work; on another machine only silence tells."""
    if other.get("host") != socket.gethostname():
        try:
            return (
                bool(other) and now - path.stat().st_mtime < _SILENT_S
            )  # a damaged one is nobody's
        except OSError:
            return False
    try:
        process = psutil.Process(int(str(other.get("pid"))))
        return bool(abs(process.create_time() - float(str(other.get("started")))) < 2.0)
    except (psutil.NoSuchProcess, ValueError):
        return False
    except psutil.Error:
        return True


def _put_aside(path: Path, seen: dict[str, object]) -> None:
    """Remove a dead lock, and only that one: another render may have taken its place meanwhile."""
    aside = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
    with suppress(FileNotFoundError):
        path.rename(aside)
        if _read(aside) != seen:
            with suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink(missing_ok=True)
