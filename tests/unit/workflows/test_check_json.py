import json
import re
from pathlib import Path

import numpy as np
import pytest

from facekit.curation.advice import advise
from facekit.curation.coverage import AXES
from facekit.curation.findings import Code
from facekit.recipe import load_recipe
from facekit.workflows.check import CheckReport, plan_check, run_check
from facekit.workflows.check_json import photos_to_json, rounded
from tests.tiny.faces import BLUE, RED, DiscFaces, draw_photo
from tests.tiny.photos import bad_photos, good_photos, write


@pytest.fixture
def report(tmp_path: Path) -> CheckReport:
    good_photos(tmp_path / "photos")
    bad_photos(tmp_path / "photos")
    image = draw_photo(RED, seed=40, size=(96, 240), centre=(0.7, 0.5), diameter_px=40)
    image = draw_photo(BLUE, size=(96, 240), centre=(0.25, 0.5), diameter_px=40, canvas=image)
    write(tmp_path / "photos" / "party.png", image)
    recipe = load_recipe("toon/train", ["photos.min_sharpness=0.2"])
    return run_check(
        plan_check([tmp_path / "photos"], recipe=recipe, allow=["too_dark"], out=tmp_path / "out"),
        faces=DiscFaces(),
    )


def test_everything_is_read_back(report: CheckReport):
    told = json.loads(json.dumps(report.to_json()))
    assert (told["accepted"], told["num_photos"]) == (True, len(told["photos"]))
    assert told["num_usable"] == sum(photo["usable"] for photo in told["photos"])
    for photo, verdict in zip(told["photos"], report.verdicts, strict=True):
        assert (photo["source"], photo["role"]) == (verdict.source, verdict.role)
        for part in ("findings", "allowed", "notes"):
            said = [finding.sentence for finding in getattr(verdict, part)]
            assert [finding["sentence"] for finding in photo[part]] == said
            assert {finding["code"] for finding in photo[part]} <= {code.value for code in Code}
        assert (photo["shows"] is not None) == verdict.usable
        assert (photo["face"] is None) == (verdict.face is None)
        if verdict.face is not None:
            np.testing.assert_allclose(
                photo["face"]["box_xyxy_px"], verdict.face.box_xyxy_px, atol=0.051
            )
            np.testing.assert_allclose(
                photo["face"]["landmarks_px"], verdict.face.landmarks_px, atol=0.051
            )
            assert photo["measured"]["sharpness"] > 0
            left, top, right, bottom = photo["face"]["box_xyxy_px"]
            middle = np.mean(photo["face"]["landmarks_px"], axis=0)
            assert left < middle[0] < right
            assert top < middle[1] < bottom
    nods = [photo["measured"]["nod_deg"] for photo in told["photos"] if photo["usable"]]
    assert abs(np.median(nods)) < 0.06
    assert [v["sentence"] for v in told["advice"]] == [
        advice.sentence for advice in report.inspection.advice
    ]
    held_out = load_recipe("toon/train").photos.holdout
    assert {v["code"] for v in told["advice"]} >= {
        advice.code for advice in advise(report.verdicts, held_out)
    }
    assert (told["dataset"], Path(told["report"]).name) == (str(report.dataset), "report.html")


def test_what_each_photo_shows_adds_up_to_the_coverage(report: CheckReport):
    told = json.loads(json.dumps(report.to_json()))
    coverage, shown = told["coverage"], [p["shows"] for p in told["photos"] if p["usable"]]
    for row, pitch in enumerate(coverage["pitch"]):
        for column, yaw in enumerate(coverage["yaw"]):
            count = sum((one["pitch"], one["yaw"]) == (pitch, yaw) for one in shown)
            assert coverage["grid"][row][column] == count
    for name in ("light", "distance", "expression"):
        for place, count in coverage[name].items():
            assert count == sum(one[name] == place for one in shown)
    names = {axis.name: axis.places for axis in AXES}
    for advice in told["advice"]:
        for axis, places in advice["missing"].items():
            assert set(places) <= set(names[axis])


def test_the_one_of_several_people_can_be_drawn(report: CheckReport):
    (photo,) = [p for p in report.to_json()["photos"] if p["source"].endswith("party.png")]
    assert photo["usable"]
    left, _, right, _ = photo["cut_xyxy_px"]
    assert (photo["size_px"], photo["turned_deg"]) == ([96, 240], 0)
    assert photo["people"][0] == photo["face"]
    other = photo["people"][1]["box_xyxy_px"]
    assert other[2] <= 1 or other[0] >= right - left - 1, "cut away"
    assert other[0] + left == pytest.approx(0.25 * 240 - 20, abs=2)
    (both,) = [p for p in report.to_json()["photos"] if p["source"].endswith("/two.png")]
    assert len(both["people"]) == 2
    assert both["face"] is both["cut_xyxy_px"] is None


def test_the_matrix_has_every_pair_of_faces(report: CheckReport):
    told = json.loads(json.dumps(report.to_json()))
    names = told["similarity"]["photos"]
    cosine = np.array(told["similarity"]["cosine"])
    assert cosine.shape == (len(names),) * 2
    np.testing.assert_allclose(cosine, cosine.T, atol=1e-3)
    np.testing.assert_allclose(np.diag(cosine), 1.0, atol=1e-3)
    faces = {photo["source"] for photo in told["photos"] if photo["face"] is not None}
    assert set(names) == faces
    by_name = {Path(name).name: row for name, row in zip(names, cosine, strict=True)}
    other = by_name["good_1.png"][[Path(name).name for name in names].index("stranger.png")]
    assert other < told["min_same_person"]


def test_best_views_are_numbered(report: CheckReport):
    told = report.to_json()
    ranks = {p["source"]: p["view"] for p in told["photos"] if p["view"] is not None}
    assert sorted(ranks, key=ranks.__getitem__) == told["views"]
    assert sorted(ranks.values()) == list(range(1, len(ranks) + 1))


def test_numbers_are_rounded(report: CheckReport):
    told = {key: value for key, value in report.to_json().items() if key != "manifest"}
    assert not re.findall(r"\d\.\d{5,}", json.dumps(told))
    assert rounded({"box_px": (1.26, 2), "cosine": [0.123456, None], "is": True}) == {
        "box_px": [1.3, 2],
        "cosine": [0.1235, None],
        "is": True,
    }
    assert photos_to_json(report.inspection)[0]["source"] == report.verdicts[0].source
