"""Whatever happens to a writer, a version is there as a whole or not at all."""

import os
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from facekit.errors import RegistryError, VersionExists
from facekit.presets.bundle import Bundle
from facekit.presets.registry import Registry, create_registry
from facekit.presets.store import open_store
from facekit.show_file import RegistryAddress
from tests.tiny.registries import (
    S3,
    Team,
    folder_registry,
    in_child,
    is_whole,
    killed_at,
    loopback_only,
    push,
    s3_server,
)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", loopback_only)
        with s3_server() as server:
            yield server


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of that of conftest: the server is on loopback."""
    monkeypatch.setattr(socket.socket, "connect", loopback_only)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Team().bundle(tmp_path / "made", files=1)


def test_a_writer_killed_before_any_step_leaves_nothing_half_visible(
    tmp_path: Path, bundle: Bundle
) -> None:
    """Each step is an access to the file system; the kill runs no cleaning up."""
    seen, step = [], 0
    while True:
        step += 1
        root = tmp_path / f"registry{step}"
        registry = folder_registry(root)
        was_killed = killed_at(step, root, lambda: push(registry, bundle))  # noqa: B023
        seen.append(is_whole(registry))
        if not was_killed:
            break
        assert push(registry, bundle).is_new is not seen[-1]
        assert is_whole(registry)
    assert step > 30  # blobs, their folders, the lease and the entry
    assert not seen[0]
    assert seen == sorted(seen)  # once it is there, it stays
    assert seen.count(True) >= 2  # killed between the entry and the end of the lease


def test_a_reader_during_a_push_sees_nothing(tmp_path: Path, bundle: Bundle) -> None:
    registry = folder_registry(tmp_path / "registry")
    looked = []

    def watched(path: str) -> Iterator[bytes]:
        for block in bundle.files[path]():
            looked.append(is_whole(registry))
            yield block

    files = {path: partial(watched, path) for path in bundle.files}
    registry.push(bundle.content, files, bundle.signatures)
    assert looked == [False] * len(files)
    assert is_whole(registry)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, bundle: Bundle) -> None:
    registry = folder_registry(tmp_path / "registry")
    largest = max(file.size for file in bundle.manifest.files)
    assert len(bundle.content) > largest

    def work() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        try:
            push(registry, bundle)
        except RegistryError as error:
            return 7 if "no space left" in str(error) else 8
        return 0

    assert in_child(work) == 7
    assert not is_whole(registry)
    assert registry.store.walk("", hidden=True) == ()
    assert push(registry, bundle).is_new


def _race(registry: Registry, bundles: list[Bundle]) -> list[str]:
    """Push all of them at once, each in a process; gives how each ended."""
    start, go = os.pipe()
    children = []
    for bundle in bundles:
        child = os.fork()
        if child == 0:
            os.read(start, 1)
            code = 3
            try:
                code = 0 if push(registry, bundle).is_new else 1
            except VersionExists:
                code = 2
            finally:
                os._exit(code)
        children.append(child)
    os.write(go, b"." * len(children))
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    os.close(start)
    os.close(go)
    return sorted(["won", "same", "refused", "failed"][code] for code in codes)


def test_of_writers_at_once_one_wins(tmp_path: Path) -> None:
    team = Team()
    bundles = [team.bundle(tmp_path / "made", text=str(n)) for n in range(5)]
    for attempt in range(3):
        registry = folder_registry(tmp_path / f"registry{attempt}")
        assert _race(registry, bundles) == ["refused"] * 4 + ["won"]
        assert is_whole(registry)


def test_writers_of_the_same_content_agree(tmp_path: Path, bundle: Bundle) -> None:
    registry = folder_registry(tmp_path / "registry")
    assert _race(registry, [bundle] * 4) == ["same"] * 3 + ["won"]


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_s3_loses_the_connection_at_any_request(s3: S3, bundle: Bundle, every: int) -> None:
    """Half of the requests are lost before they arrive, half after they were obeyed."""
    registry, step, broken = s3.registry(f"lost{every}"), 1 - every, True
    while broken:
        step += every
        again = Registry(registry.store.below(f"lost{step}"))
        registry = Registry(registry.store.below(f"lost{step}"))
        with _broken_at(registry, step, late=step % 2 == 0) as requests:
            done = _try(registry, bundle)
        broken = len(requests) >= step
        assert is_whole(again) or not done
        if broken and step % 4 == 0:
            push(again, bundle)
            assert is_whole(again)
    assert done
    assert step > 10


def _try(registry: Registry, bundle: Bundle) -> bool:
    try:
        push(registry, bundle)
    except RegistryError:
        return False
    return True


@contextmanager
def _broken_at(registry: Registry, step: int, *, late: bool) -> Iterator[list[str]]:
    fs = registry.store._fs
    real, requests = fs._call_s3, []

    async def call(method: str, *given: object, **named: object) -> object:
        requests.append(method)
        answer = await real(method, *given, **named) if late or len(requests) != step else None
        if len(requests) == step:
            raise ConnectionResetError("connection lost")
        return answer

    fs._call_s3 = call
    try:
        yield requests
    finally:
        fs._call_s3 = real


def test_of_writers_at_once_on_s3_one_wins(s3: S3, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    team = Team()
    bundles = [team.bundle(tmp_path, text=str(n)) for n in range(5)]
    registries = [s3.registry("race"), s3.registry("race")] * 3

    def work(n: int) -> str:
        try:
            return "won" if push(registries[n], bundles[n]).is_new else "same"
        except VersionExists:
            return "refused"

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(work, range(5))) == ["refused"] * 4 + ["won"]
    assert is_whole(registries[0])


def test_a_storage_that_cannot_tell_two_writers_apart_is_refused(tmp_path: Path) -> None:
    """As any file system of fsspec that is not known to create a file for one writer alone."""
    address = RegistryAddress(uri=f"unsafe://{tmp_path}/registry")
    fsspec.register_implementation("unsafe", Unsafe, clobber=True)
    with pytest.raises(RegistryError, match='writers = "one"'):
        create_registry(open_store("main", address, tmp_path))
    alone = address.model_copy(update={"writers": "one"})
    assert create_registry(open_store("main", alone, tmp_path)).ids() == ()


class Unsafe(LocalFileSystem):
    protocol = "unsafe"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return LocalFileSystem._strip_protocol(str(path).removeprefix("unsafe://"))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: object) -> None:
        self.makedirs(self._parent(path), exist_ok=True)
        super().pipe_file(path, value)
