"""Pictures of a page: richer or leaner, as there is room."""

import base64
import io

from PIL import Image as Pillow

from facekit.evaluation.sequence_pictures import allowance, encode, shot_pictures
from tests.tiny.sequences import noise


def test_the_less_room_the_leaner() -> None:
    clip = noise(12, (90, 160))
    rich = shot_pictures(clip, 3, {"t01": clip}, most_bytes=10_000_000)
    lean = shot_pictures(clip, 3, {"t01": clip}, most_bytes=60_000)
    least = shot_pictures(clip, 3, {"t01": clip}, most_bytes=1)
    assert rich.num_bytes > 60_000 >= lean.num_bytes > least.num_bytes
    assert rich.moving.startswith("data:image/webp")
    assert least.moving == ""
    assert least.still is not None
    assert (least.still.width, least.still.height) == (128, 72)
    assert list(least.takes) == ["t01"]


def test_a_page_of_more_shots_leaves_each_less_but_never_nothing() -> None:
    assert allowance(12_000_000, 300, 3) < allowance(12_000_000, 30, 3)
    assert allowance(100_000, 300, 3) == 3_000


def test_a_picture_knows_its_size() -> None:
    picture = encode(noise(1, (50, 100)).frames[0], max_side_px=20)
    data = base64.b64decode(picture.uri.partition(",")[2])
    with Pillow.open(io.BytesIO(data)) as there:
        assert (there.size, there.format) == ((picture.width, picture.height), "WEBP")
        assert there.size == (20, 10)
