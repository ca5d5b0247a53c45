"""A server on this machine that answers as the tests tell it, and an entry to fetch from it."""

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from facekit.weights import CatalogueEntry, CatalogueFile, fetch_weights
from tests.conftest import NetworkUsed

CONTENT = bytes(range(256)) * 4096
"""A megabyte, so that it comes in several pieces."""


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere, but this machine itself may be reached."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: tuple[str, int]) -> None:
        if address[0] != "127.0.0.1":
            raise NetworkUsed(f"a test tried to connect to {address}")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


class Server:
    """What the server does, and what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges: list[str | None] = []
        self.break_after: list[int] = []
        """Bytes that each of the next answers holds before the connection breaks."""
        self.refuse: list[int] = []
        """Statuses of the next answers."""
        self.knows_ranges = True
        self.tells_length = True
        self.on_answer: Callable[[], None] = lambda: None
        self.url = ""


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            told.ranges.append(wanted)
            if told.refuse:
                self.send_error(told.refuse.pop(0))
                return
            content = told.files.get(self.path.lstrip("/"))
            if content is None:
                self.send_error(404)
                return
            start = 0
            if wanted and told.knows_ranges:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                )
            else:
                self.send_response(200)
            body = content[start:]
            if told.tells_length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            told.on_answer()
            cut = told.break_after.pop(0) if told.break_after else len(body)
            self.wfile.write(body[:cut])

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        told.url = f"http://127.0.0.1:{listening.server_address[1]}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield told
        listening.shutdown()
        thread.join()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of the store."""
    folder = tmp_path / "store"
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(folder))
    return folder


def file_of(name: str, content: bytes, url: str = "") -> CatalogueFile:
    sha256 = hashlib.sha256(content).hexdigest()
    return CatalogueFile(name=name, sha256=sha256, num_bytes=len(content), url=url)


def entry_of(
    *files: CatalogueFile, name: str = "net", archive: CatalogueFile | None = None
) -> CatalogueEntry:
    return CatalogueEntry(
        name=name,
        title="A net",
        licence="MIT",
        commercial_use=True,
        source="the test",
        files=files,
        archive=archive,
    )


@pytest.fixture
def entry(server: Server) -> CatalogueEntry:
    """One file of a megabyte, which the server has."""
    server.files["net.onnx"] = CONTENT
    return entry_of(file_of("net.onnx", CONTENT, f"{server.url}/net.onnx"))


NO_PAUSE = (0.0, 0.0)


def fetched(entry: CatalogueEntry) -> tuple[Path, ...]:
    return fetch_weights(entry, lambda _: None, pauses_s=NO_PAUSE)


def files_below(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
