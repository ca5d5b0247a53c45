"""What tracks say about a cast: `identity.json`, events and a verdict."""

import dataclasses
import json

import numpy as np
import pytest

from facekit.evaluation.cast_report import CastReport, report_cast
from facekit.evaluation.cast_tracks import CastTrack
from facekit.evaluation.tracks import ScoringRules
from facekit.faces.vendors import load_faces
from facekit.types import Clip
from tests.tiny.drawn_cast import FRAMES, cast_of, drawn

LEFT = np.zeros((1, 2, 2), np.float32)
LEFT[..., 0] = 1
PLACES = {"mira": LEFT, "tom": 1 - LEFT}


def report(clip: Clip, *cast: str, **options: object) -> CastReport:
    return report_cast(clip, cast_of(*cast), load_faces("toon-b"), **options)  # type: ignore[arg-type]


def test_the_right_people_in_their_places_pass() -> None:
    found = report(drawn("mira", "tom"), "mira", "tom", "ines", masks_FHW=PLACES, start_frame=1001)

    assert dict(found.places) == {"mira": 0, "tom": 1}
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    first, second = told["tracks"]
    assert [entry[0] for entry in first["frames"]] == list(range(1001, 1001 + FRAMES))
    assert first["p50"] > 0.6 > 0.35 > first["runner_up"]["p95"]
    assert abs(first["slope_per_s"]) < 1
    assert second["changes"] == []
    assert told["wrong_person"] == told["swaps"] == told["doubles"] == []
    assert (told["missing"], told["verdict"]) == (["ines"], "fail")
    assert [face["match"] for face in found.faces()] == ["mira", "tom"]
    assert report(drawn("mira", "tom"), "mira", "tom", masks_FHW=PLACES).verdict == "pass"


def test_places_that_are_swapped_are_told() -> None:
    found = report(drawn("tom", "mira"), "mira", "tom", masks_FHW=PLACES)

    assert found.swaps == (("mira", "tom"),)
    assert found.to_json()["reasons"] == ["fail: mira and tom are swapped"]


def test_a_stranger_in_somebodys_place_is_told() -> None:
    found = report(drawn("mira", "stranger"), "mira", "tom", masks_FHW=PLACES)

    assert found.to_json()["wrong_person"] == [{"place": "tom", "track": 1, "match": None}]
    assert ("fail", "a stranger is where tom should be") in found.reasons
    assert found.to_json()["unmatched_faces"] == 1


def test_one_person_twice_is_told() -> None:
    found = report(drawn("mira", "mira"), "mira")

    assert [name for _, name in found.doubles] == ["mira"]
    assert found.reasons == (("fail", "mira is there twice"),)


def test_where_nothing_can_be_judged_somebody_has_to_look() -> None:
    clip = drawn("mira")
    blank = dataclasses.replace(clip, frames=np.full_like(clip.frames, 120))
    found = report(blank, "mira")
    assert (found.tracks, found.verdict) == ((), "review")
    assert found.reasons == (("review", "mira was not found"),)

    small = report(clip, "mira", rules=ScoringRules(min_face_px=1000.0))
    assert small.verdict == "review"
    (track,) = json.loads(json.dumps(small.to_json()))["tracks"]
    assert track["frames"][0] == [0, None, "too_small"]
    assert (track["p50"], track["match"], track["runner_up"]) == (None, None, None)


def test_a_face_that_is_rarely_scorable_has_to_be_looked_at() -> None:
    found = report(drawn("mira"), "mira")
    (track,) = found.tracks
    rare = dataclasses.replace(track, statuses=("scored", *["profile"] * (FRAMES - 1)))
    looked = dataclasses.replace(found, tracks=(rare,))
    assert looked.reasons == (("review", "track 0 (mira): 20% scorable"),)


@pytest.mark.parametrize(
    ("who", "changes"),
    [("mmmttt", [3]), ("mmtmmm", []), ("mmmmmt", []), ("mmttmm", [2, 4]), ("m?mttt", [3])],
)
def test_a_change_counts_from_its_second_frame_on(who: str, changes: list[int]) -> None:
    """One frame may slip; what lasts is somebody else."""
    similar = {"m": (0.8, 0.1), "t": (0.1, 0.7), "?": (0.1, 0.2)}
    count = len(who)
    track = CastTrack(
        frames=tuple(range(count)),
        statuses=("scored",) * count,
        boxes_xyxy_px=np.tile(np.array([0, 0, 9, 9], np.float32), (count, 1)),
        similarities_FC=np.array([similar[one] for one in who], np.float32),
        match="mira",
        nearest="mira",
    )
    found = CastReport(
        encoder="toon-b",
        floor=0.35,
        cast=("mira", "tom"),
        fps=8.0,
        start_frame=0,
        tracks=(track,),
        places={},
    )
    (told,) = json.loads(json.dumps(found.to_json()))["tracks"]
    assert told["changes"] == changes
