"""The tables of the how-tos on shots come from the results, and goals that are missed are bold."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.readme import SHOTS, with_table
from benchmarks.results import RESULTS_DIR
from benchmarks.shots_tables import cast_table, chain_table, gates_table, shots_table


def interval(mean: float) -> dict[str, Any]:
    return {"mean": mean, "ci95": [mean - 0.1, mean + 0.1], "count": 4}


@pytest.mark.parametrize("page", sorted(SHOTS), ids=lambda page: page.stem)
def test_a_how_to_holds_the_table_of_the_results(page: Path) -> None:
    told = with_table(page, SHOTS[page], RESULTS_DIR)
    assert told == page.read_text(encoding="utf-8"), "run python -m benchmarks.readme"


@pytest.mark.parametrize(("right", "bold"), [(0.8, True), (0.96, False)])
def test_regions_are_held_against_their_goal(tmp_path: Path, right: float, bold: bool) -> None:
    row = {"right_place": interval(right), "swap_rate": 0.04}
    likeness = {"similarity_to_cast": interval(0.1)}
    found = {
        "goal_right_place": 0.95,
        "pairs": {"regions": row, "naive": row},
        "alone": {"right": interval(0.9)},
        "bystanders": dict.fromkeys(("regions", "naive", "description", "drawn"), likeness),
    }
    (tmp_path / "multi_character.json").write_text(json.dumps(found))
    table = cast_table(tmp_path)
    cell = f"{right:.0%} ({right - 0.1:.0%} to {right + 0.1:.0%})"
    assert (f"| regions given | **{cell}** | 4% |" in table) is bold
    assert f"| everybody over the whole picture | {cell} | 4% | not measured |" in table


@pytest.mark.parametrize(("loss", "bold"), [(0.2, True), (-0.1, False)])
def test_a_chain_is_held_against_its_goal(tmp_path: Path, loss: float, bold: bool) -> None:
    row = {
        "shots": 2, "start": 0.5, "end": 0.4, "loss": loss, "loss_ci95": [loss, loss],
        "worst_loss": loss, "drawn_per_delivered": 1.3, "seam_step": 4.0, "inside_step": 3.0,
    }  # fmt: skip
    ways = dict.fromkeys(("facekit", "identity", "plain"), row)
    found = {"seconds": 49.0, "goal_loss": 0.05, "ways": ways}
    (tmp_path / "continuation.json").write_text(json.dumps(found))
    assert ("| **" in chain_table(tmp_path)) is bold


def test_gates_tell_what_they_cost(tmp_path: Path) -> None:
    ways = ("one", "gates", "calibrated", "blind", "best_of_3")
    names = ("takes", "seconds", "pass_second", "likeness_second", "worst_second", "review")
    row = {"shots": 60, **{name: interval(0.5) for name in names}}
    found = {
        "characters": 12,
        "titles": {way: way for way in ways},
        "ways": dict.fromkeys(ways, row),
        "retakes": {"gates": {"retakes": 39, "wrong_by_second": 0.1}},
        "noise": {"deviation": 0.04},
    }
    (tmp_path / "gates.json").write_text(json.dumps(found))
    table = gates_table(tmp_path)
    assert "| gates | 0.50 | 0.5 | 50% (40% to 60%) | 0.50 (0.40 to 0.60) |" in table
    assert "Of the retakes 10% (39 in all)" in table


def test_the_readme_tells_goals_that_are_missed(tmp_path: Path) -> None:
    cast = {"goal_right_place": 0.95}
    for group, mean in (("pairs", 0.96), ("triples", 0.8)):
        ways = {"regions": {"right_place": interval(mean)}, "naive": {"right_place": interval(0.5)}}
        cast[group] = ways  # type: ignore[assignment]
    chain = {
        "seconds": 61.0, "goal_loss": 0.05,
        "ways": {"facekit": {"loss": -0.1}, "plain": {"loss": 0.9}},
    }  # fmt: skip
    row = {"takes": interval(1.5), "pass_second": interval(0.8)}
    gates = {"ways": {"one": row, "gates": row}}
    for name, found in (("multi_character", cast), ("continuation", chain), ("gates", gates)):
        (tmp_path / f"{name}.json").write_text(json.dumps(found))
    lines = shots_table(tmp_path).splitlines()
    assert [("**" in line) for line in lines[2:]] == [False, True, False, False]
    assert "-10%; handing on the last frame, without the character 90%" in lines[4]
