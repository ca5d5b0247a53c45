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


def test_the_digest_knows_pixels_captions_the_split_and_who_masks():
    a, b = photo(0), photo(1)
    digest = PhotoSet(train=(a, b)).digest
    assert PhotoSet(train=(photo(0), photo(1))).digest == digest
    others = [
        PhotoSet(train=(a,), held_out=(b,)),
        PhotoSet(train=(b, a)),
        PhotoSet(train=(replace(a, sidecar="x"), b)),
        PhotoSet(train=(a, photo(2))),
        PhotoSet(train=(a, b), masks="bisenet@0123456789ab"),
    ]
    assert digest not in {other.digest for other in others}


def test_an_empty_set_and_a_photo_on_both_sides_are_refused():
    with pytest.raises(PhotosRefused, match="0 photos to train on"):
        PhotoSet(train=())
    with pytest.raises(PhotosRefused, match=r"0.png: both"):
        PhotoSet(train=(photo(0),), held_out=(photo(0),))


def test_the_best_are_the_views_and_then_the_others_by_quality():
    train = tuple(replace(photo(seed), quality=q) for seed, q in enumerate((0.2, 0.9, 0.5, 0.7)))
    photos = PhotoSet(train=train, views=(2, 0))
    assert [photos.best(count) for count in range(1, 6)] == [
        (2,),
        (0, 2),
        (0, 1, 2),
        (0, 1, 2, 3),
        (0, 1, 2, 3),
    ]
    assert PhotoSet(train=train).best(2) == (1, 3)


@pytest.mark.parametrize("views", [(0, 0), (1,), (-1,)])
def test_views_that_are_no_photos_are_refused(views: tuple[int, ...]):
    with pytest.raises(ValueError, match="expected each at most once and below 1"):
        PhotoSet(train=(photo(0),), views=views)
