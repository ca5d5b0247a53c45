import hashlib

import numpy as np
import pytest
import torch
from torch import Tensor

from facekit.errors import ChecksumMismatch, WeightsError, WeightsMissing
from facekit.provenance.facts import new_render_id
from facekit.provenance.watermark import (
    LIKELY_AGREEMENT,
    MESSAGE_BITS,
    VideoSeal,
    message_of,
    pick_mark,
)
from tests.tiny.provenance import frames
from tests.tiny.seals import TinySeal, stored

ID = "00112233445566778899aabbccddeeff"


class ShortSeal(TinySeal):
    @torch.jit.export
    def detect(self, imgs: Tensor, is_video: bool = False) -> Tensor:
        return torch.zeros(imgs.shape[0], 97, 1, 1)


@pytest.fixture
def seal(tmp_path):
    return VideoSeal(*stored(TinySeal(), tmp_path / "tiny.jit"))


def grey(num_frames=20):
    return frames(0, num_frames).mean(3, keepdims=True).repeat(3, 3).astype(np.uint8) // 2 + 60


def test_what_is_embedded_is_detected_over_several_chunks(seal):
    marked = seal.embed(grey(), message_of(ID))

    assert marked.shape == grey().shape
    assert marked.dtype == np.uint8
    found = pick_mark(seal.detect(marked), [new_render_id(), ID])
    assert (found.render_id, found.agreement) == (ID, 1.0)
    assert pick_mark(seal.detect(marked), []).render_id == ID  # by its own digest


def test_lost_bits_do_not_matter_for_known_ids():
    bits = message_of(ID).copy()
    bits[np.random.default_rng(0).choice(MESSAGE_BITS, 50, replace=False)] ^= True
    found = np.where(bits, 1.0, -1.0).astype(np.float32)

    assert pick_mark(found, [new_render_id(), ID]).render_id == ID
    assert pick_mark(found, []) is None


def test_noise_is_no_mark():
    rng = np.random.default_rng(0)
    known = [new_render_id() for _ in range(50)]

    for _ in range(20):
        assert pick_mark(rng.normal(size=MESSAGE_BITS).astype(np.float32), known) is None
    assert LIKELY_AGREEMENT * MESSAGE_BITS == 192


def test_other_files_are_refused(tmp_path):
    path, digest = stored(TinySeal(), tmp_path / "tiny.jit")
    with pytest.raises(WeightsMissing):
        VideoSeal(tmp_path / "none.jit", digest)
    with pytest.raises(ChecksumMismatch, match=r"as facekit\.toml says"):
        VideoSeal(path, "0" * 64)
    (tmp_path / "junk.jit").write_bytes(b"junk")
    with pytest.raises(WeightsError, match="expected a TorchScript module"):
        VideoSeal(tmp_path / "junk.jit", hashlib.sha256(b"junk").hexdigest())
    with pytest.raises(WeightsError, match="expected a TorchScript module with embed"):
        VideoSeal(*stored(torch.nn.Linear(2, 2), tmp_path / "linear.jit"))


def test_a_model_of_other_bits_is_refused(tmp_path):
    short = VideoSeal(*stored(ShortSeal(), tmp_path / "short.jit"))

    with pytest.raises(WeightsError, match="VideoSeal of 256 bits"):
        short.detect(grey(2))
