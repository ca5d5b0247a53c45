"""Registries of a show: add one, list them, log in, and check that one is whole."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facekit.errors import PackageMissing, RegistryError, UsageError
from facekit.media.files import write_text
from facekit.presets.registry import create_registry, is_registry, open_registry
from facekit.presets.seen import Seen
from facekit.presets.storage import Store
from facekit.presets.store import full_uri, open_store
from facekit.presets.two_writers import try_two_writers
from facekit.show_file import SHOW_FILE, RegistryAddress, Show, find_show, parse_show, read_show
from facekit.workflows.preset_refs import address_of, show_place

__all__ = [
    "Added",
    "LoggedIn",
    "Registries",
    "add_registry",
    "list_registries",
    "log_in",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A registry that the show knows now."""

    name: str
    uri: str
    path: Path
    created: bool
    keeps_writers_apart: bool
    is_public: bool
    mirror_of: str | None

    def describe(self) -> str:
        """What it is, and who may write to it."""
        what = f"a mirror of {self.mirror_of}, only read" if self.mirror_of else "may be written"
        if not self.mirror_of and not self.keeps_writers_apart:
            what = "one writer at a time, as you have promised"
        if self.is_public:
            what += "; public, so that anybody can read the presets: make it private"
        made = ", made now" if self.created else ""
        return f"{self.name}: {self.uri}{made}\naccess: {what}\nwritten to: {self.path}"

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "name": self.name,
            "uri": self.uri,
            "file": str(self.path),
            "created": self.created,
            "several_writers": self.keeps_writers_apart and not self.mirror_of,
            "public": self.is_public,
            "mirror_of": self.mirror_of,
        }


@dataclass(frozen=True, slots=True)
class Registries:
    """All registries of the show."""

    path: Path | None
    registries: Mapping[str, RegistryAddress]

    def describe(self) -> str:
        """A line each."""
        lines = []
        for name, one in self.registries.items():
            more = f"  mirror of {one.mirror_of}" if one.mirror_of else ""
            lines.append(f"{name}  {one.uri}{more}")
        return "\n".join(lines or ["no registries; add one with facekit registry add NAME URI"])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "file": None if self.path is None else str(self.path),
            "registries": {
                name: one.model_dump(mode="json") for name, one in self.registries.items()
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """Whether the storage lets this user in."""

    name: str
    uri: str
    method: str
    """Where the credentials came from."""

    def describe(self) -> str:
        """By which credentials."""
        return f"{self.name}: {self.uri} can be read\ncredentials: {self.method}"

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {"name": self.name, "uri": self.uri, "credentials": self.method}


def add_registry(
    name: str,
    uri: str,
    *,
    mirror_of: str | None = None,
    options: Sequence[str] = (),
    one_writer: bool = False,
    create: bool = False,
) -> Added:
    """Write a registry into `facekit.toml`, and make the place one if it is empty.

    A place that the show names already, or of which this machine has seen presets, and that is
    empty now may be unmounted: a new registry is made there only if `create` says so.

    Args:
        name: What the show calls it.
        uri: A folder, or any URI of fsspec.
        mirror_of: The registry that it copies.
        options: `KEY=VALUE` for the file system.
        one_writer: Nobody else writes, for storages that cannot tell two writers apart.
        create: Make a new one where one is known to have been. With the name and the URI of one
            that `facekit.toml` has, its place is made anew and the file stays as it is.

    Raises:
        UsageError: The name is taken, or the URI is none.
        RegistryError: It cannot be reached, was there before and is gone, or cannot tell two
            writers apart.
    """
    path = find_show() or Path.cwd() / SHOW_FILE
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    show = read_show(path) if path.is_file() else Show()
    place = full_uri(uri, path.parent)
    known = {other: full_uri(one.uri, path.parent) for other, one in show.registries.items()}
    section = _section(name, uri, mirror_of, options, one_writer)
    if name in known and create and known[name] == place and mirror_of is None:
        section = ""
    elif name in known:
        raise UsageError(
            f"{name}: in {path} already; choose another name, edit the file, or make its place"
            f" anew with facekit registry add {name} {show.registries[name].uri} --create"
        )
    address = parse_show(text + section, path).registries[name]
    store = open_store(name, address, path.parent)
    created = False
    if mirror_of is None:
        if not create and not is_registry(store):
            _refuse_gone(name, place, known)
        created = _create(store)
    else:
        open_registry(store, read_only=True, place=place)
    write_text(path, text + section)
    return Added(
        name=name,
        uri=uri,
        path=path,
        created=created,
        keeps_writers_apart=store.keeps_writers_apart,
        is_public=store.is_public,
        mirror_of=mirror_of,
    )


def list_registries() -> Registries:
    """List what `facekit.toml` names; nothing is reached for."""
    path = find_show()
    return Registries(path, read_show(path).registries)


def log_in(name: str, token: str | None = None) -> LoggedIn:
    """Look whether a registry can be read with the credentials that its storage finds.

    facekit keeps no secrets: a token for the Hugging Face Hub goes to huggingface_hub, which keeps
    it; S3 takes those of the AWS tools.

    Args:
        name: Of the registry.
        token: For the Hugging Face Hub; what is stored there when None.

    Raises:
        UsageError: There is no such registry, or a token for a storage without one.
        RegistryError: The storage refuses.
    """
    folder, show = show_place()
    _, address = address_of(show, name)
    protocol = address.uri.partition("://")[0] if "://" in address.uri else "file"
    if token is not None and protocol != "hf":
        raise UsageError(
            f"{name}: {protocol} takes no token, expected hf://; use its own credentials"
        )
    if protocol == "hf" and token is not None:
        import huggingface_hub

        try:
            huggingface_hub.login(token=token)
        except (ValueError, OSError) as error:
            why = " ".join(str(error).replace(";", ",").split())[:300]
            raise RegistryError(f"{name}: the Hub refuses ({why}); look at the token") from error
    store = open_store(name, address, folder)
    open_registry(store, read_only=True, place=full_uri(address.uri, folder))
    return LoggedIn(name=name, uri=address.uri, method=_method(protocol))


def _refuse_gone(name: str, place: str, known: Mapping[str, str]) -> None:
    """Make no empty registry where one was: it may be unmounted."""
    named = [other for other, uri in known.items() if uri == place]
    if not named and not Seen.open(place).versions:
        return
    said = f"in facekit.toml as {named[0]}" if named else "known to this machine with its presets"
    raise RegistryError(
        f"{name}: {place}: no registry there, and that place is {said}, expected the one that was"
        " there; mount or reach it again, or make a new one with --create"
    )


def _create(store: Store) -> bool:
    created = not is_registry(store)
    if created:
        create_registry(store)
    else:
        open_registry(store)
    if not store.one_writer:
        try_two_writers(store).refuse_shared()
    return created


def _section(
    name: str, uri: str, mirror_of: str | None, options: Sequence[str], one_writer: bool
) -> str:
    lines = ["", f"[registries.{name}]", f"uri = {json.dumps(uri)}"]
    if mirror_of is not None:
        lines.append(f"mirror_of = {json.dumps(mirror_of)}")
    if one_writer:
        lines.append('writers = "one"')
    told = {}
    for option in options:
        key, separator, value = option.partition("=")
        if not separator or not key:
            raise UsageError(f"--option {option}: expected KEY=VALUE; write it like anon=true")
        told[key] = _value(value)
    if told:
        inside = ", ".join(f"{json.dumps(key)} = {json.dumps(one)}" for key, one in told.items())
        lines.append(f"options = {{ {inside} }}")
    return "\n".join(lines) + "\n"


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str | int | float | bool) else text


def _method(protocol: str) -> str:
    if protocol in ("s3", "s3a"):
        try:
            import botocore.session
        except ImportError as error:
            raise PackageMissing("s3: botocore is missing; pip install 'facekit[s3]'") from error
        found = botocore.session.get_session().get_credentials()
        return "none, anonymous" if found is None else f"AWS, {found.method}"
    if protocol == "hf":
        import huggingface_hub

        if os.environ.get("HF_TOKEN"):
            return "HF_TOKEN"
        return "the Hub's stored token" if huggingface_hub.get_token() else "none, anonymous"
    if protocol in ("file", "memory"):
        return f"the rights of user {os.environ.get('USER', os.getuid())}"
    return f"those of the file system {protocol}"
