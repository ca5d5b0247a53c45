from dataclasses import replace
from pathlib import Path

import pytest

from facekit.errors import PhotosRefused
from facekit.faces.align import align
from facekit.identity.gallery import embed_crops
from facekit.identity.photo_set import Photo, PhotoSet
from tests.tiny.faces import RED, DiscFaces, draw_photo


def photo(seed: int) -> Photo:
    image = draw_photo(RED, seed=seed)
    faces = DiscFaces()
    (face,) = faces.detect([image])[0]
    crop = align(image, face, size_px=faces.crop_size_px, margin=faces.crop_margin)
    (embedding,) = embed_crops([crop], faces)
    return Photo(
        source=f"{seed}.png",
        file=Path(f"{seed}.png"),
        image=image,
        face=crop.face,
        crop=crop,
        embedding=embedding.vector,
    )


def test_both_sides_are_seen_and_embeddings_are_of_the_trained_side():
    photos = PhotoSet(train=(photo(0), photo(1)), held_out=(photo(2),), encoder="discs@1")
    assert [p.source for p in photos.photos] == ["0.png", "1.png", "2.png"]
    assert [e.encoder for e in photos.embeddings] == ["discs@1"] * 2


def test_the_digest_knows_pixels_captions_and_the_split():
    a, b = photo(0), photo(1)
    digest = PhotoSet(train=(a, b)).digest
    assert PhotoSet(train=(photo(0), photo(1))).digest == digest
    others = [
        PhotoSet(train=(a,), held_out=(b,)),
        PhotoSet(train=(b, a)),
        PhotoSet(train=(replace(a, sidecar="x"), b)),
        PhotoSet(train=(a, photo(2))),
    ]
    assert digest not in {other.digest for other in others}


def test_an_empty_set_and_a_photo_on_both_sides_are_refused():
    with pytest.raises(PhotosRefused, match="0 photos to train on"):
        PhotoSet(train=())
    with pytest.raises(PhotosRefused, match=r"0.png: both"):
        PhotoSet(train=(photo(0),), held_out=(photo(0),))
