"""One render at a time: a file that says who is at work in a folder, and for how long."""

import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil

from facekit.errors import RenderBusy
from facekit.media.files import ensure_out_dir, write_text

__all__ = ["LOCK_FILE", "holder_of", "locked"]

LOCK_FILE = ".render.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other renders out of a folder for as long as the block lasts.

    The lock of a process of this machine that is no more is taken over.

    Raises:
        RenderBusy: Somebody else is at work there.
        OutputError: The folder cannot be written.
    """
    ensure_out_dir(folder)
    path, mine = folder / LOCK_FILE, _me()
    while not _take(path, mine):
        other = _read(path)
        if other is None or other.get("token") == mine["token"]:
            continue
        if _is_alive(other):
            raise RenderBusy(
                f"{folder}: another render is at work there (process {other.get('pid')} on"
                f" {other.get('host')} since {other.get('since')}), expected one at a time; wait"
                f" for it, choose another --out, or remove {path} if it is no more"
            )
        _put_aside(path, other)
    try:
        yield
    finally:
        held = _read(path)
        if held is not None and held.get("token") == mine["token"]:
            path.unlink(missing_ok=True)


def holder_of(folder: Path) -> str | None:
    """Who is at work in a folder, in words; None for nobody who is still there."""
    other = _read(folder / LOCK_FILE)
    if other is None or not _is_alive(other):
        return None
    return f"process {other.get('pid')} on {other.get('host')} since {other.get('since')}"


def _me() -> dict[str, object]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "since": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "token": secrets.token_hex(8),
    }


def _take(path: Path, mine: dict[str, object]) -> bool:
    """Put the file there whole, unless one is there."""
    fresh = path.with_name(f"{path.name}-{mine['token']}")
    write_text(fresh, json.dumps(mine))
    try:
        os.link(fresh, path)
    except FileExistsError:
        return False
    finally:
        fresh.unlink(missing_ok=True)
    return True


def _read(path: Path) -> dict[str, object] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_alive(other: dict[str, object]) -> bool:
    """Whether whoever wrote it may still be at work; on another machine nobody can tell."""
    if other.get("host") != socket.gethostname():
        return bool(other)  # a damaged file holds nobody
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
