"""Whoever can write to a registry's storage can break it, and never make anybody use a fake."""

from pathlib import Path

import pytest

from facekit.errors import PresetRevoked
from facekit.presets.seen import Seen
from facekit.presets.states import REVOKE
from facekit.signing.statements import open_statement
from facekit.workflows.preset_refs import resolve
from tests.tiny.registries import Team
from tests.tiny.registry_attacks import ATTACKS, Attack, Stage, take


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"), Team())


@pytest.fixture
def stage(built: Stage, tmp_path: Path) -> Stage:
    return built.copied(tmp_path)


def test_the_stage_is_sound(stage: Stage) -> None:
    found = take(stage, Seen())
    assert (found.entry.digest, found.ignored) == (stage.new.digest, ())
    assert take(stage, Seen(), "mira@1.0.0").entry.digest == stage.old.digest


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name.replace(" ", "_"))
def test_attack(attack: Attack, stage: Stage) -> None:
    seen = Seen()
    if attack.was_there:
        resolve(stage.desk(seen), f"org.studio.show/{attack.reference}")
    attack.work(stage)
    if attack.verdict is None:
        found = take(stage, seen, attack.reference)
        assert found.entry.digest == stage.new.digest
        assert bool(found.ignored) is attack.told
    else:
        with pytest.raises(attack.verdict):
            take(stage, seen, attack.reference)


def test_a_revocation_taken_away_is_remembered(stage: Stage) -> None:
    seen = Seen()
    stage.state("revoke", stage.new, "tom", "legal", note="consent withdrawn")
    with pytest.raises(PresetRevoked, match="consent withdrawn"):
        take(stage, seen)
    for path in stage.statements(stage.new).iterdir():
        if open_statement(path.read_bytes(), stage.show.all_keys()).kind == REVOKE:
            path.unlink()
    with pytest.raises(PresetRevoked, match="has seen before"):
        take(stage, seen)
    assert take(stage, Seen()).entry.digest == stage.new.digest  # who never saw it cannot know


def test_there_are_many_and_each_is_another() -> None:
    assert len(ATTACKS) >= 50
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
