"""The benchmark of gates: what a render would have made, and what its figures count."""

from typing import Any

import pytest
import yaml
from PIL import Image

from benchmarks import gates
from benchmarks.gates_play import WAYS, play
from benchmarks.gates_sheet import write_picture
from benchmarks.gates_work import MAX_TAKES, SHOTS, make_board

Row = dict[str, Any]


def row(
    number: int, verdict: str, score: float | None, second: str = "pass", likeness: float = 0.5,
    calibrated: str = "pass", who: str = "0-mira", shot: str = "A",
) -> Row:  # fmt: skip
    def told(word: str) -> Row:
        return {"verdict": word, "score": score, "closest": None, "reasons": ["why"]}

    judged = {"verdict": second, "p05": likeness, "likeness": likeness, "middle": [1.0, likeness]}
    return {
        "show": int(who[0]), "shot": shot, "who": who, "take": number, "draw_s": 2.0,
        "own": told(verdict), "calibrated": told(calibrated), "second": judged, "third": judged,
    }  # fmt: skip


RETAKEN = [
    row(1, "fail", 0.2, "fail", 0.2, "fail"),
    row(2, "fail", 0.3, "pass", 0.6, "pass"),
    row(3, "fail", 0.1, "fail", 0.1, "fail"),
]
GOOD = [row(number, "pass", 0.5 + number / 10, shot="B") for number in (1, 2, 3)]
LOOKED = [row(1, "review", None, shot="C"), row(2, "pass", 0.5, shot="C"), row(3, "pass", 0.5)]


@pytest.mark.parametrize(
    ("way", "made", "chosen", "verdict"),
    [
        ("one", 1, 1, "fail"),
        ("gates", 3, 2, "fail"),
        ("calibrated", 2, 2, "pass"),
        ("blind", 3, 3, "fail"),
        ("best_of_3", 3, 2, "fail"),
    ],
)
def test_a_shot_is_replayed_by_the_rule_of_a_render(
    way: str, made: int, chosen: int, verdict: str
) -> None:
    told = play(RETAKEN, way)
    assert (len(told.takes), told.chosen["take"], told.verdict) == (made, chosen, verdict)
    assert len(play(GOOD, way).takes) == (3 if way == "best_of_3" else 1)
    assert play(GOOD, way).chosen["take"] == (3 if way == "best_of_3" else 1)
    if way == "gates":
        assert (len(play(LOOKED, way).takes), play(LOOKED, way).verdict) == (
            1,
            "review",
        )


def test_what_gates_win_and_what_they_cost_is_counted() -> None:
    other = [{**one, "who": "0-tom", "shot": "D"} for one in RETAKEN]
    found = gates.summarise([*RETAKEN, *GOOD, *other])
    ways = found["ways"]
    assert ways["one"]["pass_second"]["mean"] == pytest.approx((0.5 + 0.0) / 2)
    assert ways["gates"]["pass_second"]["mean"] == 1.0
    assert (ways["one"]["takes"]["mean"], ways["gates"]["takes"]["mean"]) == (1.0, 2.5)
    assert ways["gates"]["seconds"]["mean"] == 5.0
    gain = ways["gates"]["against_one"]
    assert gain["extra_takes"] == 4
    assert gain["pass_second"]["mean"] == pytest.approx(0.75)
    assert gain["per_extra_take"]["pass_second"] == pytest.approx(0.75 / 1.5)
    assert ways["gates"]["delivered"]["fail"] == {"shots": 2, "takes": 3.0, "seconds": 6.0}
    assert ways["one"]["fail"]["mean"] == pytest.approx((0.5 + 1.0) / 2)
    left = found["retakes"]["gates"]
    assert (left["retakes"], left["shots"]) == (4, 2)
    assert left["wrong_by_second"] == left["wrong_by_both"] == 0.5, "the second take was good"
    assert (left["first_take_kept"], left["better_by_second"]) == (0.0, 1.0)
    assert found["verdicts"]["own"] == {"fail": {"fail": 4, "pass": 2}, "pass": {"pass": 3}}
    assert found["noise"]["takes"] == 9


def test_the_board_is_the_example_with_other_people(tmp_path) -> None:
    class Somebody:
        def __init__(self, name: str) -> None:
            self.character = type("C", (), {"source": tmp_path / f"{name}.safetensors"})

    board = yaml.safe_load(make_board([Somebody(x) for x in "abc"], 3))  # type: ignore[misc]
    shots = [shot for sequence in board["sequences"] for shot in sequence["shots"]]
    assert len(shots) == sum(len(ids) for ids in SHOTS.values())
    assert {len(shot["characters"]) for shot in shots} == {1}
    assert not any("extend_of" in shot or len(shot["aspects"]) > 1 for shot in shots)
    assert {shot["takes"] for shot in shots} == {board["gates"]["max_takes"]} == {MAX_TAKES}
    seeds = [shot["seed"] + take for shot in shots for take in range(MAX_TAKES)]
    assert len(set(seeds)) == len(seeds)
    assert board["cast"]["mira"]["preset"].endswith("/a.safetensors")


def test_the_picture_is_drawn_and_a_part_is_not_published(tmp_path) -> None:
    found = gates.summarise([*RETAKEN, *GOOD, *[{**one, "who": "1-ines"} for one in GOOD]])
    write_picture(tmp_path / "gates.png", {**found, "titles": WAYS})
    with Image.open(tmp_path / "gates.png") as picture:
        assert picture.width > 1000
    part = gates.parse(["--shows", "1", "--work", str(tmp_path)])
    assert part.docs == tmp_path
    assert gates.parse([]).docs == gates.RESULTS_DIR
