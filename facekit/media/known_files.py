"""The digest of a file's content, computed again only where the file has changed."""

import hashlib
import json
import time
from pathlib import Path

from facekit.media.cache import cache_dir, cached_write
from facekit.weights import file_digest

__all__ = ["SETTLED_S", "content_digest"]

SETTLED_S = 2.0
"""A file written less than this before it was digested may change again within one tick of the
clock, so its digest is not remembered."""


def content_digest(path: Path) -> str:
    """Return the sha256 (hex) of a file; remembered by its full path, size and times.

    Raises:
        WeightsMissing: There is no such file.
        OutputError: The cache cannot be written.
    """
    path = path.absolute()
    try:
        status = path.stat()
    except OSError:
        return file_digest(path)  # which says what is wrong
    seen = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    place = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()
    note = cache_dir() / "files" / f"{place}.json"
    try:
        known = json.loads(note.read_text())
        if known["seen"] == seen:
            return str(known["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not seen yet, or the note is damaged: it is made again
    settled = time.time() - max(status.st_mtime, status.st_ctime) > SETTLED_S
    digest = file_digest(path)
    if settled:
        with cached_write(note) as temporary:
            temporary.write_text(json.dumps({"seen": seen, "sha256": digest}))
    return digest
