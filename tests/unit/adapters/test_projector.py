"""Embeddings to tokens."""

import pytest
import torch

from facekit.adapters.projector import PerceiverResampler
from tests.tiny.backbones import EMBEDDING_DIM, embeddings


def projector(pool: str = "mean", **options: int) -> PerceiverResampler:
    torch.manual_seed(0)
    sizes = {"num_tokens": 4, "depth": 2, "heads": 2, "context_tokens": 4, "max_photos": 5}
    return PerceiverResampler(EMBEDDING_DIM, 12, pool=pool, **(sizes | options))  # type: ignore[arg-type]


def test_a_mean_gives_the_same_number_of_tokens_for_any_number_of_photos() -> None:
    net = projector()
    for photos in (1, 3):
        assert net(embeddings(batch=2, photos=photos)).shape == (2, 4, 12)


def test_concat_gives_tokens_per_photo_up_to_the_limit() -> None:
    net = projector("concat", max_photos=3)
    assert net(embeddings(photos=2)).shape == (1, 8, 12)
    assert net(embeddings(photos=5)).shape == (1, 12, 12)


def test_concat_takes_the_photos_of_the_highest_weight_in_their_order() -> None:
    net, photos = projector("concat", max_photos=2), embeddings(photos=3)
    weights = torch.tensor([[0.9, 0.1, 0.5]])
    torch.testing.assert_close(net(photos, weights), net(photos[:, [0, 2]]))


def test_weights_decide_the_mean() -> None:
    net, photos = projector(), embeddings(photos=3)
    weights = torch.tensor([[0.0, 2.0, 0.0]])
    torch.testing.assert_close(net(photos, weights), net(photos[:, 1]))


def test_the_order_of_photos_does_not_matter_to_the_mean() -> None:
    net, photos = projector(), embeddings(photos=3)
    torch.testing.assert_close(net(photos), net(photos.flip(1)))


def test_different_people_get_different_tokens() -> None:
    net = projector()
    assert not torch.allclose(net(embeddings(seed=1)), net(embeddings(seed=2)))


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2, 7\), expected \(batch, photos, 8\)"):
        projector()(torch.zeros(1, 2, 7))
    with pytest.raises(ValueError, match="divisor"):
        projector(heads=5)
    with pytest.raises(ValueError, match="'mean' or 'concat'"):
        projector("median")
