"""The benchmark of several characters: what its figures count."""

from typing import Any

import pytest

from benchmarks import multi_character
from benchmarks.multi_character import _interval, _is_right, _summary

Row = dict[str, Any]


def row(
    shot: int, place: int, nearest: str | None, match: str | None = None, group: str = "a-b"
) -> Row:
    expected = group.split("-")[place]
    found = nearest is not None
    return {
        "shot": shot,
        "place": place,
        "group": group,
        "expected": expected,
        "found": found,
        "nearest": nearest,
        "match": match,
        "similarities": {"a": 0.5, "b": 0.1} if found else None,
        "figures": 2,
        "attributes": {"glasses": nearest == expected} if found else {},
    }


def test_places_swaps_and_confusion_are_counted() -> None:
    told = _summary(
        [
            [row(0, 0, "a", "a"), row(0, 1, "b"), row(1, 0, "b"), row(1, 1, "a", "a")],
            [row(0, 0, "a", group="a-c"), row(0, 1, None, group="a-c")],
        ]
    )

    assert (told["places"], told["clips"]) == (6, 3)
    assert told["face_scorable"] == pytest.approx(5 / 6)
    assert told["right_place"]["mean"] == pytest.approx(3 / 5)
    assert told["right_place_of_all"]["mean"] == pytest.approx(3 / 6)
    assert told["recognised_in_place"]["mean"] == pytest.approx(1 / 6)
    assert told["swap_rate"] == told["everybody_right"] == 1 / 2, "of clips with all faces"
    assert told["confusion"] == [[2, 1, 0], [1, 1, 1]]
    assert told["attributes"]["glasses"] == pytest.approx(3 / 5)
    assert told["attributes"]["hair_color"] is None
    assert told["lost"] == {"no_face": 1, "not_scorable": 0, "somebody_else": 2}
    assert told["lead"] == pytest.approx((0.4 - 0.4 - 0.4 + 0.4 + 0.4) / 5)
    assert told["own_similarity"] == pytest.approx((0.5 + 0.1 + 0.5 + 0.1 + 0.5) / 5)


def test_groups_without_a_face_do_not_count_as_wrong() -> None:
    assert _interval([[row(0, 0, None)]], _is_right) is None
    assert _interval([[row(0, 0, None)], [row(0, 0, "a")]], _is_right) == {
        "mean": 1.0,
        "ci95": None,
        "count": 1,
    }


def test_a_part_of_the_benchmark_is_not_published() -> None:
    assert multi_character.is_full(multi_character.parse([]))
    for less in (["--pairs", "7"], ["--triples", "0"], ["--shots", "2"]):
        assert not multi_character.is_full(multi_character.parse(less))
