import pytest

from facekit.generation.storyboard_feasible import check_feasible
from tests.tiny.boards import backbone, cast_facts, shots

GOOD = "id: SH0010, frames: 9, place: park"


def told(board, *, has_identity=True, keeps_to_region=True, **changes):
    assert board.mistakes == ()
    cast = cast_facts(has_identity=has_identity, keeps_to_region=keeps_to_region)
    found = check_feasible(board, backbone(**changes), cast)
    return [(board.where.line(x.path), x.text) for x in found]


def test_what_can_be_done_is_not_told():
    board = shots(
        GOOD,
        "id: SH0020, frames: 50, extend_of: SH0010",
        "id: SH0030, frames: 12, place: park, transition: {type: dissolve, frames: 8}",
        more="deliver: {handles: 4}",
    )
    assert told(board) == []


@pytest.mark.parametrize(
    ("entry", "facts", "said"),
    [
        (
            "id: SH0020, frames: 3, extend_of: SH0010",
            {"begins_with_picture": False},
            "expected no extend_of",
        ),
        (
            "id: SH0020, frames: 3, place: a, first_frame: {image: a.png}",
            {"begins_with_picture": False},
            "expected no first_frame",
        ),
        (
            "id: SH0020, frames: 18, place: a",
            {"begins_with_picture": False},
            "18 frames with handles are 18 drawn frames, expected at most 17",
        ),
        (
            "id: SH0020, frames: 3, place: a, last_frame: {image: a.png}",
            {"ends_with_picture": False},
            "cannot end with a given picture",
        ),
        (
            "id: SH0020, frames: 7, place: a, first_frame: {image: a.png},"
            " last_frame: {image: b.png}",
            {},
            "7 drawn frames, expected as many as can be drawn without a rest: 4 * n + 1",
        ),
        (
            "id: SH0020, frames: 3, place: a, first_frame: {shot: SH0010, frame: 9}",
            {},
            "got 9, expected 0 to 8",
        ),
        (
            "id: SH0020, seconds: 1, characters: [{id: mira, strength: [[0, 1], [8, 1]]}]",
            {},
            "keyframe 8 of 8 frames",
        ),
        (
            "id: SH0020, seconds: 1, place: a, dialogue: [{who: tom, line: Hi, at_s: 1}]",
            {},
            "expected less than the 1 s of the cut",
        ),
        (
            "id: SH0020, frames: 8, place: a, transition: {type: dissolve, frames: 8}",
            {},
            "uses 4 of this shot's 0 frames of handle and 4 of the 0 of SEQ010/SH0010",
        ),
        (
            "id: SH0020, frames: 3, place: a, override: {engine: {identity_guidance: 2,"
            " guidance_scale: 1}}",
            {},
            "expected a guidance_scale above 1",
        ),
        (
            "id: SH0020, frames: 3, place: a, override: {engine: {num_inference_steps: 1}}",
            {"min_inference_steps": 2},
            "got 1, expected 2 or more",
        ),
    ],
)
def test_what_cannot_be_done_is_told_with_its_line(entry, facts, said):
    found = told(shots(GOOD, entry, more="deliver: {handles: 0}"), **facts)
    assert [line for line, _ in found] == [9], found
    assert said in found[0][1]


def test_a_backbone_that_begins_with_a_picture_must_get_one():
    found = told(
        shots(GOOD, "id: SH0020, frames: 3, extend_of: SH0010", more="deliver: {handles: 0}"),
        needs_picture=True,
    )
    assert [line for line, _ in found] == [8]


def test_other_aspects_than_those_of_the_shot_before_are_told():
    board = shots(
        GOOD + ", aspects: [16:9]",
        "id: SH0020, frames: 3, extend_of: SH0010, aspects: [16:9, 9:16]",
        more="deliver: {aspects: [16:9, 9:16]}",
    )
    ((line, text),) = told(board)
    assert (line, "is not made in 9:16" in text) == (9, True)


PLACED = (
    "id: SH0010, frames: 9, characters: [{id: mira, region: left}]",
    "id: SH0020, frames: 9, characters: [{id: mira}, {id: tom}]",
    "id: SH0030, frames: 9, characters: [{id: mira, strength: [[0, 1]]}]",
    "id: SH0040, frames: 9, characters: [{id: mira, strength: 0.5}]",
)


def test_a_plain_lora_keeps_to_its_region_and_has_one_strength():
    ((line, text),) = told(shots(*PLACED), has_identity=False)
    assert (line, text) == (10, "mira: a plain LoRA has one strength, expected no keyframes")


def test_a_lora_that_cannot_be_kept_to_a_region_is_told_where_there_is_one():
    found = told(shots(*PLACED), keeps_to_region=False)
    assert [line for line, _ in found] == [8, 9]
    assert "mira, tom: in a region, where a LoRA cannot be kept on toon" in found[1][1]


@pytest.mark.parametrize("where", ["show", "shot"])
def test_identity_guidance_of_nobody_but_plain_loras_is_told(where):
    entry, more = "id: SH0010, frames: 9, characters: [{id: mira}]", None
    if where == "show":
        more = "engine: {defaults: {identity_guidance: 2}}"
    else:
        entry += ", override: {engine: {identity_guidance: 2}}"
    board = shots(GOOD.replace("SH0010", "SH0005"), entry, more=more or "world: {}")
    ((line, text),) = told(board, has_identity=False)
    assert (line, "mira: a plain LoRA has no identity branch" in text) == (9, True)
    assert told(board) == []


@pytest.mark.parametrize(
    ("more", "facts", "said"),
    [
        ("deliver: {timecode: 01:00:00:08}", {}, "at 8 fps"),
        ("deliver: {timecode: 24:00:00:00}", {}, "expected a time of day"),
        ("deliver: {aspects: [9:16]}", {"sizes": {"1:1": (8, 8), "9:16": (8, 8)}}, ""),
        ("deliver: {aspects: [9:16]}", {"sizes": {"1:1": (8, 8)}}, "no size for it"),
        (
            "engine: {defaults: {identity_guidance: 2}}",
            {"guides_in_two_passes": False},
            "no pass without the prompt",
        ),
    ],
)
def test_what_the_show_cannot_do_is_told(more, facts, said):
    found = told(shots(GOOD, more=more), **facts)
    assert [line for line, _ in found] == ([4] if said else [])
    assert all(said in text for _, text in found)


@pytest.mark.parametrize(
    ("deliver", "said"),
    [
        ("review: none, mezzanine: none", "expected one of them, for the timeline names a movie"),
        ("size: [97, 97]", "got 97x97, expected even sides"),
        ("fps: 29.97, timecode: '00:01:00:00'", "got 00:01:00:00, expected a time of day at 29.97"),
        ("fps: 12.5, timecode: '00:00:00:13'", "expected a time of day at 12.5 fps"),
    ],
)
def test_what_cannot_be_delivered_is_told(deliver, said):
    (found,) = told(shots(GOOD, more=f"deliver: {{{deliver}}}"))
    assert said in found[1]


@pytest.mark.parametrize(
    ("fps", "said"),
    [
        (23.97, ["got 23.97, expected 23.976, which means 24000/1001"]),
        (29.98, ["got 29.98, expected 29.97, which means 30000/1001"]),
        (12.5, []),
        (23.98, []),
        (0.01, []),
    ],
)
def test_a_rate_beside_one_that_editors_know_is_a_mistake(fps, said):
    board = shots(GOOD, more=f"deliver: {{fps: {fps}, handles: 0}}")
    assert [text for _, text in told(board)] == said
