import json

import numpy as np
import pytest
import torch

from facekit.errors import BundleDamaged
from facekit.presets.bundle import open_bundle
from facekit.types import Clip
from facekit.workflows.preset_content import PARITY, PARITY_FRAMES
from facekit.workflows.preset_drawing import (
    MAX_PIXEL_ERROR,
    compare_parity,
    portrait,
    read_parity,
    webp,
)
from tests.tiny.faces import BLUE, RED, DiscFaces, draw_photo

CPU = torch.device("cpu")


@pytest.fixture
def parity(as_anna):
    bundle = open_bundle(as_anna.path)
    return bundle.read(PARITY), bundle.read(PARITY_FRAMES)


def test_the_frames_and_their_record_belong_together(parity):
    shot, _, frames = read_parity(*parity, "x")
    assert frames.shape == (shot.num_frames, shot.height, shot.width, 3)
    told = json.loads(parity[0])
    for content, pictures in (
        (b"{", parity[1]),
        (json.dumps({**told, "schema": "x"}).encode(), parity[1]),
        (json.dumps({**told, "frames_sha256": "0" * 64}).encode(), parity[1]),
        (json.dumps({**told, "shot": {"seed": 1}}).encode(), parity[1]),
        (parity[0], b"no picture"),
        (parity[0], webp(frames[0])),
    ):
        with pytest.raises(BundleDamaged, match="parity cannot be read"):
            read_parity(content, pictures, "x")


def faces_of(colour, shift=0.0):
    photo = draw_photo(colour).astype(np.float64) * (1 - shift)
    return np.stack([photo.round().astype(np.uint8)] * 2)


def verdict(there, here):
    record = {"frames_sha256": "0" * 64, "stack": {}}
    return compare_parity(there, record, Clip(frames=here, fps=8), DiscFaces(), CPU)


def test_a_face_that_is_almost_the_same_is_alike_and_another_one_is_not():
    near = verdict(faces_of(RED), faces_of(RED, 0.02))
    assert (near.verdict, near.same_stack) == ("alike", False)
    assert near.likeness > 0.99
    assert verdict(faces_of(RED), faces_of(BLUE)).verdict == "different"
    gone = verdict(faces_of(RED), np.zeros_like(faces_of(RED)))
    assert (gone.verdict, gone.likeness) == ("different", 0.0)


def test_where_there_is_no_face_pixels_decide():
    grey = np.full((2, 96, 96, 3), 100, np.uint8)
    step = round(255 * MAX_PIXEL_ERROR)
    near, far = verdict(grey, grey + np.uint8(step - 1)), verdict(grey, grey + np.uint8(step + 1))
    assert (near.verdict, near.likeness) == ("alike", None)
    assert far.verdict == "different"
    assert "no face to compare" in far.describe()


def test_a_portrait_is_square():
    wide = Clip(frames=np.zeros((3, 96, 176, 3), np.uint8), fps=8)
    assert portrait(wide).shape == (256, 256, 3)
