import dataclasses
import json
import subprocess
import sys

import pytest

from facekit.generation.hand_over import ChainRule
from facekit.generation.storyboard_plan import in_making_order, shot_seed
from tests.tiny.boards import plans, shots

TWO = "deliver: {aspects: [16:9, 9:16], handles: 2, size: [1920, 1080]}"


def one(entry, more="deliver: {handles: 0}", **changes):
    (shot,) = plans(shots(entry, more=more), **changes).values()
    return shot


def test_every_shot_is_planned_in_every_aspect():
    found = plans(
        shots(
            "id: SH0010, frames: 9, place: park",
            "id: SH0020, frames: 9, place: park, aspects: [9:16]",
            more=TWO,
        )
    )
    assert list(found) == ["SEQ010_SH0010", "SEQ010_SH0010_9x16", "SEQ010_SH0020_9x16"]
    wide, tall, _ = found.values()
    assert (wide.height, wide.width, wide.deliver_size) == (96, 176, (1920, 1080))
    assert (tall.height, tall.width, tall.deliver_size) == (176, 96, (1080, 1920))
    assert wide.seeds == tall.seeds


def test_prompts_call_characters_by_their_phrases():
    shot = one(
        "id: SH0010, frames: 9, size: CU, characters: [{id: mira, expression: sad}]",
        more="world: {place: kitchen, light: soft light, negative: text}",
    )
    assert shot.written_prompt == "close-up of @mira in the kitchen, sad, soft light"
    assert shot.prompt == "close-up of a person called mira in the kitchen, sad, soft light"
    assert (shot.kind, shot.negative_prompt) == ("close-up", "text")
    assert shot.characters[0].face_required


def test_regions_of_several_are_told_their_own_words():
    alone, both = plans(
        shots(
            "id: SH0010, frames: 9, prompt: '@mira smiling'",
            "id: SH0020, frames: 9, prompt: '@mira beside @tom'",
        )
    ).values()
    assert [person.regional_prompt for person in alone.characters] == [""]
    assert "regional_prompt" not in alone.characters[0].content()  # as fingerprints ever were
    assert [person.regional_prompt for person in both.characters] == [
        "a person called mira beside a person",
        "a person beside a person called tom",
    ]
    assert "regional_prompt" in both.characters[0].content()
    pair = shots("id: SH0010, frames: 9, prompt: '@mira beside @tom'")
    (whole,) = plans(pair, tells_regions=False).values()
    assert whole.regional_prompts == (), "a backbone that reads one prompt all over the picture"


def test_regions_and_strength_are_resolved():
    found = one(
        "id: SH0010, frames: 9, characters: [{id: mira, region: left, strength: [[0, 1],"
        " [8, 0.5]]}, {id: tom}]",
        more="deliver: {handles: 4}",
    ).characters
    mira, tom = found
    assert (mira.region, mira.box, tom.region, tom.box) == ("box", (0, 0, 0.5, 1), "auto", None)
    assert mira.strength == ((4, 1.0), (12, 0.5))  # drawn frames: the handle comes before
    assert mira.strengths(2, 5) == (1.0, 1.0, 1.0, 0.9375, 0.875)
    assert mira.strengths(12, 2) == (0.5, 0.5)
    assert tom.strengths(0, 2) == (0.5, 0.5)  # of the cast
    alone = one("id: SH0010, frames: 9, characters: [{id: tom, strength: 0.7, mask: a.png}]")
    assert (alone.characters[0].region, alone.characters[0].mask_digest) == ("mask", "e" * 64)
    everywhere = one("id: SH0010, frames: 9, action: '@tom nodding'").characters[0]
    assert (everywhere.region, everywhere.face_required) == ("everywhere", False)


def test_a_shot_goes_on_where_the_cut_of_the_other_ends():
    found = plans(
        shots(
            "id: SH0010, frames: 14, place: park",
            "id: SH0020, frames: 8, extend_of: SH0010",
            "id: SH0030, frames: 8, place: park, first_frame: {shot: SH0020, frame: 3}",
            more="deliver: {handles: 2}",
        )
    )
    first, second, third = found.values()
    assert (first.frames.head, first.frames.tail, first.frames.chunks) == (2, 0, (17,))
    assert (second.frames.head, second.frames.tail, second.frames.lead) == (0, 2, 1)
    assert second.extends.shot == "SEQ010_SH0010"
    assert second.extends.frame == 15  # the last delivered one; the 17th drawn frame is cut away
    assert (third.first_frame.shot, third.first_frame.frame) == ("SEQ010_SH0020", 4)
    assert third.depends_on == ("SEQ010_SH0020",)


def test_pictures_pin_both_ends():
    shot = one(
        "id: SH0010, frames: 9, place: park, first_frame: {image: a.png},"
        " last_frame: {image: b.png}",
        more="deliver: {handles: 8}",
    )
    assert shot.frames.chunks == (9,)
    assert (shot.first_frame.digest, shot.last_frame.digest) == ("e" * 64, "f" * 64)


def test_takes_differ_by_seed_alone():
    shot = one("id: SH0010, frames: 9, place: park, seed: 4101, takes: 3")
    assert shot.seeds == (4101, 4102, 4103)
    assert len({shot.fingerprint(seed, {}) for seed in shot.seeds}) == 3
    other = one("id: SH0010, frames: 9, place: park")
    assert other.seeds == (shot_seed("ep01", "SEQ010/SH0010"),)
    assert 0 <= other.seeds[0] < 2**31


def test_a_shots_own_gates_and_settings_go_before_the_shows():
    shot = one(
        "id: SH0010, frames: 9, place: park, gates: {swap: 2, identity: {p05: 0.4}},"
        " override: {engine: {num_inference_steps: 40}}",
        more="gates: {max_takes: 7, identity: {coverage: 0.9}}\n"
        "engine: {defaults: {num_inference_steps: 10, guidance_scale: 2, identity_guidance: 3}}",
    )
    assert (shot.gates.swap, shot.gates.max_takes) == (2, 7)
    assert (shot.gates.identity.p05, shot.gates.identity.coverage) == (0.4, 0.9)
    assert (shot.num_inference_steps, shot.guidance_scale, shot.passes) == (40, 2.0, 3)


def test_dialogue_and_notes_become_markers():
    shot = one(
        "id: SH0010, seconds: 2, place: park, dialogue: [{who: tom, line: Hi, at_s: 0.5}], note: N"
    )
    assert [(x.frame, x.name, x.text, x.kind) for x in shot.markers] == [
        (4, "tom", "Hi", "dialogue"),
        (0, "note", "N", "note"),
    ]


BASE = "id: SH0010, frames: 9, size: CU, characters: [{id: mira}], seed: 1"


@pytest.mark.parametrize(
    ("entry", "more", "facts"),
    [
        (BASE.replace("frames: 9", "frames: 13"), "", {}),
        (BASE.replace("CU", "MS"), "", {}),
        (BASE.replace("{id: mira}", "{id: mira, strength: 0.9}"), "", {}),
        (BASE.replace("{id: mira}", "{id: mira, region: left}"), "", {}),
        (BASE.replace("id: mira", "id: tom"), "", {}),
        (BASE + ", first_frame: {image: a.png}", "", {}),
        (BASE, "deliver: {aspects: [9:16], handles: 0}", {}),
        (BASE, "world: {negative: text}\ndeliver: {handles: 0}", {}),
        (BASE, "engine: {defaults: {guidance_scale: 4}}\ndeliver: {handles: 0}", {}),
        (BASE, "", {"digest": "c" * 64}),
        (BASE, "", {"fps": 16.0}),
    ],
)
def test_everything_that_decides_a_take_is_in_its_fingerprint(entry, more, facts):
    base = one(BASE).fingerprint(1, {})
    assert one(entry, more or "deliver: {handles: 0}", **facts).fingerprint(1, {}) != base


@pytest.mark.parametrize(
    ("entry", "more"),
    [
        (BASE + ", note: other, gates: {max_takes: 9}, takes: 2", "deliver: {handles: 0}"),
        (BASE.replace("frames: 9", "frames: 8"), "deliver: {handles: 0, start_frame: 1}"),
        (BASE, "deliver: {handles: 0, size: [512, 512], mezzanine: none}\nlabels: {visible: AI}"),
    ],
)
def test_what_does_not_decide_a_take_is_not(entry, more):
    assert one(entry, more).fingerprint(1, {}) == one(BASE).fingerprint(1, {})


def test_the_rule_is_in_the_fingerprint_where_frames_are_handed_on():
    chunks = one(BASE.replace("frames: 9", "frames: 30"))
    other = dataclasses.replace(ChainRule(), redraws=1)
    assert (chunks.hands_on, one(BASE).hands_on) == (True, False)
    for shot, is_same in ((chunks, False), (one(BASE), True)):
        changed = dataclasses.replace(shot, rule=other)
        assert (changed.fingerprint(1, {}) == shot.fingerprint(1, {})) is is_same
    continued = plans(shots(BASE, "id: SH0020, frames: 8, extend_of: SH0010"))
    assert [shot.is_continued for shot in continued.values()] == [True, False]
    assert [shot.hands_on for shot in continued.values()] == [False, True]


def test_the_take_that_is_gone_on_from_is_in_the_fingerprint():
    _, second = plans(
        shots("id: SH0010, frames: 9, place: park", "id: SH0020, frames: 8, extend_of: SH0010")
    ).values()
    prints = {second.fingerprint(1, {"SEQ010_SH0010": letter * 64}) for letter in "ab"}
    assert len(prints) == 2


def test_shots_are_made_after_those_that_they_go_on_from():
    found = tuple(
        plans(
            shots(
                "id: SH0010, frames: 9, extend_of: SH0030",
                "id: SH0020, frames: 9, place: park",
                "id: SH0030, frames: 9, extend_of: SH0040",
                "id: SH0040, frames: 9, place: park",
            )
        ).values()
    )
    order = [shot.shot for shot in in_making_order(found)]
    assert order == ["SH0040", "SH0030", "SH0010", "SH0020"]


def test_a_plan_is_plain_data():
    shot = one(BASE + ", first_frame: {image: a.png}")
    content = json.loads(json.dumps(shot.to_json()))
    assert content["frames"]["chunks"] == [9]
    names = {field.name for field in dataclasses.fields(shot)} - {"native_fps", "backbone"}
    assert names - {"passes"} <= content.keys()


def test_a_board_is_planned_without_torch(root):
    code = (
        "import sys\n"
        "import facekit.generation.storyboard_plan, facekit.generation.storyboard_feasible\n"
        "import facekit.generation.storyboard_csv, facekit.generation.storyboard_script\n"
        "import facekit.generation.timeline\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
