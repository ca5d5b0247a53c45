"""Downloads that can be broken off: what came is kept, and the next attempt asks for the rest."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from facekit.errors import ChecksumMismatch, DownloadFailed
from facekit.weights.catalogue import CatalogueFile, megabytes

if TYPE_CHECKING:
    import requests

__all__ = ["PAUSES_S", "Advance", "download_file", "part_size"]

PAUSES_S = (1.0, 2.0, 5.0, 10.0)
"""Before each further attempt that brought nothing."""

Advance: TypeAlias = Callable[[int], None]
"""Told of every piece: bytes that were written, below 0 where some had to be thrown away."""

_CHUNK_BYTES = 1 << 16
"""What a break of the connection can cost."""
_TIMEOUT_S = (15.0, 60.0)
"""To connect, and between two pieces."""
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})


def download_file(
    file: CatalogueFile, part: Path, advance: Advance, pauses_s: tuple[float, ...]
) -> None:
    """Grow the part until it is whole; getting further than ever starts the count anew.

    Args:
        file: With its address.
        part: What is here of it, if anything.
        advance: Told of every piece that was written.
        pauses_s: Seconds to wait before each attempt after one that brought nothing.

    Raises:
        DownloadFailed: No network, the server refuses, or the connection kept breaking.
        ChecksumMismatch: The server offers a file of another length.
        OSError: No space or no permission.
    """
    import requests

    pauses, furthest = iter(pauses_s), part_size(part)
    with requests.Session() as session:
        while (had := part_size(part)) < file.num_bytes:
            trouble = _attempt(session, file, part, had, advance)
            if part_size(part) > furthest:
                pauses, furthest = iter(pauses_s), part_size(part)
            elif trouble:
                pause_s = next(pauses, None)
                if pause_s is None:
                    raise DownloadFailed(
                        f"{file.url}: {trouble}, {megabytes(had)} of {megabytes(file.num_bytes)}"
                        " are here and kept; look at the network and run the same command again,"
                        " or bring the file from elsewhere with facekit weights add"
                    )
                time.sleep(pause_s)


def _attempt(
    session: "requests.Session", file: CatalogueFile, part: Path, had: int, advance: Advance
) -> str:
    """Ask for what is missing and write what comes; returns what broke it off, if anything."""
    import requests

    headers = {"Range": f"bytes={had}-"} if had else {}
    # content must come as it is: a compressed answer has another length
    headers["Accept-Encoding"] = "identity"
    try:
        with session.get(file.url, headers=headers, stream=True, timeout=_TIMEOUT_S) as answer:
            if answer.status_code in _WORTH_ANOTHER_TRY:
                return f"the server answers {answer.status_code}"
            if had and answer.status_code == requests.codes.requested_range_not_satisfiable:
                advance(-had)
                part.unlink()
                return "the server has less than what is here"
            goes_on = answer.status_code == requests.codes.partial_content and _starts_at(
                answer, had
            )
            if not goes_on and answer.status_code != requests.codes.ok:
                raise DownloadFailed(
                    f"{file.url}: the server answers {answer.status_code} {answer.reason}, expected"
                    " the file; update facekit, or bring the file from elsewhere with facekit"
                    " weights add"
                )
            _require_length(answer, file, file.num_bytes - (had if goes_on else 0))
            if had and not goes_on:
                advance(-had)  # the server begins anew
            with part.open("ab" if goes_on else "wb") as stream:
                _write(answer, stream, file.num_bytes - (had if goes_on else 0), advance)
    except requests.ConnectionError:
        return "no connection"
    except requests.Timeout:
        return "no answer in time"
    except requests.RequestException as error:
        return f"the connection broke ({type(error).__name__})"
    return "" if part_size(part) >= file.num_bytes else "the connection broke"


def _write(answer: "requests.Response", stream: BinaryIO, limit: int, advance: Advance) -> None:
    """Write the pieces of an answer, one byte more than wanted at most."""
    for piece in answer.iter_content(_CHUNK_BYTES):
        kept = piece[: limit + 1]
        stream.write(kept)
        advance(len(kept))
        limit -= len(kept)
        if limit < 0:
            break


def _require_length(answer: "requests.Response", file: CatalogueFile, num_bytes: int) -> None:
    told = answer.headers.get("Content-Length", "")
    if told.isdigit() and int(told) != num_bytes:
        raise ChecksumMismatch(
            f"{file.url}: the server offers {told} bytes, expected {num_bytes}, so it is another"
            " file; update facekit, or bring the file from elsewhere with facekit weights add"
        )


def _starts_at(answer: "requests.Response", offset: int) -> bool:
    return answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-")


def part_size(path: Path) -> int:
    """How much of a download is here, in bytes."""
    return path.stat().st_size if path.exists() else 0
