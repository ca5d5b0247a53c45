import pytest

from facekit.curation.coverage import (
    AXES,
    PITCH,
    YAW,
    Axis,
    count_places,
    cover,
    find_places,
    usual_pitch_deg,
)
from facekit.faces.quality import FaceQuality


def quality(**given: float) -> FaceQuality:
    usual = {
        "face_px": 40.0,
        "face_fraction": 0.4,
        "visible": 1.0,
        "sharpness": 0.8,
        "brightness": 0.5,
        "contrast": 0.2,
        "yaw_deg": 0.0,
        "pitch_deg": 20.0,
        "roll_deg": 0.0,
        "burnt": 0.0,
        "black": 0.0,
        "mouth": 1.0,
        "score": 0.9,
    }
    return FaceQuality(**(usual | given))


def test_turns_have_names():
    assert [YAW.place(yaw) for yaw in (-60, -30, 0, 14, 16, 41)] == [
        "left profile",
        "left three-quarter",
        "front",
        "front",
        "right three-quarter",
        "right profile",
    ]


def test_photos_are_counted_in_a_grid_beside_their_own_middle():
    for offset in (0.0, 30.0):  # how long the face is
        pitches = [offset + pitch for pitch in (-20.0, 0.0, 0.0, 0.0, 15.0)]
        yaws = (0.0, -30.0, 0.0, 50.0, 0.0)
        grid = cover(
            [
                quality(yaw_deg=yaw, pitch_deg=pitch)
                for yaw, pitch in zip(yaws, pitches, strict=True)
            ]
        ).grid
        assert dict(zip(PITCH.places, grid, strict=True)) == {
            "up": (0, 0, 1, 0, 0),
            "level": (0, 1, 1, 0, 1),
            "down": (0, 0, 1, 0, 0),
        }


def test_light_distance_and_mouths_are_counted():
    shown = cover(
        [
            quality(brightness=0.2, face_fraction=0.1, mouth=1.2),
            quality(brightness=0.7, face_fraction=0.6),
            quality(),
        ]
    )
    assert shown.counts["light"] == {"low": 1, "middle": 1, "bright": 1}
    assert shown.counts["distance"] == {"far": 1, "middle": 1, "near": 1}
    assert shown.counts["expression"] == {"narrow": 0, "usual": 2, "wide": 1}


def test_no_photo_covers_nothing():
    assert sum(map(sum, cover([]).grid)) == 0
    assert cover([]).to_json()["light"] == {"low": 0, "middle": 0, "bright": 0}


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.name)
def test_an_edge_belongs_to_the_place_behind_it(axis: Axis):
    assert len(axis.places) == len(axis.edges) + 1
    assert list(axis.edges) == sorted(axis.edges)
    assert [axis.place(edge) for edge in axis.edges] == list(axis.places[1:])
    assert [axis.place(edge - 1e-6) for edge in axis.edges] == list(axis.places[:-1])


def test_some_photos_are_counted_beside_the_middle_of_all():
    """Held-out photos alone have another middle, and would stand in another row."""
    shown = find_places([quality(pitch_deg=pitch) for pitch in (0.0, 0.0, 0.0, 30.0)])
    assert [one["pitch"] for one in shown] == ["level", "level", "level", "down"]
    assert count_places(shown[3:]).grid == ((0,) * 5, (0,) * 5, (0, 0, 1, 0, 0))


def test_the_middle_nod_is_that_of_the_set():
    assert usual_pitch_deg([quality(pitch_deg=pitch) for pitch in (3.0, 9.0, 50.0)]) == 9.0
    assert usual_pitch_deg([]) == 0.0
