"""Regions as they are said, and as masks on latent tokens."""

from pathlib import Path

import numpy as np
import pytest
import torch

from facekit.backbones import get_spec
from facekit.errors import UsageError
from facekit.generation.named_regions import NAMED_REGIONS
from facekit.generation.regions import CELLS, box_region, make_masks, parse_region, region_between
from facekit.media.images import write_image
from facekit.types import Shot

TOON = get_spec("toon")


def shot(width: int = 96, num_frames: int = 9) -> Shot:
    return Shot(
        name="s", prompt="", seed=0, num_frames=num_frames, height=96, width=width, kind="unknown"
    )


def on_tokens(mask: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.avg_pool2d(mask, CELLS)


def test_left_and_right_share_the_picture() -> None:
    masks = make_masks({"mira": parse_region("left"), "tom": parse_region("right")}, shot(), TOON)

    left = on_tokens(masks["mira"])
    assert left.shape == (3, 6, 6)
    assert left[:, :, :3].min() == 1
    assert left[:, :, 3:].max() == 0
    assert torch.equal(masks["mira"] + masks["tom"], torch.ones_like(masks["tom"]))


def test_a_token_on_the_border_belongs_to_both_in_part() -> None:
    """A wide picture has eleven tokens, so the sixth one is halved."""
    wide = shot(width=176)
    masks = make_masks({"mira": parse_region("left"), "tom": parse_region("right")}, wide, TOON)
    middle = [on_tokens(mask)[0, 0, 5].item() for mask in masks.values()]
    assert middle == pytest.approx([0.5, 0.5])


def test_thirds_fill_the_picture() -> None:
    thirds = [name for name in NAMED_REGIONS if name.endswith("third")]
    masks = make_masks({name: parse_region(name) for name in thirds}, shot(176), TOON)
    total = torch.stack(list(masks.values())).sum(0)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_a_box_moves_through_the_frames() -> None:
    region = parse_region("0,0,0.5,1..0.5,0,1,1")
    (mask,) = make_masks({"mira": region}, shot(), TOON).values()
    columns = on_tokens(mask)[:, 0]
    assert columns[0].tolist() == [1, 1, 1, 0, 0, 0]
    assert columns[1].tolist() == [0, 0.5, 1, 1, 0.5, 0]
    assert columns[2].tolist() == [0, 0, 0, 1, 1, 1]
    (still,) = make_masks({"mira": region}, shot(num_frames=1), TOON).values()
    assert on_tokens(still)[0, 0].tolist() == [1, 1, 1, 0, 0, 0]


def test_a_drawn_region(tmp_path: Path) -> None:
    picture = np.zeros((50, 100, 3), np.uint8)
    picture[:, 50:] = 255
    write_image(tmp_path / "right.png", picture)
    region = parse_region(str(tmp_path / "right.png"))
    (mask,) = make_masks({"mira": region}, shot(), TOON).values()
    assert on_tokens(mask)[2, 3].tolist() == pytest.approx([0, 0, 0, 1, 1, 1])
    assert region.key != parse_region("right").key
    write_image(tmp_path / "black.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(UsageError, match="black everywhere"):
        parse_region(str(tmp_path / "black.png"))


def test_regions_that_share_a_little_share_it_evenly() -> None:
    near = {"mira": box_region([(0, 0, 0.55, 1)]), "tom": box_region([(0.45, 0, 1, 1)])}
    masks = make_masks(near, shot(), TOON)
    total = torch.stack(list(masks.values())).sum(0)
    assert total.max() <= 1
    assert masks["mira"][0, 0, 12].item() == pytest.approx(0.5)


def test_a_soft_border_fades() -> None:
    (mask,) = make_masks(
        {"mira": box_region([(0, 0, 0.5, 1)], softness=0.05)}, shot(), TOON
    ).values()
    row = mask[0, 12]
    assert 0 < row[12] < row[11] < row[9]
    assert row[0] > 0.99
    assert row[-1] < 0.01


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lefft", r"region 'lefft': unknown \(did you mean 'left'\?\), expected auto"),
        ("none.png", "region 'none.png': unknown, for there is no such file, expected a picture"),
        ("middle", "region 'middle': unknown, expected auto, one of left, right"),
        ("0,0,1", "unknown"),
        ("0.5,0,0.5,1", "is empty or leaves the picture"),
        ("0,0,1.2,1", "is empty or leaves the picture"),
        ("0,0,nan,1", "is empty or leaves the picture"),
        ("nowhere.png", "unknown"),
    ],
)
def test_what_is_no_region_is_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse_region(text)


def test_a_way_of_many_boxes_is_read_again() -> None:
    """Longer than the name of a file may be."""
    way = box_region([(place / 100, 0.1, 0.5 + place / 100, 1.0) for place in range(49)])
    assert len(way.text) > 255
    np.testing.assert_allclose(parse_region(way.text).boxes, way.boxes)


def test_regions_that_cover_one_another_are_refused() -> None:
    both = {"mira": parse_region("left"), "tom": box_region([(0.1, 0, 0.6, 1)])}
    with pytest.raises(UsageError, match=r"s: the regions of mira \(left\) and tom .* share 80%"):
        make_masks(both, shot(), TOON)
    masks = make_masks(both, shot(), TOON, check=False)
    assert (masks["mira"] + masks["tom"]).max() <= 1


def test_a_region_that_moves_goes_on_over_the_chunks_of_a_shot() -> None:
    moves = parse_region("0,0,0.4,1..0.4,0,0.8,1")
    assert region_between(moves, 9, 0, 9) is moves
    first, second, after = (region_between(moves, 9, at, 5) for at in (0, 4, 8))
    assert [box[0] for box in first.boxes] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])
    assert second.boxes[0] == pytest.approx(first.boxes[-1])
    assert after.boxes == ((0.4, 0.0, 0.8, 1.0),)
    left = parse_region("left")
    assert region_between(left, 9, 4, 5) is left
