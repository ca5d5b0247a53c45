import pytest

from facekit.generation.storyboard_checks import check_board
from facekit.generation.storyboard_people import people_in
from tests.tiny.boards import HEAD, located, shots

GOOD = "id: SH0010, frames: 9, place: park"


def told(board):
    assert board.mistakes == ()
    return [(board.where.line(x.path) if x.line is None else x.line, x.text) for x in
            check_board(board)]  # fmt: skip


def test_a_good_board_has_no_mistakes():
    board = shots(
        GOOD,
        "id: SH0020, seconds: 2, extend_of: SH0010, action: nodding",
        "id: SH0030, frames: 9, characters: [{id: mira, region: left}, {id: tom, region: right}]",
        "id: SH0040, frames: 9, action: '@mira and @tom talking'",
        "id: SH0050, frames: 9, characters: [{id: mira, region: [0, 0, 0.6, 1]},"
        " {id: tom, region: right}]",
    )
    assert told(board) == []


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("id: SH0020, place: park", "got neither seconds nor frames"),
        ("id: SH0020, place: park, frames: 9, seconds: 2", "got seconds and frames"),
        ("id: SH0020, frames: 9", "says nothing of what is seen"),
        ("id: SH0010, frames: 9, place: park", "SH0010 is the id of line 8 too"),
        ("id: SH0020, frames: 9, extend_of: SH0011", "did you mean 'SH0010'?"),
        ("id: SH0020, frames: 9, extend_of: SH0020", "SEQ010/SH0020 -> SEQ010/SH0020"),
        ("id: SH0020, frames: 9, action: '@max nodding'", "@max: not in the cast"),
        ("id: SH0020, frames: 9, action: '{mira} nodding'", "got {mira}, expected @mira"),
        ("id: SH0020, frames: 9, characters: [{id: mirra}]", "did you mean 'mira'?"),
        ("id: SH0020, frames: 9, characters: [{id: mira}, {id: mira}]", "mira is there 2 times"),
        (
            "id: SH0020, frames: 9, characters: [{id: tom}], action: '@mira nodding'",
            "@mira: not among the characters of this shot",
        ),
        (
            "id: SH0020, frames: 9, characters: [{id: mira, region: [0, 0, 0.75, 1]},"
            " {id: tom, region: right}]",
            "the regions of mira and tom overlap by 50% of the smaller, expected at most 25%",
        ),
        (
            "id: SH0020, frames: 9, characters: [{id: mira, region: [0.5, 0, 0.5, 1]}]",
            "expected left below right",
        ),
        (
            "id: SH0020, frames: 9, characters: [{id: mira, region: left, mask: a.png}]",
            "got region as well",
        ),
        (
            "id: SH0020, frames: 9, characters: [{id: mira, strength: [[4, 1], [4, 0.5]]}]",
            "in rising order",
        ),
        (
            "id: SH0020, frames: 9, characters: [{id: mira, strength: [[0, 1], [9, 0.5]]}]",
            "keyframe 9 of 9 frames, expected 0 to 8",
        ),
        ("id: SH0020, frames: 9, place: a, first_frame: {}", "got neither image nor shot"),
        (
            "id: SH0020, frames: 9, place: a, first_frame: {image: a.png, shot: SH0010}",
            "got image and shot",
        ),
        (
            "id: SH0020, frames: 9, extend_of: SH0010, first_frame: {image: a.png}",
            "got extend_of as well",
        ),
        ("id: SH0020, frames: 9, prompt: p, place: park", "got place as well"),
        ("id: SH0020, frames: 9, place: a, aspects: [9:16]", "9:16: not delivered"),
        ("id: SH0020, frames: 9, place: a, transition: {frames: 4}", "got 4 frames of a cut"),
        (
            "id: SH0020, frames: 9, place: a, transition: {type: dissolve}",
            "a dissolve of 0 frames",
        ),
        ("id: SH0020, frames: 9, place: a, takes: 5", "expected at most gates.max_takes, 4"),
        ("id: SH0020, frames: 9, place: a, dialogue: [{who: max, line: Hi}]", "max: not in"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(entry, said):
    found = told(shots(GOOD, entry))
    assert len(found) == 1, found
    assert found[0][0] == 9
    assert said in found[0][1]


def test_a_circle_is_told_once_and_in_full():
    board = shots(
        "id: SH0010, frames: 9, place: a, extend_of: SH0030",
        "id: SH0020, frames: 9, first_frame: {shot: SH0010}, place: a",
        "id: SH0030, frames: 9, extend_of: SH0020",
    )
    ((line, text),) = told(board)
    assert line == 8
    assert "SEQ010/SH0010 -> SEQ010/SH0030 -> SEQ010/SH0020 -> SEQ010/SH0010" in text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("deliver: {aspects: [16:9, 16:9]}", "16:9 said 2 times"),
        ("deliver: {aspects: [16:9], size: [1000, 1000]}", "got 1000x1000"),
        ("deliver: {size: [333, 333]}", "expected even numbers"),
        ("world: {style: 'like @max'}", "@max: not in the cast"),
    ],
)
def test_what_is_wrong_with_the_show_is_told(more, said):
    ((line, text),) = told(shots(GOOD, more=more))
    assert line == 4
    assert said in text


@pytest.mark.parametrize("template", ["{seq}", "{seq}_{shot}_{take}", "{shot"])
def test_a_template_that_tells_shots_not_apart_is_told(template):
    head = HEAD.replace("{id: ep01}", f"{{id: ep01, template: '{template}'}}")
    ((line, _),) = told(shots(GOOD, "id: SH0020, frames: 9, place: b", head=head))
    assert line == 2


def test_files_of_one_name_are_told():
    head = HEAD.replace("{id: ep01}", "{id: ep01, template: '{shot}'}")
    board = located(
        "sequences:\n  - {id: SEQ010, shots: [{id: SH0010, frames: 9, place: a}]}\n"
        "  - {id: SEQ020, shots: [{id: sh0010, frames: 9, place: a}]}",
        head,
    )
    ((line, text),) = told(board)
    assert line == 6
    assert "as those of SEQ010/SH0010" in text


def test_two_sequences_of_one_id_are_told():
    board = located(
        "sequences:\n  - {id: SEQ010, shots: [{id: SH0010, frames: 9, place: a}]}\n"
        "  - {id: SEQ010, shots: [{id: SH0020, frames: 9, place: a}]}"
    )
    ((line, text),) = told(board)
    assert line == 6
    assert "id of line 5 too" in text


def test_a_shot_left_out_because_of_a_mistake_is_not_called_missing():
    board = shots("id: SH0010, frames: 9, place: [a]", "id: SH0020, frames: 9, extend_of: SH0010")
    assert len(board.mistakes) == 1
    assert check_board(board) == (
        *(x for x in check_board(board) if "says nothing of what is seen" in x.text),
    )


def test_who_is_named_is_in_the_shot_where_nobody_is_listed():
    board = shots("id: SH0010, frames: 9, action: '@tom and @mira nod'").board
    assert [person.id for person in people_in(board.sequences[0].shots[0])] == ["tom", "mira"]
