"""Who is who in a clip, on drawn characters with the shipped report encoder."""

import numpy as np
import pytest

from facekit.errors import UsageError
from facekit.evaluation.cast_tracks import track_cast
from facekit.faces.vendors import load_faces
from tests.tiny.drawn_cast import FRAMES, cast_of, drawn


def test_everybody_is_known() -> None:
    tracks = track_cast(drawn("mira", "tom"), cast_of("ines", "mira", "tom"), load_faces("toon-b"))

    assert [track.match for track in tracks] == ["mira", "tom"]
    assert all(track.frames == tuple(range(FRAMES)) for track in tracks)
    assert tracks[0].shares_frames(tracks[1])
    assert tracks[0].boxes_xyxy_px[:, 2].max() < tracks[1].boxes_xyxy_px[:, 2].min()
    means = tracks[0].means_C()
    assert means is not None
    assert means[1] > 0.6 > 0.35 > max(means[0], means[2])


def test_a_stranger_is_nobody() -> None:
    cast = cast_of("mira", "tom")
    tracks = track_cast(drawn("mira", "stranger"), cast, load_faces("toon-b"))
    assert [track.match for track in tracks] == ["mira", None]
    assert tracks[1].nearest is not None
    strict = track_cast(drawn("mira", "stranger"), cast, load_faces("toon-b"), floor=1.0)
    assert [track.match for track in strict] == [None, None]


def test_two_faces_at_once_are_not_one_person() -> None:
    tracks = track_cast(drawn("mira", "mira"), cast_of("mira"), load_faces("toon-b"))
    assert sorted(str(track.match) for track in tracks) == ["None", "mira"]


def test_a_face_that_cannot_be_aligned_is_seen_and_not_scored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from facekit.errors import AlignmentError

    def refuse(*_: object, **__: object) -> None:
        raise AlignmentError("no face")

    monkeypatch.setattr("facekit.evaluation.cast_tracks.align", refuse)
    (track,) = track_cast(drawn("mira"), cast_of("mira"), load_faces("toon-b"))
    assert set(track.statuses) == {"occluded"}
    assert (track.match, track.nearest, track.means_C()) == (None, None, None)
    assert np.isnan(track.similarities_FC).all()


def test_a_cast_without_fitting_photos_is_refused() -> None:
    with pytest.raises(UsageError, match="no cast given"):
        track_cast(drawn("mira"), {}, load_faces("toon-b"))
    wrong = {"mira": cast_of("mira")["mira"][:, :3]}
    with pytest.raises(UsageError, match="mira: embeddings have shape"):
        track_cast(drawn("mira"), wrong, load_faces("toon-b"))
