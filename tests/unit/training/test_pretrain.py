"""The training of the backbone: padding that weighs more, one step, and exact resuming."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import WanTransformer3DModel
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from torch import Tensor

from facekit.toon.captions import WORDS
from facekit.toon.fitting import CPU
from facekit.toon.text import MAX_TOKENS
from facekit.training import pretrain, toon_model
from facekit.training.latents import LatentShard
from facekit.training.pretrain import STOCK_TEXT_LENGTH, train_backbone
from facekit.training.toon_model import PaddingProcessor, ToonModel, padding_bias
from tests.tiny.backbones import tiny_pipe, wan_inputs
from tests.tiny.far_device import assert_same_far_away

DIM = 8
_FACE = np.array([8, 8, 24, 24, 12, 14, 20, 14, 16, 17, 13, 20, 19, 20], np.float32)

# torch says once that norms under autocast do not take its fastest path
pytestmark = pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")


@pytest.fixture(autouse=True)
def _small_transformer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer and narrower blocks, so that a step takes little time."""

    def build(**config: Any) -> WanTransformer3DModel:
        return WanTransformer3DModel(**config | {"num_layers": 4, "ffn_dim": 32})

    monkeypatch.setattr(toon_model, "WanTransformer3DModel", build)


def _model(seed: int = 0) -> ToonModel:
    with torch.random.fork_rng(devices=[]):
        return ToonModel("toon-a", "", DIM, seed=seed)


def _shard(num_frames: int, seed: int = 0, count: int = 6) -> LatentShard:
    """Random latents of 4 x 4 positions; two characters, three pictures of each."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((count, DIM))
    ids = np.zeros((count, 2, MAX_TOKENS), np.int64)
    ids[:, :, :6] = rng.integers(3, len(WORDS), (count, 2, 6))
    ids[:, :, 6] = 1
    return LatentShard(
        latents=rng.standard_normal((count, 16, num_frames, 4, 4)).astype(np.float16),
        embeddings=(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16),
        masks=np.full((count, 4, 4), 200, np.uint8),
        seeds=np.arange(count) % 2,
        is_photo=np.ones(count, bool),
        token_ids=ids,
        faces=np.tile(_FACE, (count, num_frames, 3, 1)),
        attributes=np.ones((count, 8), np.int64),
    )


def _shards() -> dict[str, LatentShard]:
    return {"1x1_1": _shard(1), "1x1_9": _shard(3, seed=1)}


def _train(model: ToonModel, path: Path, steps: int, device: torch.device = CPU) -> None:
    train_backbone(_shards(), model, path, steps=steps, tokens_per_step=24, device=device)


@pytest.mark.parametrize("length", [48, 64, 512])
def test_a_biased_padding_equals_a_longer_one(length: int) -> None:
    pipe = tiny_pipe()
    arguments = wan_inputs(pipe)
    words = torch.tensor([5, 11])
    text = torch.zeros(2, length, pipe.transformer.config.text_dim)
    for row, count in enumerate(words.tolist()):
        noise = torch.randn(count, text.shape[-1], generator=torch.Generator().manual_seed(row))
        text[row, :count] = noise
    stock = pipe.transformer(**arguments | {"encoder_hidden_states": text})[0]
    processor = PaddingProcessor()
    processor.bias_B11S = padding_bias(words, torch.full((2,), length))
    for block in pipe.transformer.blocks:
        block.attn2.set_processor(processor)
    short = text[:, :MAX_TOKENS]
    biased = pipe.transformer(**arguments | {"encoder_hidden_states": short})[0]
    torch.testing.assert_close(biased, stock, rtol=1e-5, atol=1e-5)
    processor.bias_B11S = None
    plain = pipe.transformer(**arguments | {"encoder_hidden_states": short})[0]
    assert torch.allclose(plain, stock, atol=1e-5) == (length == MAX_TOKENS)


def test_the_bias_is_on_the_padding_alone() -> None:
    bias = padding_bias(torch.tensor([3, MAX_TOKENS]), torch.tensor([STOCK_TEXT_LENGTH, 48]))
    assert bias.shape == (2, 1, 1, MAX_TOKENS)
    assert (bias[0, 0, 0, :3] == 0).all()
    expected = math.log((STOCK_TEXT_LENGTH - 3) / (MAX_TOKENS - 3))
    torch.testing.assert_close(bias[0, 0, 0, 3:], torch.full((MAX_TOKENS - 3,), expected))
    assert (bias[1] == 0).all()


def test_text_states_are_zero_at_the_padding() -> None:
    model = _model()
    ids = torch.from_numpy(_shard(1).token_ids[:2, 0])
    states, lengths = model.encode_ids(ids)
    assert lengths.tolist() == [7, 7]
    assert (states[:, 7:] == 0).all()
    assert (states[:, :7].abs().sum(-1) > 0).all()


def _changed(model: ToonModel, before: dict[str, Tensor]) -> set[str]:
    return {
        name.split(".")[0]
        for name, value in model.named_parameters()
        if not torch.equal(value, before[name])
    }


def test_one_step_moves_all_parts_and_leaves_stock_processors(tmp_path: Path) -> None:
    model = _model()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    keys = list(model.transformer.state_dict())
    _train(model, tmp_path / "x.pt", steps=1)
    assert _changed(model, before) == {"text_encoder", "transformer", "adapter", "heads"}
    assert all(torch.isfinite(value).all() for value in model.parameters())
    assert list(model.transformer.state_dict()) == keys
    assert all(type(b.attn2.processor) is WanAttnProcessor for b in model.transformer.blocks)
    line = json.loads((tmp_path / "x.jsonl").read_text())
    assert line["flow"] > 0.0
    truths = [line[f"face_{name}"] for name in ("identity", "attributes", "landmarks")]
    assert all(math.isfinite(value) and value > 0.0 for value in truths)


def test_resuming_is_bit_identical(tmp_path: Path) -> None:
    straight, begun, resumed = _model(), _model(), _model()
    _train(straight, tmp_path / "straight.pt", steps=2)
    # the rate does not know the number of steps while it warms up
    _train(begun, tmp_path / "x.pt", steps=1)
    _train(resumed, tmp_path / "x.pt", steps=2)
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.slow
def test_another_device_gives_the_same(tmp_path: Path) -> None:
    def train(path: Path, steps: int, device: torch.device) -> None:
        _train(_model(), path, steps, device)

    assert_same_far_away(train, tmp_path)


@pytest.mark.slow
def test_a_clip_on_another_device(tmp_path: Path) -> None:
    """Its frames have noise levels of their own, and the first may be given."""

    def train(path: Path, steps: int, device: torch.device) -> None:
        shards = {"1x1_1": _shard(1), "1x1_9": _shard(3, seed=1)}
        options: dict[str, Any] = {"clip_share": 1.0, "pictures_first": 0.0}
        train_backbone(
            shards, _model(), path, steps=steps, tokens_per_step=24, device=device, **options
        )

    assert_same_far_away(train, tmp_path)


def test_tokens_decide_how_many_samples_a_step_sees() -> None:
    shard = _shard(3)
    rng = np.random.default_rng(0)
    odds = np.full(6, 1 / 6)
    for tokens, samples in ((1, 1), (24, 2), (60, 5)):
        drawn = pretrain._sample_batch(shard, odds, {}, rng, tokens, DIM)
        assert len(drawn["clean"]) == samples


def test_a_model_is_its_seed() -> None:
    one, two, other = _model(), _model(), _model(1)
    assert torch.equal(one.transformer.proj_out.weight, two.transformer.proj_out.weight)
    assert not torch.equal(one.transformer.proj_out.weight, other.transformer.proj_out.weight)
