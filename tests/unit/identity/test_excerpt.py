from dataclasses import replace
from pathlib import Path

import numpy as np

from facekit.identity.excerpt import Excerpt
from facekit.identity.photo_set import PhotoSet
from tests.tiny.training import TinyFaces, face_in, make_photo

FACE = face_in(np.zeros((48, 48, 3), np.uint8))
EXCERPT = Excerpt(
    source="a.mp4@00:00.000",
    file=Path("a.mp4"),
    content="c" * 64,
    times_ms=(0, 125),
    size_px=(48, 48),
    faces=(FACE, None),
    photo=0,
)


def test_the_digest_knows_frames_faces_and_caption_and_not_where_the_clip_lies() -> None:
    changes = [
        {"content": "d" * 64},
        {"times_ms": (0, 250)},
        {"size_px": (48, 96)},
        {"faces": (FACE, FACE)},
        {"faces": (FACE.moved(1, 0), None)},
        {"sidecar": "in the park"},
    ]
    digests = {replace(EXCERPT, **change).digest for change in changes}  # type: ignore[arg-type]
    assert len(digests | {EXCERPT.digest}) == 7
    moved = replace(EXCERPT, source="b/a.mp4@00:00.000", file=Path("b/a.mp4"))
    assert moved.digest == EXCERPT.digest


def test_excerpts_tell_sets_of_photos_apart() -> None:
    photos = PhotoSet(train=tuple(make_photo(index, TinyFaces()) for index in range(2)))
    one = replace(photos, excerpts=(EXCERPT,))
    sets = [photos, one, replace(photos, excerpts=(replace(EXCERPT, photo=1),))]
    assert len({each.digest for each in sets}) == 3
    assert replace(one, excerpts=()).digest == photos.digest
