from pathlib import Path

import pytest

from facekit.errors import (
    RegistryError,
    SignatureRefused,
    UsageError,
    VersionExists,
    VersionMissing,
)
from facekit.presets.later_signatures import add_later
from facekit.presets.names import PACK_SIGNATURE
from facekit.presets.pack_signatures import PACK, open_packed
from facekit.presets.registry import Registry, open_registry
from facekit.presets.store import open_store
from facekit.show_file import RegistryAddress
from facekit.signing.dsse import Envelope
from facekit.signing.statements import Statement, Subject, sign_statement
from tests.tiny.presets import ID, tiny_contents, write_preset
from tests.tiny.registries import Team, folder_registry, is_whole, push

DIGEST = "0" * 64


@pytest.fixture(scope="module")
def team() -> Team:
    return Team()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return folder_registry(tmp_path / "registry")


def test_what_is_pushed_is_there(registry: Registry, team: Team, tmp_path: Path) -> None:
    bundle = team.bundle(tmp_path / "made")
    pushed = push(registry, bundle)
    assert (pushed.is_new, pushed.entry.digest) == (True, bundle.digest)
    assert pushed.sent_bytes > 0
    assert is_whole(registry)
    assert registry.manifest(registry.entry(ID, "1.0.0")) == (bundle.manifest, bundle.content)
    assert registry.signatures(pushed.entry) == bundle.signatures
    assert registry.ids() == (ID,)
    assert registry.store.walk("pushing") == ()


def test_a_push_again_changes_nothing(registry: Registry, team: Team, tmp_path: Path) -> None:
    bundle = team.bundle(tmp_path / "made")
    push(registry, bundle)
    before = registry.store.walk("")
    again = push(registry, bundle)
    assert (again.is_new, again.sent_bytes) == (False, 0)
    assert registry.store.walk("") == before


def test_a_push_again_mends_what_is_lost(registry: Registry, team: Team, tmp_path: Path) -> None:
    bundle = team.bundle(tmp_path / "made")
    push(registry, bundle)
    for found in registry.store.walk("blobs"):
        registry.store.delete(found.path)
    assert not push(registry, bundle).is_new
    assert is_whole(registry)


def test_a_push_again_mends_what_is_damaged(registry: Registry, team: Team, tmp_path: Path) -> None:
    bundle = team.bundle(tmp_path / "made")
    push(registry, bundle)
    blobs = registry.store.walk("blobs")
    for found in blobs:
        registry.store.put(found.path, [b"X" * found.size], found.size)
    again = push(registry, bundle)
    assert (again.is_new, again.mended) == (False, len(blobs))
    assert is_whole(registry)


def test_a_version_is_never_replaced(registry: Registry, team: Team, tmp_path: Path) -> None:
    first, other = (team.bundle(tmp_path / "made", text=text) for text in "ab")
    push(registry, first)
    with pytest.raises(VersionExists, match="published with digest"):
        push(registry, other)
    assert registry.entry(ID, "1.0.0").digest == first.digest


def test_a_signature_may_come_later(registry: Registry, team: Team, tmp_path: Path) -> None:
    plain = write_preset(tmp_path / "plain", tiny_contents())
    keys = [team.keys[name] for name in ("stranger", "ana", "tom")]
    signed = [write_preset(tmp_path / key.public.name, tiny_contents(), key=key) for key in keys]
    assert len({bundle.digest for bundle in (plain, *signed)}) == 1
    assert not push(registry, plain).is_signed_now
    entry = registry.entry(ID, "1.0.0")
    registry.store.put_new(f"signatures/{entry.digest}/{'0' * 64}.json", b"junk")
    assert [push(registry, bundle).is_signed_now for bundle in (*signed, signed[0])] == [
        True,
        True,
        True,
        False,
    ]
    assert registry.entry(ID, "1.0.0") == entry
    (envelope,) = registry.signatures(entry).values()
    found = Envelope.read(envelope).signers(key.public for key in keys)
    assert set(found) == {key.public for key in keys}


def test_a_signature_beside_that_of_another_preset_counts_for_nothing(
    registry: Registry, team: Team, tmp_path: Path
) -> None:
    bundle, other = (team.bundle(tmp_path / "made", f"1.{n}.0") for n in range(2))
    entry = push(registry, bundle).entry
    assert add_later(registry.store, entry, other.signatures)
    assert registry.signatures(entry) == bundle.signatures


def test_versions_share_content(registry: Registry, team: Team, tmp_path: Path) -> None:
    versions = ("1.10.0", "1.9.0", "1.9.0-rc.1")
    sent = [push(registry, team.bundle(tmp_path / "made", v)).sent_bytes for v in versions]
    assert registry.versions(ID) == ("1.9.0-rc.1", "1.9.0", "1.10.0")
    assert len(registry.store.walk("blobs")) == 3 * 3 + 3  # three of each, and three shared
    assert sent[1] < sent[0]


def test_what_is_not_there_is_told(registry: Registry) -> None:
    with pytest.raises(VersionMissing, match="none"):
        registry.entry(ID, "1.0.0")
    with pytest.raises(UsageError, match="no version"):
        registry.entry(ID, "../../x")
    with pytest.raises(UsageError, match="no name of a preset"):
        registry.versions("../mira")
    with pytest.raises(UsageError, match="no name of a channel"):
        registry.counters(ID, "..")


def test_a_mirror_is_only_read(registry: Registry, team: Team, tmp_path: Path) -> None:
    bundle = team.bundle(tmp_path / "made")
    push(registry, bundle)
    mirror = open_registry(registry.store, read_only=True)
    assert is_whole(mirror)
    with pytest.raises(UsageError, match="a mirror"):
        push(mirror, bundle)
    with pytest.raises(UsageError, match="a mirror"):
        mirror.add_statement(bundle.digest, b"x")
    with pytest.raises(UsageError, match="a mirror"):
        mirror.add_pointer(ID, "prod", 1, b"x")


def test_a_place_that_is_none_is_told(tmp_path: Path) -> None:
    store = open_store("main", RegistryAddress(uri="empty"), tmp_path)
    with pytest.raises(RegistryError, match="no registry there"):
        open_registry(store)
    store.put_new("facekit-registry.json", b'{"schema": "facekit.registry/9"}')
    with pytest.raises(RegistryError, match="update facekit"):
        open_registry(store)


def test_a_statement_that_cannot_be_read_is_not_passed_over(
    registry: Registry, tmp_path: Path
) -> None:
    """It might be the revocation."""
    (tmp_path / "registry" / "statements" / DIGEST / f"{DIGEST}.json").mkdir(parents=True)
    with pytest.raises(RegistryError, match="refused"):
        registry.statements(DIGEST)


def test_a_signature_over_other_bytes_is_no_obstacle(
    registry: Registry, team: Team, tmp_path: Path
) -> None:
    plain = write_preset(tmp_path / "plain", tiny_contents())
    subject = Subject(plain.manifest.label, plain.digest)
    other = Statement(PACK, (subject,), {"schema": "of a stranger"})
    first = sign_statement(other, [team.keys["stranger"]]).to_bytes()
    registry.push(plain.content, plain.files, {PACK_SIGNATURE: first})
    signed = write_preset(tmp_path / "ana", tiny_contents(), key=team.keys["ana"])
    assert push(registry, signed).is_signed_now
    entry = registry.entry(ID, "1.0.0")
    kept = registry.signatures(entry)
    assert kept[PACK_SIGNATURE] == first
    assert len(kept) == 2
    trusted = (team.keys["ana"].public,)
    assert open_packed(kept, subject, trusted, "mira").signers == trusted
    with pytest.raises(SignatureRefused, match="no valid signature by a trusted key"):
        open_packed(kept, subject, (team.keys["tom"].public,), "mira")
