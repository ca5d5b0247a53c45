from pathlib import Path

import pytest

from facekit.errors import IntegrityError, RegistryError, VersionMissing
from facekit.presets.bundle import Bundle
from facekit.presets.pointers import current_pointer, move_channel, pointers_of, promoting_roles
from facekit.presets.registry import Registry
from facekit.presets.seen import Seen
from facekit.show_file import parse_show
from tests.tiny.presets import ID
from tests.tiny.registries import NOW, Team, folder_registry, push


def test_who_may_move_a_channel() -> None:
    text = "[policy.prod]\napprove = { td = 1 }\npromote = ['lead']\n[policy.dev]\n"
    show = parse_show(text, "t")
    assert promoting_roles(show, "prod") == {"lead"}
    assert promoting_roles(show, "dev") == {"td"}


def test_a_channel_moves_forward_and_back_by_new_pointers(tmp_path: Path) -> None:
    team, seen = Team(), Seen()
    registry = folder_registry(tmp_path / "registry")
    bundles = [team.bundle(tmp_path / "made", f"1.{n}.0") for n in range(2)]
    with pytest.raises(VersionMissing, match="points nowhere"):
        current_pointer(registry, team.show, ID, "prod", NOW, seen)
    for counter, bundle in enumerate((*bundles, bundles[0]), 1):
        push(registry, bundle)
        team.point(registry, bundle, counter)
        pointer, _ = current_pointer(registry, team.show, ID, "prod", NOW, seen)
        assert (pointer.counter, pointer.digest) == (counter, bundle.digest)
    assert registry.counters(ID, "prod") == (3, 2, 1)


def test_of_two_that_move_a_channel_at_once_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = Team()
    registry = folder_registry(tmp_path / "registry")
    bundle = team.bundle(tmp_path / "made")
    team.point(registry, bundle, 1)
    monkeypatch.setattr(registry, "counters", lambda *_: ())  # as it was before the other wrote
    key = team.keys["ana"]
    told = ("prod", "1.0.0", bundle.digest, key, "td", Seen())
    assert move_channel(registry, team.show, ID, *told) is None


def move(registry: Registry, team: Team, bundle: Bundle, seen: Seen) -> int | None:
    told = ("prod", bundle.manifest.version, bundle.digest, team.keys["ana"], "td", seen)
    return move_channel(registry, team.show, ID, *told)


def junk(registry: Registry, name: str) -> None:
    registry.store.put_new(f"channels/{ID}/{name}", b"junk")


def test_numbers_that_nobody_has_signed_lock_no_channel(tmp_path: Path) -> None:
    team, seen = Team(), Seen()
    registry = folder_registry(tmp_path / "registry")
    bundle = team.bundle(tmp_path / "made")
    for number in (2, 999_999_998, 999_999_999):
        junk(registry, f"prod/{number:09d}.json")
    assert [move(registry, team, bundle, seen) for _ in range(3)] == [1, 3, 4]
    assert seen.pointer(ID, "prod") == (4, bundle.digest)


def test_the_last_number_is_the_last(tmp_path: Path) -> None:
    team, seen = Team(), Seen()
    registry = folder_registry(tmp_path / "registry")
    bundle = team.bundle(tmp_path / "made")
    team.point(registry, bundle, 999_999_999)
    with pytest.raises(RegistryError, match="no number after 999999999"):
        move(registry, team, bundle, seen)
    assert seen.pointer(ID, "prod") is None


def test_a_channel_goes_on_after_what_was_seen(tmp_path: Path) -> None:
    """Somebody has taken pointers away; to promote once more puts that right."""
    team, seen = Team(), Seen()
    registry = folder_registry(tmp_path / "registry")
    bundle = team.bundle(tmp_path / "made")
    seen.remember_pointer(ID, "prod", 7, "d")
    with pytest.raises(IntegrityError):
        current_pointer(registry, team.show, ID, "prod", NOW, seen)
    assert move(registry, team, bundle, seen) == 8


def test_what_is_written_and_does_not_count_is_told_and_not_remembered(tmp_path: Path) -> None:
    team, seen = Team(), Seen()
    registry = folder_registry(tmp_path / "registry")
    bundle = team.bundle(tmp_path / "made")
    assert move(registry, team, bundle, seen) == 1
    told = ("prod", "1.0.0", bundle.digest, team.keys["eve"], "td", seen)
    with pytest.raises(RegistryError, match="expected 2, which was written just now"):
        move_channel(registry, team.show, ID, *told)
    assert seen.pointer(ID, "prod") == (1, bundle.digest)


def test_folders_that_are_no_channels_are_passed_over(tmp_path: Path) -> None:
    team = Team()
    registry = folder_registry(tmp_path / "registry")
    for name in ("@eaDir/000000001.json", "Thumbs.db", "mira/000000001.json"):
        junk(registry, name)
    assert registry.channels(ID) == ("mira",)
    assert pointers_of(registry, team.show, ID, NOW) == {"mira": ()}
