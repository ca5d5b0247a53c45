from itertools import permutations

import pytest

from facekit.presets.bundle import Bundle
from facekit.presets.states import Standing, State, fold
from tests.tiny.registries import NOW, Team


@pytest.fixture(scope="module")
def team() -> Team:
    return Team()


@pytest.fixture(scope="module")
def bundle(team: Team, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return team.bundle(tmp_path_factory.mktemp("made"))


def folded(team: Team, bundle: Bundle, *envelopes: bytes, **places: list[str]) -> Standing:
    given = {str(n): envelope for n, envelope in enumerate(envelopes)}
    return fold(bundle.digest, given, team.show, NOW, **places)


def test_a_preset_goes_from_draft_to_revoked(team: Team, bundle: Bundle) -> None:
    td = team.says("preset.approve", bundle, "ana", "td")
    legal = team.says("preset.approve", bundle, "tom", "legal")
    submit = team.says("preset.submit", bundle, "eve")
    states = [
        folded(team, bundle).state,
        folded(team, bundle, submit).state,
        folded(team, bundle, submit, td).state,
        folded(team, bundle, submit, td, legal).state,
        folded(team, bundle, td, legal, current_in=["prod"]).state,
        folded(team, bundle, td, legal, was_in=["prod"]).state,
        folded(team, bundle, td, legal, team.says("preset.supersede", bundle, "ana", "td")).state,
    ]
    revoke = team.says("preset.revoke", bundle, "ana", "td", note="withdrawn")
    standing = folded(team, bundle, td, legal, revoke, current_in=["prod"])
    assert [state.value for state in (*states, standing.state)] == [
        *("draft", "submitted", "submitted", "approved", "released", "superseded", "superseded"),
        "revoked",
    ]
    assert standing.revoked is not None
    assert (standing.revoked.people, standing.revoked.note) == (("ana",), "withdrawn")


def test_the_order_in_which_statements_lie_there_decides_nothing(
    team: Team, bundle: Bundle
) -> None:
    said = [
        team.says("preset.approve", bundle, "ana", "td", at="2026-11-01T00:00:00Z"),
        team.says("preset.reject", bundle, "tom", "legal", at="2026-11-02T00:00:00Z"),
        team.says("preset.approve", bundle, "tom", "legal", at="2026-11-03T00:00:00Z"),
    ]
    found = [folded(team, bundle, *order) for order in permutations(said)]
    assert all(one.approvals == {"legal": ("tom",)} for one in found)
    assert {one.state for one in found} == {State.SUBMITTED}


def test_a_rejection_of_the_same_second_wins(team: Team, bundle: Bundle) -> None:
    approve = team.says("preset.approve", bundle, "ana", "td")
    reject = team.says("preset.reject", bundle, "ana", "td", note="hair")
    for order in ((approve, reject), (reject, approve)):
        standing = folded(team, bundle, *order)
        assert standing.approvals == {}
        assert standing.rejected is not None
        assert standing.rejected.note == "hair"


def test_one_person_counts_once(team: Team, bundle: Bundle) -> None:
    twice = [team.says("preset.approve", bundle, "ana", "td", note=note) for note in ("a", "b")]
    standing = folded(team, bundle, *twice)
    assert standing.lacks({"td": 2}) == ("td: 1 of 2",)
    assert standing.lacks({"td": 1}) == ()


@pytest.mark.parametrize(("at", "counts"), [("12:04:59", True), ("12:05:01", False)])
def test_a_clock_may_be_a_little_wrong(team: Team, bundle: Bundle, at: str, counts: bool) -> None:
    said = team.says("preset.approve", bundle, "ana", "td", at=f"2026-11-21T{at}Z")
    standing = folded(team, bundle, said)
    assert bool(standing.approvals) is counts
    assert [one.reason.partition(" (")[0] for one in standing.ignored] == (
        [] if counts else ["is of the future"]
    )
