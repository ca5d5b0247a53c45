import itertools
from dataclasses import replace

import numpy as np

from facekit.curation.advice import advise, tell_people
from facekit.curation.coverage import AXES, PITCH, YAW, cover
from facekit.curation.findings import Code, Finding, Role, Verdict
from facekit.faces.quality import FaceQuality


def verdict(
    yaw: float = 0.0,
    brightness: float = 0.5,
    fraction: float = 0.4,
    role: Role = Role.TRAIN,
    pitch: float = 20.0,
    mouth: float = 1.0,
) -> Verdict:
    quality = FaceQuality(
        face_px=40,
        face_fraction=fraction,
        visible=1.0,
        sharpness=1.0,
        brightness=brightness,
        contrast=0.2,
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=0.0,
        burnt=0.0,
        black=0.0,
        mouth=mouth,
        score=0.9,
    )
    findings = (Finding(code=Code.BLURRED, sentence="x"),) if role is Role.REFUSED else ()
    return Verdict(source="a.png", role=role, quality=quality, findings=findings)


def codes(verdicts: list[Verdict], wanted: int = 0) -> set[str]:
    return {advice.code for advice in advise(verdicts, wanted)}


def test_a_varied_set_needs_no_advice():
    varied = [
        verdict(yaw, light, near, pitch=pitch, mouth=mouth)
        for yaw, light, near, pitch, mouth in zip(
            (-40, -20, 0, 5, 20, 40, 0, 0),
            [0.3, 0.5] * 4,
            [0.2, 0.4] * 4,
            (0, 20, 20, 20, 20, 40, 20, 20),
            [1.0, 1.2] * 4,
            strict=True,
        )
    ]
    assert codes(varied) == set()


def test_each_lack_is_named():
    assert codes([verdict()] * 4, 2) == {
        "few_photos",
        "few_held_out",
        "no_left",
        "no_right",
        "same_light",
        "same_distance",
        "same_expression",
    }
    assert "no_front" in codes([verdict(40), verdict(-40)])


def test_refused_photos_do_not_count():
    assert "no_left" in codes([verdict(), verdict(-40, role=Role.REFUSED)])
    assert codes([verdict(role=Role.REFUSED)]) == set()


def test_several_people_are_told_with_a_photo_of_each():
    assert tell_people(["a/1.png"], []) == tell_people([], [["b/1.png"]]) == ()
    (advice,) = tell_people(["a/1.png", "a/2.png"], [["b/3.png", "b/4.png"], ["c/5.png"]])
    assert (advice.code, advice.value) == ("several_people", 3)
    assert advice.sentence == (
        "the photos seem to show 3 people: the one in 1.png was taken (2 photos), not the one in"
        " 3.png (2), 5.png (1); check the photos of each person alone"
    )


def test_frames_of_one_clip_alone_judge_too_kindly():
    alone = [replace(verdict(), clip="a.mp4") for _ in range(4)]
    assert "one_clip" in codes(alone)
    assert "one_clip" not in codes([*alone, verdict()])
    assert "one_clip" not in codes([*alone, replace(verdict(), clip="b.mp4")])
    assert "one_clip" in codes([*alone, verdict(role=Role.REFUSED)])


def said(verdicts: list[Verdict]) -> dict[str, str]:
    return {advice.code: advice.sentence for advice in advise(verdicts, 0)}


def test_what_to_add_is_told_in_plain_words():
    told = said([verdict()] * 4)
    assert told["few_photos"] == ("4 usable photos, 8 or more give a better likeness; add: 4 more")
    assert told["no_left"].endswith("; add: left three-quarter, low light")
    assert told["no_right"].endswith("; add: right three-quarter"), "low light is asked for once"
    assert told["same_light"] == (
        "all photos are in middle light; add: in low light, in bright light"
    )
    assert told["same_distance"] == (
        "all photos are from a middle distance; add: from far away, from near"
    )
    assert told["same_expression"] == (
        "all mouths are equally wide; add: wide mouth (a smile), narrow mouth (serious)"
    )
    assert said([verdict(-50), verdict(0, 0.2), verdict(20)])["missing_view"] == (
        "left profiles alone; add: left three-quarter"
    )
    assert said([verdict()])["few_photos"].startswith("1 usable photo, ")


def test_nods_are_asked_for_in_a_good_set_alone():
    assert "missing_view" not in said([verdict()] * 7)
    sentences = [a.sentence for a in advise([verdict()] * 8, 0) if a.code == "missing_view"]
    assert sentences == [
        "no head looks up; add: front, looking up",
        "no head looks down; add: front, looking down",
    ]


def test_what_is_asked_for_is_empty_in_the_grid():
    """With edges of its own, the advice named places that the grid showed as taken."""
    rng = np.random.default_rng(0)
    names = {axis.name: axis.places for axis in AXES}
    asked = 0
    for count, _ in itertools.product(range(1, 12), range(30)):
        wide = rng.uniform(0.0, 1.0, 5)
        usable = [
            verdict(*(middle + wide[:3] * rng.uniform(-reach, reach)), pitch=pitch, mouth=mouth)
            for middle, reach, pitch, mouth in [
                (
                    np.array([0.0, 0.45, 0.35]),
                    np.array([50.0, 0.3, 0.25]),
                    20.0 + wide[3] * rng.uniform(-30, 30),
                    1.0 + wide[4] * rng.uniform(-0.2, 0.2),
                )
                for _ in range(count)
            ]
        ]
        shown = cover([v.quality for v in usable if v.quality is not None])
        for advice in advise(usable, 0):
            for axis, places in advice.missing.items():
                assert set(places) <= set(names[axis])
                if axis not in ("yaw", "pitch"):
                    assert not any(shown.counts[axis][place] for place in places)
            for pitch, yaw in itertools.product(
                advice.missing.get("pitch", ()), advice.missing.get("yaw", ())
            ):
                assert not shown.grid[PITCH.places.index(pitch)][YAW.places.index(yaw)]
                asked += 1
    assert asked > 100
