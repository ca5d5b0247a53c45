from facekit.generation.storyboard_inherit import find_cycles, inherited, references
from tests.tiny.boards import located, shots


def whole(*entries):
    return inherited(shots(*entries).board)


def test_a_longer_shot_takes_what_it_does_not_say():
    found = whole(
        "id: SH0010, frames: 9, size: CU, place: park, action: nodding, note: a, takes: 2, seed: 3",
        "id: SH0020, frames: 5, extend_of: SH0010, action: talking",
        "id: SH0030, frames: 5, extend_of: SH0020, place: beach",
    )
    last = found["SEQ010/SH0030"]
    assert (last.size, last.place, last.action, last.frames) == ("CU", "beach", "talking", 5)
    assert (last.note, last.takes, last.seed) == ("", 1, None)


def test_a_shot_can_look_the_same_as_another():
    found = whole(
        "id: SH0010, frames: 9, size: CU, place: park, light: soft light, style: dark",
        "id: SH0020, frames: 5, action: talking, light: '', continuity: {same_as: SH0010}",
    )["SEQ010/SH0020"]
    assert (found.place, found.light, found.style, found.size) == ("park", "", "dark", "")


def test_a_whole_prompt_and_parts_do_not_mix():
    found = whole(
        "id: SH0010, frames: 9, prompt: all of it",
        "id: SH0020, frames: 5, extend_of: SH0010, action: talking",
        "id: SH0030, frames: 5, place: park, action: nodding",
        "id: SH0040, frames: 5, extend_of: SH0030, prompt: all of it",
        "id: SH0050, frames: 5, extend_of: SH0010",
    )
    assert found["SEQ010/SH0020"].prompt is None
    assert (found["SEQ010/SH0040"].action, found["SEQ010/SH0040"].place) == ("", None)
    assert found["SEQ010/SH0050"].prompt == "all of it"


def test_circles_end():
    found = whole(
        "id: SH0010, frames: 9, extend_of: SH0020, size: CU",
        "id: SH0020, frames: 9, extend_of: SH0010, place: park",
    )
    assert found["SEQ010/SH0010"].place == "park"
    assert found["SEQ010/SH0020"].size == "CU"


def test_ids_are_looked_for_in_their_own_sequence_first():
    board = located(
        "sequences:\n"
        "  - {id: A, shots: [{id: SH10, frames: 9}, {id: SH20, frames: 9, extend_of: SH10}]}\n"
        "  - {id: B, shots: [{id: SH10, frames: 9}, {id: SH20, frames: 9, extend_of: SH10},"
        " {id: SH30, frames: 9, extend_of: A/SH10}]}\n"
        "  - {id: C, shots: [{id: SH40, frames: 9, extend_of: SH10}]}"
    ).board
    found = {
        (group.id, shot.id): references(board, group.id, shot)
        for *_, group, shot in board.entries()
    }
    assert found["A", "SH20"] == {"extend_of": "A/SH10"}
    assert found["B", "SH20"] == {"extend_of": "B/SH10"}
    assert found["B", "SH30"] == {"extend_of": "A/SH10"}
    assert found["C", "SH40"] == {}  # two have it


def test_every_circle_is_found_once():
    edges = {"a": ("b",), "b": ("c", "d"), "c": ("a",), "d": ("d",), "e": ("a", "x"), "x": ()}
    assert find_cycles(edges) == [("a", "b", "c"), ("d",)]
    assert find_cycles({"a": ("b",), "b": ("c",), "c": ()}) == []
