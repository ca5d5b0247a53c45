"""What somebody may do to a preset between the one who packed it and the one who uses it.

Each attack is a name and what is done; none may be loaded. Where a rule of the format is tried, the
attacker holds the key of somebody trusted and signs anew, so that the rule alone stands between.
"""

import hashlib
import io
import json
import os
import pickle
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from facekit.presets.archive import Member, local_header, tail
from facekit.presets.bundle import open_bundle
from facekit.presets.manifest import ADAPTER, preset_digest
from facekit.presets.names import MANIFEST, PACK_SIGNATURE
from facekit.presets.packing import copy_bundle
from facekit.signing.dsse import sign_envelope
from facekit.signing.keys import SigningKey
from facekit.signing.statements import Statement, Subject, canonical_json, sign_statement
from tests.tiny.presets import tiny_contents, write_preset

__all__ = ["ATTACKS", "Attack", "Scene", "make_scene"]


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole, signed preset in both forms, and the keys around it."""

    folder: Path
    archive: Path
    trusted: SigningKey
    """The one who packed it, trusted by who will use it."""
    stranger: SigningKey
    elsewhere: Path
    """A folder outside of the preset."""
    adapter: bytes
    other: bytes = field(repr=False)
    """The character file of somebody else."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One thing that is done to a preset."""

    name: str
    how: Callable[[Scene], Path]
    """Does it and gives the path that is then loaded."""


ATTACKS: list[Attack] = []


def make_scene(root: Path, adapter: bytes, other: bytes, trusted: SigningKey) -> Scene:
    """Pack the preset that is attacked."""
    contents = [
        one if one.path != ADAPTER else replace(one, data=adapter) for one in tiny_contents()
    ]
    folder, archive = root / "mira.facekit", root / "mira-1.0.0.facekit"
    write_preset(folder, contents, key=trusted)
    copy_bundle(open_bundle(folder), archive, archive=True)
    elsewhere = root / "elsewhere"
    elsewhere.mkdir()
    return Scene(
        folder=folder,
        archive=archive,
        trusted=trusted,
        stranger=SigningKey.generate("anna"),
        elsewhere=elsewhere,
        adapter=adapter,
        other=other,
    )


def attack(name: str) -> Callable[[Callable[[Scene], Path]], Callable[[Scene], Path]]:
    """Add what follows to the table."""

    def add(how: Callable[[Scene], Path]) -> Callable[[Scene], Path]:
        ATTACKS.append(Attack(name, how))
        return how

    return add


def in_folder(name: str) -> Callable[[Callable[[Scene], object]], Callable[[Scene], object]]:
    """Add something that is done to the folder."""

    def add(how: Callable[[Scene], object]) -> Callable[[Scene], object]:
        def done(scene: Scene) -> Path:
            how(scene)
            return scene.folder

        ATTACKS.append(Attack(f"folder: {name}", done))
        return how

    return add


def in_archive(name: str) -> Callable[[Callable[[bytes], bytes]], Callable[[bytes], bytes]]:
    """Add something that is done to the bytes of the archive."""

    def add(how: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
        def done(scene: Scene) -> Path:
            before = scene.archive.read_bytes()
            after = how(before)
            assert after != before, name
            scene.archive.write_bytes(after)
            return scene.archive

        ATTACKS.append(Attack(f"archive: {name}", done))
        return how

    return add


def in_manifest(name: str) -> Callable[[Callable[[dict[str, Any]], object]], object]:
    """Add a change of the manifest that somebody trusted then signs."""

    def add(how: Callable[[dict[str, Any]], object]) -> object:
        def done(scene: Scene) -> Path:
            told = json.loads((scene.folder / MANIFEST).read_bytes())
            changed = how(told)
            sign_anew(scene, changed if isinstance(changed, bytes) else canonical_json(told))
            return scene.folder

        ATTACKS.append(Attack(f"manifest, signed by somebody trusted: {name}", done))
        return how

    return add


def sign_anew(scene: Scene, content: bytes, key: SigningKey | None = None) -> None:
    """Write a manifest and sign it as if it had been packed so."""
    (scene.folder / MANIFEST).write_bytes(content)
    subject = Subject("org.studio.show/mira@1.0.0", preset_digest(content))
    statement = Statement("preset.pack", (subject,), {})
    envelope = sign_statement(statement, [key or scene.trusted])
    (scene.folder / PACK_SIGNATURE).write_bytes(envelope.to_bytes())


def flip(path: Path, place: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


def entry(told: dict[str, Any], path: str = ADAPTER) -> dict[str, Any]:
    return next(file for file in told["files"] if file["path"] == path)


def listed(told: dict[str, Any], path: str) -> None:
    told["files"] = sorted([*told["files"], {**entry(told), "path": path}], key=lambda f: f["path"])


# -- the folder ------------------------------------------------------------------------------------
in_folder("a bit of the adapter flipped")(lambda s: flip(s.folder / ADAPTER))
in_folder("a bit of the card flipped")(lambda s: flip(s.folder / "README.md"))
in_folder("a bit of a picture flipped")(lambda s: flip(s.folder / "media/thumb.webp"))
in_folder("a bit of the manifest flipped")(lambda s: flip(s.folder / MANIFEST, 40))
in_folder("a bit of the signature flipped")(lambda s: flip(s.folder / PACK_SIGNATURE, 60))
in_folder("a file removed")(lambda s: (s.folder / "README.md").unlink())
in_folder("the adapter removed")(lambda s: (s.folder / ADAPTER).unlink())
in_folder("the manifest removed")(lambda s: (s.folder / MANIFEST).unlink())
in_folder("a file added")(lambda s: (s.folder / "media/more.webp").write_bytes(b"x"))
in_folder("a hidden file added")(lambda s: (s.folder / ".hidden").write_bytes(b"x"))
in_folder("code added")(lambda s: (s.folder / "setup.py").write_text("raise SystemExit"))
in_folder("an empty folder added")(lambda s: (s.folder / "more").mkdir())
in_folder("something added to the signatures")(
    lambda s: (s.folder / "signatures/x.webp").write_bytes(b"x")
)
in_folder("a file renamed")(lambda s: (s.folder / ADAPTER).rename(s.folder / "weights/a.json"))
in_folder("a file cut short")(lambda s: os.truncate(s.folder / ADAPTER, 100))
in_folder("a file made longer")(lambda s: (s.folder / ADAPTER).write_bytes(s.adapter + bytes(8)))
in_folder("the adapter of somebody else put in")(
    lambda s: (s.folder / ADAPTER).write_bytes(s.other)
)
in_folder("201 files added")(
    lambda s: [(s.folder / f"a{n}.json").write_bytes(b"") for n in range(201)]
)
in_folder("not signed")(lambda s: (s.folder / PACK_SIGNATURE).unlink())
in_folder("a link in place of a file")(lambda s: link(s, ADAPTER))
in_folder("a link in place of the manifest")(lambda s: link(s, MANIFEST))
in_folder("a link in place of a folder")(lambda s: link(s, "weights"))


def link(scene: Scene, name: str) -> None:
    """The same content, by way of a place that can change later."""
    away = scene.elsewhere / "away"
    shutil.move(scene.folder / name, away)
    (scene.folder / name).symlink_to(away, target_is_directory=away.is_dir())


@in_folder("a pipe in place of a file")
def _fifo(scene: Scene) -> None:
    (scene.folder / "README.md").unlink()
    os.mkfifo(scene.folder / "README.md")


@in_folder("two files swapped")
def _swap(scene: Scene) -> None:
    one, two = scene.folder / "README.md", scene.folder / "media/thumb.webp"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


# -- who signed it ---------------------------------------------------------------------------------
@in_folder("changed and signed by a stranger of the same name")
def _stranger(scene: Scene) -> None:
    sign_anew(scene, (scene.folder / MANIFEST).read_bytes(), scene.stranger)


@in_folder("signed by a stranger who claims the trusted keyid")
def _claimed(scene: Scene) -> None:
    _stranger(scene)
    path = scene.folder / PACK_SIGNATURE
    told = json.loads(path.read_bytes())
    told["signatures"][0]["keyid"] = scene.trusted.public.keyid
    path.write_text(json.dumps(told))


@in_folder("the signature of another version")
def _replayed(scene: Scene) -> None:
    old = write_preset(scene.elsewhere / "old", tiny_contents(), key=scene.trusted, version="0.9.0")
    (scene.folder / PACK_SIGNATURE).write_bytes(old.signatures[PACK_SIGNATURE])


@in_folder("signed by somebody trusted, for another purpose")
def _purpose(scene: Scene) -> None:
    digest = preset_digest((scene.folder / MANIFEST).read_bytes())
    statement = Statement("preset.approve", (Subject("org.studio.show/mira@1.0.0", digest),), {})
    envelope = sign_statement(statement, [scene.trusted])
    (scene.folder / PACK_SIGNATURE).write_bytes(envelope.to_bytes())


@in_folder("signed by somebody trusted, as another type of bytes")
def _type(scene: Scene) -> None:
    content = json.loads((scene.folder / PACK_SIGNATURE).read_bytes())
    envelope = sign_envelope(b"{}", "text/plain", [scene.trusted])
    told = {**json.loads(envelope.to_bytes()), "payload": content["payload"]}
    (scene.folder / PACK_SIGNATURE).write_text(json.dumps(told))


@in_folder("signed by somebody trusted, under another name")
def _renamed(scene: Scene) -> None:
    digest = preset_digest((scene.folder / MANIFEST).read_bytes())
    statement = Statement("preset.pack", (Subject("org.studio.show/tomas@1.0.0", digest),), {})
    envelope = sign_statement(statement, [scene.trusted])
    (scene.folder / PACK_SIGNATURE).write_bytes(envelope.to_bytes())


@in_folder("an empty list of signatures")
def _unsigned(scene: Scene) -> None:
    path = scene.folder / PACK_SIGNATURE
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "signatures": []}))


@in_folder("a file changed, and listed so by a stranger")
def _relisted(scene: Scene) -> None:
    (scene.folder / ADAPTER).write_bytes(scene.other)
    told = json.loads((scene.folder / MANIFEST).read_bytes())
    entry(told).update(size=len(scene.other), sha256=hashlib.sha256(scene.other).hexdigest())
    sign_anew(scene, canonical_json(told), scene.stranger)


# -- the manifest ----------------------------------------------------------------------------------
in_manifest("of a later schema")(lambda t: t.update(schema="facekit.preset/2"))
in_manifest("of no schema")(lambda t: t.pop("schema"))
in_manifest("of another kind")(lambda t: t.update(kind="backbone"))
in_manifest("with a path that leads out")(lambda t: listed(t, "../x.json"))
in_manifest("with a path from the root")(lambda t: listed(t, "/etc/x.json"))
in_manifest("with a path of Windows")(lambda t: listed(t, "media\\x.json"))
in_manifest("with a drive")(lambda t: listed(t, "C:x.json"))
in_manifest("with a device")(lambda t: listed(t, "media/nul.json"))
in_manifest("with a zero in a name")(lambda t: listed(t, "media/x\0.json"))
in_manifest("with names that differ in case alone")(lambda t: listed(t, "readme.md"))
in_manifest("with a file twice")(lambda t: listed(t, ADAPTER))
in_manifest("with a pickle")(lambda t: listed(t, "weights/adapter.pkl"))
in_manifest("that lists itself")(lambda t: listed(t, MANIFEST))
in_manifest("that lists its signature")(lambda t: listed(t, PACK_SIGNATURE))
in_manifest("with an absurd size")(lambda t: entry(t).update(size=10**15))
in_manifest("with a size below nothing")(lambda t: entry(t).update(size=-1))
in_manifest("with a wrong size")(lambda t: entry(t).update(size=1))
in_manifest("with a size as a text")(lambda t: entry(t).update(size="1e3"))
in_manifest("without a file")(lambda t: t.update(files=t["files"][:-1]))
in_manifest("of 300 files")(lambda t: [listed(t, f"a{n:03}.json") for n in range(300)])
in_manifest("of a real person without consent")(
    lambda t: t["subject"].update(type="real", consent=None)
)
in_manifest("with a consent that is not there")(
    lambda t: t["subject"].update(type="real", consent="rights/consent.json")
)
in_manifest("not canonical")(lambda t: json.dumps(t, indent=1).encode())
in_manifest("with a key twice")(
    lambda t: canonical_json(t).replace(b'"kind":', b'"kind":"character","kind":')
)
in_manifest("a million brackets deep")(lambda t: b"[" * 999_999)
in_manifest("of two megabytes")(lambda t: t.update(summary="x" * 2_000_000))
in_manifest("not a number")(lambda t: canonical_json(t).replace(b'"alpha":4', b'"alpha":NaN'))


@attack("adapter, signed by somebody trusted: a pickle under another name")
def _pickle(scene: Scene) -> Path:
    contents = [
        replace(one, data=pickle.dumps({"x": 1})) if one.path == ADAPTER else one
        for one in tiny_contents()
    ]
    shutil.rmtree(scene.folder)
    write_preset(scene.folder, contents, key=scene.trusted)
    return scene.folder


@attack("adapter, signed by somebody trusted: a bit of its tensors flipped")
def _tensor(scene: Scene) -> Path:
    content = bytearray(scene.adapter)
    content[-1] ^= 1
    contents = [
        replace(one, data=bytes(content)) if one.path == ADAPTER else one for one in tiny_contents()
    ]
    shutil.rmtree(scene.folder)
    write_preset(scene.folder, contents, key=scene.trusted)
    return scene.folder


@attack("adapter, named by itself inside a preset that was changed")
def _inside(scene: Scene) -> Path:
    flip(scene.folder / "README.md")
    return scene.folder / ADAPTER


# -- the archive -----------------------------------------------------------------------------------
def _members(content: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def _zip(members: list[tuple[str, bytes]]) -> bytes:
    """The layout of facekit, whatever the names."""
    found = [Member(name, len(data), zlib.crc32(data)) for name, data in members]
    parts = [local_header(member) + data for member, (_, data) in zip(found, members, strict=True)]
    return b"".join(parts) + tail(found)


def _library(content: bytes, **info: Any) -> bytes:
    """The same files as the standard library would store them, with something set."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in _members(content):
            one = zipfile.ZipInfo(name)
            one.create_system, one.external_attr = 3, 0o100644 << 16
            for key, value in info.items():
                setattr(one, key, value)
            archive.writestr(one, data)
    return stream.getvalue()


def _flipped(content: bytes, part: float) -> bytes:
    changed = bytearray(content)
    changed[int(part * (len(content) - 1))] ^= 0x10
    return bytes(changed)


def _central(content: bytes) -> int:
    return int(struct.unpack("<L", content[-6:-2])[0])


in_archive("a bit of the first byte flipped")(lambda c: _flipped(c, 0.0))
in_archive("a bit of the first header flipped")(lambda c: c[:10] + bytes([c[10] ^ 1]) + c[11:])
in_archive("a bit in the middle flipped")(lambda c: _flipped(c, 0.5))
in_archive("a bit of the list of files flipped")(
    lambda c: c[: _central(c) + 14] + bytes([c[_central(c) + 14] ^ 1]) + c[_central(c) + 15 :]
)
in_archive("a bit of the last byte flipped")(lambda c: _flipped(c, 1.0))
in_archive("cut short")(lambda c: c[: len(c) // 2])
in_archive("cut by a byte")(lambda c: c[:-1])
in_archive("empty")(lambda c: b"")
in_archive("bytes behind it")(lambda c: c + b"x")
in_archive("bytes before it")(lambda c: b"#!/bin/sh\n" + c)
in_archive("a comment")(lambda c: c[:-2] + b"\x01\x00x")
in_archive("another archive behind it")(lambda c: c + _zip([("README.md", b"x")]))
in_archive("a name that leads out")(lambda c: _zip([("../../x.json", b"x"), *_members(c)]))
in_archive("a name from the root")(lambda c: _zip([("/tmp/x.json", b"x"), *_members(c)]))
in_archive("a name twice")(lambda c: _zip(sorted([*_members(c), _members(c)[0]])))
in_archive("names that differ in case alone")(
    lambda c: _zip(sorted([*_members(c), ("readme.md", b"x")]))
)
in_archive("files out of order")(lambda c: _zip(_members(c)[::-1]))
in_archive("a file added")(lambda c: _zip(sorted([*_members(c), ("a.json", b"x")])))
in_archive("a file removed")(lambda c: _zip(_members(c)[1:]))
in_archive("squeezed")(lambda c: _library(c, compress_type=zipfile.ZIP_DEFLATED))
in_archive("a link by its mode")(lambda c: _library(c, external_attr=0o120777 << 16))
in_archive("other times")(lambda c: _library(c, date_time=(2026, 1, 1, 0, 0, 0)))
in_archive("notes beside a file")(lambda c: _library(c, extra=b"\xfe\xca\x02\x00xx"))
in_archive("another name in the header than in the list")(
    lambda c: c.replace(b"README.md", b"README.me", 1)
)
in_archive("a file said to be larger than the archive")(
    lambda c: c[: _central(c) + 20] + b"\xff\xff\xff\xfe" * 2 + c[_central(c) + 28 :]
)
in_archive("more files than are listed")(lambda c: c[:-12] + b"\xff\x00\xff\x00" + c[-8:])
in_archive("a list of files in another place")(lambda c: c[:-6] + b"\xff\xff\xff\x7f" + c[-2:])
in_archive("a tar")(lambda c: b"README.md".ljust(257, b"\0") + b"ustar" + bytes(4000))


@in_archive("a compressed bomb")
def _bomb(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in _members(content):
            archive.writestr(name, data)
        archive.writestr("weights/zeros.safetensors", bytes(5_000_000))
    return stream.getvalue()


@in_archive("two files that share their bytes")
def _overlap(content: bytes) -> bytes:
    data = b"x" * 100
    one = Member("a.json", 100, zlib.crc32(data))
    body = local_header(one) + data
    listing = bytearray(tail([one, replace(one, path="b.json")]))
    second = listing.index(b"PK\x01\x02", 1)
    listing[second + 42 : second + 46] = struct.pack("<L", 0)
    return body + bytes(listing)
