"""A team of three with keys, and registries to share in: a folder, memory, S3 on loopback."""

import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from facekit.presets.bundle import Bundle
from facekit.presets.registry import Registry, create_registry
from facekit.presets.states import sign_decision
from facekit.presets.store import open_store
from facekit.show_file import RegistryAddress, Show, parse_show
from facekit.signing.keys import SigningKey
from facekit.signing.statements import Subject
from tests.tiny.presets import ID, tiny_contents, write_preset

PEOPLE: Mapping[str, tuple[str, ...]] = {"ana": ("td",), "tom": ("legal",), "eve": ()}
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AT = "2026-11-21T11:00:00Z"


@dataclass
class Team:
    """People of a show with their keys, and somebody who is none of them."""

    keys: dict[str, SigningKey] = field(
        default_factory=lambda: {n: SigningKey.generate(n) for n in (*PEOPLE, "stranger")}
    )

    def show_text(self, more: str = "") -> str:
        people = "".join(
            f'\n[people.{name}]\nkey = "{self.keys[name].public.line}"\nroles = {list(roles)}\n'
            for name, roles in PEOPLE.items()
        )
        policy = "\n[policy.prod]\napprove = { td = 1, legal = 1 }\n[policy.dev]\n"
        return f'[project]\nid = "org.studio.show"\n{people}{policy}{more}'

    @property
    def show(self) -> Show:
        return parse_show(self.show_text(), "facekit.toml")

    def says(self, kind: str, bundle: Bundle, name: str, role: str = "", **more: object) -> bytes:
        subject = Subject(bundle.manifest.label, bundle.digest)
        told = {"at": AT, **({"role": role} if role else {}), **more}
        return sign_decision(kind, subject, self.keys[name], told)

    def approve(self, registry: Registry, bundle: Bundle) -> None:
        for name, role in (("ana", "td"), ("tom", "legal")):
            envelope = self.says("preset.approve", bundle, name, role)
            registry.add_statement(bundle.digest, envelope)

    def bundle(
        self, folder: Path, version: str = "1.0.0", text: str = "", files: int = 4
    ) -> Bundle:
        folder.mkdir(exist_ok=True)
        contents = tiny_contents({"media/contact.webp": f"{version} {text}".encode()})[:files]
        out = folder / f"mira-{version}-{len(list(folder.glob('*')))}.facekit"
        return write_preset(out, contents, key=self.keys["ana"], version=version)

    def point(
        self, registry: Registry, bundle: Bundle, counter: int, name: str = "ana", **more: object
    ) -> None:
        role = PEOPLE[name][0] if PEOPLE.get(name) else "td"
        told: dict[str, object] = {
            "id": ID,
            "version": bundle.manifest.version,
            "channel": "prod",
            "counter": counter,
            **more,
        }
        envelope = self.says("preset.promote", bundle, name, role, **told)
        assert registry.add_pointer(ID, "prod", counter, envelope)


def push(registry: Registry, bundle: Bundle) -> Any:
    return registry.push(bundle.content, bundle.files, bundle.signatures)


def folder_registry(folder: Path, name: str = "main") -> Registry:
    return create_registry(open_store(name, RegistryAddress(uri=str(folder)), folder))


def is_whole(registry: Registry, version: str = "1.0.0") -> bool:
    """Whether a version is there; where it is, every byte of it must be."""
    if version not in registry.versions(ID):
        return False
    entry = registry.entry(ID, version)
    manifest, _ = registry.manifest(entry)
    registry.signatures(entry)
    for file in manifest.files:
        from facekit.presets.blobs import read_blob

        assert len(read_blob(registry.store, file.sha256, 1_000_000)) == file.size
    return True


def in_child(work: Callable[[], int]) -> int:
    """Do something in a process of its own; gives its exit code."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(step: int, root: Path, work: Callable[[], object]) -> bool:
    """Do something in a process that ends, as by SIGKILL, before its n-th step on a folder.

    Returns:
        Whether it was killed; false when it has fewer steps.
    """
    steps = ("open", "os.link", "os.rename", "os.mkdir", "os.remove", "os.scandir")

    def run() -> int:
        count = 0

        def audit(event: str, given: tuple[Any, ...]) -> None:
            nonlocal count
            if event in steps and str(given[0]).startswith(str(root)):
                count += 1
                if count == step:
                    os._exit(9)

        sys.addaudithook(audit)
        work()
        return 0

    code = in_child(run)
    assert code in (0, 9)
    return code == 9


@dataclass(frozen=True)
class S3:
    """A server that speaks S3 on loopback."""

    url: str

    def address(self, folder: str) -> RegistryAddress:
        return RegistryAddress(uri=f"s3://bucket/{folder}", options={"endpoint_url": self.url})

    def registry(self, folder: str) -> Registry:
        return create_registry(open_store("s3", self.address(folder), Path()))


@contextmanager
def s3_server() -> Iterator[S3]:
    """Run one; skips where its packages are not installed."""
    pytest.importorskip("s3fs")
    pytest.importorskip("flask", reason="moto[server] is not installed")
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    import logging

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    given = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    try:
        import boto3

        url = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=url).create_bucket(Bucket="bucket")
        yield S3(url)
    finally:
        running.stop()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_CONNECT = socket.socket.connect


def loopback_only(self: socket.socket, address: Any) -> None:
    """In place of connecting anywhere."""
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
        raise AssertionError(f"a test tried to connect to {address}")
    _CONNECT(self, address)
