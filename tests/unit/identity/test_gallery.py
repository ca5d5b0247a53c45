import numpy as np
import pytest

from facekit.errors import NoFaceFound, SeveralFacesFound
from facekit.identity.gallery import Gallery, build_gallery
from facekit.types import IdentityEmbedding
from tests.tiny.faces import BLUE, RED, DiscFaces, draw_photo


def embedding(vector: list[float], encoder: str = "discs@1") -> IdentityEmbedding:
    return IdentityEmbedding(vector=np.array(vector, np.float32), encoder=encoder)


def test_a_gallery_is_built_from_pictures():
    images = [draw_photo(RED, seed=seed, turn=seed / 8 - 0.3) for seed in range(4)]
    gallery = build_gallery(images, [f"{i}.png" for i in range(4)], DiscFaces())
    assert len(gallery) == 4
    assert gallery.vectors.shape == (4, DiscFaces.dim)
    assert gallery.encoder == f"discs@{DiscFaces.digest[:12]}"
    assert gallery.sources == ("0.png", "1.png", "2.png", "3.png")
    assert np.linalg.norm(gallery.mean()) == pytest.approx(1.0, abs=1e-6)
    assert (gallery.vectors @ gallery.mean()).min() > 0.95


def test_better_photos_count_more():
    gallery = Gallery(
        embeddings=(embedding([1, 0]), embedding([0, 1])),
        sources=("a", "b"),
        quality=(1.0, 0.25),
    )
    np.testing.assert_allclose(gallery.mean(), np.array([4, 1]) / 17**0.5, atol=1e-6)


def test_a_picture_without_exactly_one_face_is_named():
    faces, two = DiscFaces(), draw_photo(BLUE, size=(96, 176), centre=(0.2, 0.5))
    two = draw_photo(RED, size=(96, 176), centre=(0.8, 0.5), diameter_px=36, canvas=two)
    with pytest.raises(NoFaceFound, match=r"empty.png: no face found in 96x96"):
        build_gallery([draw_photo(None)], ["empty.png"], faces)
    with pytest.raises(SeveralFacesFound, match=r"two.png: 2 faces"):
        build_gallery([two], ["two.png"], faces)
    (among,) = build_gallery([two], ["two.png"], faces, among=True).vectors
    (blue,) = build_gallery([draw_photo(BLUE)], ["blue.png"], faces).vectors
    assert among @ blue > 0.95, "the larger one"


@pytest.mark.parametrize(
    ("encoders", "quality"), [(("a", "b"), (1.0, 1.0)), (("a", "a"), (1.0, 0.0)), ((), ())]
)
def test_a_broken_gallery_is_refused(encoders, quality):
    embeddings = tuple(embedding([1, 0], name) for name in encoders)
    with pytest.raises(ValueError, match="expected"):
        Gallery(embeddings=embeddings, sources=tuple(encoders), quality=quality)
