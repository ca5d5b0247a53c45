from pathlib import Path

import pytest

from facekit.errors import GateFailed, VersionMissing
from facekit.presets.manifest import Encoder, Evaluation, Summary
from facekit.presets.policy import (
    check_channel,
    current_pointer,
    missed_gates,
    move_channel,
    promoting_roles,
)
from facekit.presets.seen import Seen
from facekit.presets.states import Standing, State
from facekit.show_file import Gates, parse_show
from tests.tiny.presets import ID, tiny_contents, tiny_manifest
from tests.tiny.registries import NOW, Team, folder_registry, push

MEASURED = Evaluation(summary=Summary(sim_held=0.5, drift=0.04, gates="passed"))


@pytest.mark.parametrize(
    ("gates", "missed"),
    [
        (Gates(), []),
        (Gates(sim_held=0.5, drift=0.04, passed=True), []),
        (Gates(sim_held=0.6), ["sim_held is 0.5, expected at least 0.6"]),
        (Gates(drift=0.03), ["drift is 0.04, expected at most 0.03"]),
        (Gates(xmin=0.1), ["xmin is not measured, expected at least 0.1"]),
        (Gates(parity=True), ["no parity vector, expected one"]),
        (
            Gates(commercial=True),
            ["rights is not for commercial use", "encoder is not for commercial use"],
        ),
    ],
)
def test_gates_are_read_from_the_manifest(gates: Gates, missed: list[str]) -> None:
    encoder = Encoder(name="arc", dim=512, license="x", commercial=False)
    manifest = tiny_manifest(tiny_contents(), eval=MEASURED, encoder=encoder)
    assert list(missed_gates(manifest, gates)) == missed


def test_what_is_not_measured_passes_no_gate() -> None:
    manifest = tiny_manifest(tiny_contents())
    gates = Gates(sim_held=0.0, drift=1.0, passed=True)
    assert len(missed_gates(manifest, gates)) == 3
    show = parse_show("[policy.dev]\ngates = { sim_held = 0.0 }\n", "t")
    standing = Standing(digest="", state=State.DRAFT, approvals={})
    with pytest.raises(GateFailed, match="sim_held is not measured"):
        check_channel(standing, manifest, show, "dev")


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
    assert move_channel(registry, ID, "prod", "1.0.0", bundle.digest, key, "td") is None
