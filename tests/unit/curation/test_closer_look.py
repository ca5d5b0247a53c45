import numpy as np
import pytest

from benchmarks.planted import CLEAN, TUNING_SEED, plant
from facekit.curation.closer_look import explain_no_face, look_closer, whole_face
from facekit.curation.findings import Code
from facekit.faces.toon import load_toon_faces
from facekit.recipe import PhotosSection
from facekit.types import Image

SEEDS = range(TUNING_SEED + 210, TUNING_SEED + 214)


def _codes(image: Image) -> list[Code]:
    hidden = look_closer(image, load_toon_faces("toon-a"))
    return [finding.code for finding in explain_no_face(hidden, PhotosSection())]


@pytest.mark.parametrize(
    ("kind", "code"),
    [("dark", Code.TOO_DARK), ("cut off", Code.CUT_OFF), ("small", Code.TOO_SMALL)],
)
def test_what_hides_a_face_from_the_detector_is_told(kind: str, code: Code):
    told = [_codes(plant(kind, seed)) for seed in SEEDS]
    assert sum(codes == [code] for codes in told) >= 2, told


def test_nothing_is_told_of_a_place_without_anybody():
    assert all(_codes(plant("nobody", seed)) == [] for seed in SEEDS)


def test_what_the_rules_let_pass_explains_nothing():
    hidden = look_closer(plant("dark", SEEDS[0]), load_toon_faces("toon-a"))
    assert hidden.light is not None
    lenient = PhotosSection(min_exposure=0.0, max_black=1.0)
    assert explain_no_face(hidden, lenient) == ()
    (reason,) = explain_no_face(hidden, PhotosSection())
    assert reason.value == hidden.light.brightness


def test_a_narrow_picture_is_looked_at_too():
    assert _codes(np.full((1, 40, 3), 128, np.uint8)) == []


def test_a_sure_face_and_one_inside_stay_as_they_are():
    faces = load_toon_faces("toon-a")
    image = plant(CLEAN, SEEDS[0])
    (face,) = faces.detect([image])[0]
    assert whole_face(image, face, faces) is face


def test_a_face_behind_a_border_is_measured_whole():
    """The picture ends inside the face, which goes on where the picture is continued."""
    faces = load_toon_faces("toon-a")
    for seed in SEEDS:
        image = plant(CLEAN, seed)
        (face,) = faces.detect([image])[0]
        x0, _, x1, _ = face.box_xyxy_px
        cut = np.ascontiguousarray(image[:, round(float(0.7 * x0 + 0.3 * x1)) :])
        for part in faces.detect([cut])[0][:1]:
            whole = whole_face(cut, part, faces)
            assert whole.width_px >= 0.9 * part.width_px
