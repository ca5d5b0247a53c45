"""Ways to tamper with a registry and its statements, as data: what is done, what must come of it.

The stage: mira 1.0.0 and 1.1.0 are published and approved, and `prod` pointed at one after the
other. mira 1.2.0 is published, not approved, and `prod` does not point at it.
"""

import base64
import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from facekit.errors import (
    BundleDamaged,
    IntegrityError,
    PolicyRefused,
    PresetRevoked,
    RegistryError,
    SignatureRefused,
)
from facekit.presets.bundle import Bundle
from facekit.presets.policy import check_channel
from facekit.presets.registry import Registry
from facekit.presets.seen import Seen
from facekit.show_file import Show
from facekit.signing.dsse import sign_envelope
from facekit.signing.keys import SigningKey
from facekit.signing.statements import PAYLOAD_TYPE
from facekit.types import NoProgress
from facekit.workflows.preset_refs import Desk, Resolved, resolve
from facekit.workflows.preset_transfer import bring
from tests.tiny.presets import ADAPTER, ID, tiny_contents, write_preset
from tests.tiny.registries import NOW, Team, folder_registry, push

__all__ = ["ATTACKS", "Attack", "Stage", "take"]


_END = "9999-12-31T23:59:59-12:00"


class Stage:
    """The registry that is attacked, and who reads it."""

    def __init__(self, folder: Path, team: Team) -> None:
        self.root, self.team = folder / "registry", team
        self.registry: Registry = folder_registry(self.root)
        made = folder / "made"
        self.old, self.new, self.next = (team.bundle(made, f"1.{n}.0") for n in range(3))
        self.show: Show = team.show
        for counter, bundle in enumerate((self.old, self.new), 1):
            push(self.registry, bundle)
            team.approve(self.registry, bundle)
            team.point(self.registry, bundle, counter)
        push(self.registry, self.next)
        self.made = made

    def copied(self, folder: Path) -> "Stage":
        """The same once more, to be spoilt."""
        fresh = copy.copy(self)
        fresh.root, fresh.made = folder / "registry", folder
        shutil.copytree(self.root, fresh.root)
        fresh.registry = folder_registry(fresh.root)
        return fresh

    def desk(self, seen: Seen) -> Desk:
        return Desk(
            folder=self.root.parent,
            show=self.show,
            name="main",
            source="main",
            registry=self.registry,
            seen=seen,
            now=NOW,
        )

    def pointer(self, counter: int, channel: str = "prod") -> Path:
        return self.root / "channels" / ID / channel / f"{counter:09d}.json"

    def entry(self, version: str) -> Path:
        return self.root / "presets" / ID / f"{version}.json"

    def blob(self, digest: str) -> Path:
        return self.root / "blobs" / "sha256" / digest[:2] / digest[2:]

    def adapter(self, bundle: Bundle) -> Path:
        (listed,) = (file for file in bundle.manifest.files if file.path == ADAPTER)
        return self.blob(listed.sha256)

    def statements(self, bundle: Bundle) -> Path:
        return self.root / "statements" / bundle.digest

    def state(self, kind: str, bundle: Bundle, name: str, role: str, **more: object) -> None:
        envelope = self.team.says(f"preset.{kind}", bundle, name, role, **more)
        self.registry.add_statement(bundle.digest, envelope)

    def point_at_next(self) -> None:
        """Somebody who may move the channel lets it point at what is not approved."""
        self.team.point(self.registry, self.next, 3)

    def edit(self, path: Path, **changes: object) -> None:
        told = json.loads(path.read_text())
        path.write_text(json.dumps({**told, **changes}))

    def rewrite(self, path: Path, change: Callable[[dict[str, Any]], None]) -> bytes:
        """Change what an envelope says and keep its signatures."""
        told = json.loads(path.read_bytes())
        payload = json.loads(base64.b64decode(told["payload"]))
        change(payload)
        told["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
        return json.dumps(told).encode()

    def add(self, bundle: Bundle, content: bytes) -> None:
        self.registry.add_statement(bundle.digest, content)

    def other_preset(self, version: str, key: SigningKey | None) -> Bundle:
        """Another preset that calls itself as a published one does."""
        contents = tiny_contents({"media/contact.webp": b"another face"})
        return write_preset(self.made / "other.facekit", contents, key=key, version=version)

    def publish_instead(self, version: str, key: SigningKey | None) -> None:
        self.entry(version).unlink()
        push(self.registry, self.other_preset(version, key))


@dataclass(frozen=True)
class Attack:
    """One way to tamper."""

    name: str
    work: Callable[[Stage], object]
    verdict: type[Exception] | None
    """The error; None where it changes nothing, and is told as not counted if `told`."""
    reference: str = "mira@prod"
    was_there: bool = False
    """Whether the reader has looked before."""
    told: bool = False


def _first(folder: Path) -> Path:
    return sorted(folder.iterdir())[0]


def _approvals(stage: Stage, **more: object) -> None:
    stage.state("approve", stage.next, "ana", "td", **more)
    stage.state("approve", stage.next, "tom", "legal", **more)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _unapproved(change: Callable[[Stage], object]) -> Callable[[Stage], None]:
    """An attack that wants to make an approval of what has none."""

    def work(stage: Stage) -> None:
        stage.point_at_next()
        change(stage)

    return work


def _point(stage: Stage, name: str, **more: object) -> None:
    stage.team.point(stage.registry, stage.old, 3, name, **more)


def _moved(stage: Stage) -> None:
    for path in stage.statements(stage.new).iterdir():
        stage.add(stage.next, path.read_bytes())


def _relabelled(stage: Stage) -> None:
    def change(payload: dict[str, Any]) -> None:
        payload["subject"][0]["digest"]["sha256"] = stage.next.digest

    for path in list(stage.statements(stage.new).iterdir()):
        stage.add(stage.next, stage.rewrite(path, change))


def _purpose(stage: Stage) -> None:
    for name, role in (("ana", "td"), ("tom", "legal")):
        content = stage.team.says("preset.approve", stage.next, name, role)
        payload = base64.b64decode(json.loads(content)["payload"])
        envelope = sign_envelope(payload, "text/plain", [stage.team.keys[name]])
        stage.add(stage.next, envelope.to_bytes())


def _renamed(stage: Stage) -> None:
    _approvals(stage)
    for path in list(stage.statements(stage.next).iterdir()):
        path.rename(path.with_name(f"{'0' * 63}{path.name[0]}.json"))


def _signature_blob(stage: Stage, bundle: Bundle) -> Path:
    (content,) = bundle.signatures.values()
    return stage.blob(sha256(content).hexdigest())


def _entry_with(path: str) -> Callable[[Stage], None]:
    def work(stage: Stage) -> None:
        entry = json.loads(stage.entry("1.1.0").read_text())
        entry["signatures"][0]["path"] = path
        stage.entry("1.1.0").write_text(json.dumps(entry))

    return work


def _signature_of(stage: Stage, other: Bundle) -> None:
    """The entry names the envelope of another preset as its own."""
    (content,) = other.signatures.values()
    entry = json.loads(stage.entry("1.1.0").read_text())
    entry["signatures"][0]["sha256"] = sha256(content).hexdigest()
    entry["signatures"][0]["size"] = len(content)
    stage.entry("1.1.0").write_text(json.dumps(entry))


def _later(stage: Stage, other: Bundle | None) -> None:
    contents = [b"junk"] if other is None else list(other.signatures.values())
    for content in contents:
        name = f"signatures/{stage.new.digest}/{sha256(content).hexdigest()}.json"
        stage.registry.store.put_new(name, content)


def _counter(value: object) -> Callable[[Stage], None]:
    return lambda stage: _from_channel(stage, counter=value)


def _put(stage: Stage, counter: int, content: bytes) -> None:
    stage.pointer(counter).write_bytes(content)


def _from_channel(stage: Stage, **more: object) -> None:
    content = stage.team.says(
        "preset.promote",
        stage.old,
        "ana",
        "td",
        **{"id": ID, "version": "1.0.0", "channel": "prod", "counter": 3, **more},
    )
    _put(stage, 3, content)


def _to_come(stage: Stage) -> None:
    payload = json.loads(base64.b64decode(json.loads(_revocation(stage))["payload"]))
    payload["predicateType"] = payload["predicateType"].replace(":v1", ":v99")
    key = stage.team.keys["tom"]
    stage.add(
        stage.new, sign_envelope(json.dumps(payload).encode(), PAYLOAD_TYPE, [key]).to_bytes()
    )


def _revocation(stage: Stage) -> bytes:
    return stage.team.says("preset.revoke", stage.new, "tom", "legal", note="no")


def _strange_folders(stage: Stage) -> None:
    for name in ("channels/@eaDir", f"channels/{ID}/@eaDir", f"presets/{ID}/@eaDir"):
        (stage.root / name).mkdir()
        (stage.root / name / "000000001.json").write_text("{}")


ATTACKS: tuple[Attack, ...] = (
    # pointers of channels
    Attack(
        "an old pointer under a new number",
        lambda s: shutil.copy(s.pointer(1), s.pointer(3)),
        None,
        told=True,
    ),
    Attack(
        "the latest pointer taken away",
        lambda s: s.pointer(2).unlink(),
        IntegrityError,
        was_there=True,
    ),
    Attack(
        "all pointers taken away",
        lambda s: shutil.rmtree(s.pointer(1).parent),
        IntegrityError,
        was_there=True,
    ),
    Attack(
        "the old pointer in place of the latest",
        lambda s: shutil.copy(s.pointer(1), s.pointer(2)),
        IntegrityError,
        was_there=True,
    ),
    Attack("a pointer by a stranger", lambda s: _point(s, "stranger"), None, told=True),
    Attack("a pointer by somebody without the role", lambda s: _point(s, "eve"), None, told=True),
    Attack(
        "a pointer signed for another channel",
        lambda s: _from_channel(s, channel="dev"),
        None,
        told=True,
    ),
    Attack(
        "a pointer signed for another preset",
        lambda s: _from_channel(s, id="org.studio.show/tomas"),
        None,
        told=True,
    ),
    Attack("a pointer whose number is a text", _counter("3"), None, told=True),
    Attack("a pointer without a number", _counter(None), None, told=True),
    Attack(
        "a pointer of the future",
        lambda s: _from_channel(s, at="2027-01-01T00:00:00Z"),
        None,
        told=True,
    ),
    Attack(
        "a pointer whose payload was changed",
        lambda s: _put(s, 3, s.rewrite(s.pointer(2), lambda p: p["predicate"].update(counter=3))),
        None,
        told=True,
    ),
    Attack(
        "an approval as a pointer",
        lambda s: shutil.copy(_first(s.statements(s.old)), s.pointer(3)),
        None,
        told=True,
    ),
    Attack("an empty pointer", lambda s: _put(s, 3, b""), None, told=True),
    Attack(
        "pointers with odd names",
        lambda s: [
            s.pointer(1).with_name(n).write_text("x") for n in ("9.json", "\u0663.json", "x")
        ],
        None,
    ),
    Attack(
        "two pointers of one number",
        lambda s: (s.pointer(2).unlink(), s.team.point(s.registry, s.old, 2)),
        IntegrityError,
        was_there=True,
    ),
    Attack(
        "a pointer at a digest that its version is not",
        lambda s: _from_channel(s, version="1.1.0"),
        IntegrityError,
    ),
    # approvals
    Attack("no approval at all", _unapproved(lambda s: None), PolicyRefused),
    Attack(
        "an approval by a stranger",
        _unapproved(lambda s: [s.state("approve", s.next, "stranger", r) for r in ("td", "legal")]),
        PolicyRefused,
    ),
    Attack(
        "an approval by somebody without the role",
        _unapproved(lambda s: [s.state("approve", s.next, "eve", r) for r in ("td", "legal")]),
        PolicyRefused,
    ),
    Attack(
        "one person in both roles, holding one",
        _unapproved(lambda s: [s.state("approve", s.next, "ana", r) for r in ("td", "legal")]),
        PolicyRefused,
    ),
    Attack("approvals moved from another digest", _unapproved(_moved), PolicyRefused),
    Attack("approvals whose digest was changed", _unapproved(_relabelled), PolicyRefused),
    Attack("approvals signed for another purpose", _unapproved(_purpose), PolicyRefused),
    Attack("approvals under another name", _unapproved(_renamed), PolicyRefused),
    Attack(
        "approvals of the future",
        _unapproved(lambda s: _approvals(s, at="2026-11-21T12:06:00Z")),
        PolicyRefused,
    ),
    Attack(
        "approvals without a time", _unapproved(lambda s: _approvals(s, at="soon")), PolicyRefused
    ),
    Attack(
        "submissions as approvals",
        _unapproved(
            lambda s: [
                s.state("submit", s.next, n, r) for n, r in (("ana", "td"), ("tom", "legal"))
            ]
        ),
        PolicyRefused,
    ),
    Attack(
        "an approval put back after a rejection",
        _unapproved(
            lambda s: (_approvals(s), s.state("reject", s.next, "tom", "legal", note="no"))
        ),
        PolicyRefused,
    ),
    Attack("the approvals taken away", lambda s: shutil.rmtree(s.statements(s.new)), PolicyRefused),
    Attack(
        "the approvals of somebody who has left the show",
        lambda s: setattr(
            s,
            "show",
            s.show.model_copy(
                update={"people": {n: p for n, p in s.show.people.items() if n != "tom"}}
            ),
        ),
        PolicyRefused,
    ),
    Attack(
        "a statement of deep nesting",
        lambda s: s.add(s.new, b'{"payload":' + b"[" * 100_000),
        None,
        told=True,
    ),
    # revocations
    Attack(
        "a revoked preset",
        lambda s: s.state("revoke", s.new, "tom", "legal"),
        PresetRevoked,
    ),
    Attack(
        "a revocation dated into the future, to stay without effect",
        lambda s: s.state("revoke", s.new, "tom", "legal", at="2030-01-01T00:00:00Z"),
        PresetRevoked,
    ),
    Attack(
        "a revocation by a stranger",
        lambda s: s.state("revoke", s.new, "stranger", "legal"),
        None,
        told=True,
    ),
    Attack(
        "a revocation moved from another digest",
        lambda s: s.add(s.new, s.team.says("preset.revoke", s.old, "tom", "legal")),
        None,
        told=True,
    ),
    # entries
    Attack(
        "the entry of another version",
        lambda s: shutil.copy(s.entry("1.0.0"), s.entry("1.1.0")),
        BundleDamaged,
    ),
    Attack(
        "an entry with the digest of another version",
        lambda s: s.edit(s.entry("1.1.0"), digest=s.old.digest),
        IntegrityError,
    ),
    Attack(
        "the same, asked for by version",
        lambda s: s.edit(s.entry("1.1.0"), digest=s.old.digest),
        BundleDamaged,
        reference="mira@1.1.0",
    ),
    Attack(
        "another preset under a published version",
        lambda s: s.publish_instead("1.1.0", s.team.keys["ana"]),
        IntegrityError,
        reference="mira@1.1.0",
        was_there=True,
    ),
    Attack(
        "another preset under a channel's version",
        lambda s: s.publish_instead("1.1.0", s.team.keys["ana"]),
        IntegrityError,
    ),
    Attack(
        "another preset, signed by a stranger",
        lambda s: s.publish_instead("1.1.0", s.team.keys["stranger"]),
        SignatureRefused,
        reference="mira@1.1.0",
    ),
    Attack(
        "another preset, not signed",
        lambda s: s.publish_instead("1.1.0", None),
        SignatureRefused,
        reference="mira@1.1.0",
    ),
    Attack("a signature that leads out", _entry_with("signatures/../../x.json"), BundleDamaged),
    Attack("a signature that is an absolute path", _entry_with("/tmp/x.json"), BundleDamaged),
    Attack("a signature in place of the weights", _entry_with(ADAPTER), BundleDamaged),
    Attack("an entry cut off", lambda s: s.entry("1.1.0").write_text("{"), BundleDamaged),
    Attack(
        "an entry without end",
        lambda s: s.entry("1.1.0").write_bytes(b" " * 1_000_002),
        RegistryError,
    ),
    Attack(
        "the signature of another version",
        lambda s: _signature_of(s, s.old),
        SignatureRefused,
    ),
    Attack("a later signature of another version", lambda s: _later(s, s.old), None),
    Attack("a later signature that is none", lambda s: _later(s, None), None),
    # what its clock or its version makes of a statement
    Attack("a pointer at the end of time", lambda s: _from_channel(s, at=_END), None, told=True),
    Attack(
        "a statement at the end of time",
        lambda s: s.state("revoke", s.new, "tom", "legal", at=_END),
        None,
        told=True,
    ),
    Attack("a statement of a version to come", _to_come, None, told=True),
    Attack("folders of other programs", _strange_folders, None),
    # content
    Attack("one bit of the weights", lambda s: _flip(s.adapter(s.new)), BundleDamaged),
    Attack("weights cut off", lambda s: s.adapter(s.new).write_bytes(b"not"), BundleDamaged),
    Attack(
        "weights with more behind",
        lambda s: s.adapter(s.new).write_bytes(s.adapter(s.new).read_bytes() + b"!"),
        BundleDamaged,
    ),
    Attack(
        "other weights of the same size",
        lambda s: s.adapter(s.new).write_bytes(b"X" * s.adapter(s.new).stat().st_size),
        BundleDamaged,
    ),
    Attack("weights taken away", lambda s: s.adapter(s.new).unlink(), BundleDamaged),
    Attack("one bit of the manifest", lambda s: _flip(s.blob(s.new.digest)), BundleDamaged),
    Attack(
        "the manifest of another version",
        lambda s: shutil.copy(s.blob(s.old.digest), s.blob(s.new.digest)),
        BundleDamaged,
    ),
    Attack("one bit of the signature", lambda s: _flip(_signature_blob(s, s.new)), BundleDamaged),
    Attack("the signature taken away", lambda s: _signature_blob(s, s.new).unlink(), BundleDamaged),
)


def take(stage: Stage, seen: Seen, reference: str = "mira@prod") -> Resolved:
    """What a pull does."""
    at = stage.desk(seen)
    found = resolve(at, f"org.studio.show/{reference}")
    if found.pointer is not None:
        check_channel(found.standing, found.manifest, at.show, found.pointer.channel)
    bring(at, found, NoProgress())
    return found
