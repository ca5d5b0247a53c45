"""What layers the real backbones have, without their weights."""

import inspect
import json
import re
from pathlib import Path

import diffusers
import pytest
from torch import nn

from facekit.adapters.formats.bases import (
    base_from_folder,
    base_from_model,
    base_names,
    get_base,
)
from facekit.adapters.formats.real_configs import ONLY_FROM_A_FOLDER, REAL_CONFIGS
from facekit.backbones import get_spec, spec_names
from facekit.errors import UsageError, WeightsError, WeightsMissing
from tests.tiny.loras import tiny_model

LINEARS_PER_BLOCK = 10


@pytest.mark.parametrize(
    ("name", "blocks", "width", "extra"),
    [
        ("wan2_1_t2v_1_3b", 30, 1536, 0),
        ("wan2_1_t2v_14b", 40, 5120, 0),
        ("wan2_1_i2v_14b", 40, 5120, 80),
        ("wan2_2_t2v_a14b", 40, 5120, 0),
        ("wan2_2_i2v_a14b", 40, 5120, 0),
        ("wan2_2_ti2v_5b", 30, 3072, 0),
    ],
)
def test_the_real_sizes_of_wan(name: str, blocks: int, width: int, extra: int) -> None:
    """300, 400 and 480 layers are what trainers write for them."""
    base = get_base(name)
    targets = [path for path in base.shapes if path.startswith("blocks.")]
    assert len(targets) == blocks * LINEARS_PER_BLOCK + extra
    assert base.shapes["blocks.0.attn1.to_q"] == (width, width)
    assert base.has_experts == ("a14b" in name)


def test_every_base_that_is_listed_can_be_built() -> None:
    for name in base_names():
        if name != "animatediff_sd15":  # takes seconds; test_infer builds its layers small
            assert get_base(name).shapes
    assert "toon" in base_names()


def test_the_bases_are_the_backbones_and_are_told_apart_as_they_are() -> None:
    assert {*base_names(), *ONLY_FROM_A_FOLDER} == set(spec_names())
    for name, real in REAL_CONFIGS.items():
        spec, kind = get_spec(name), getattr(diffusers, real.model)
        defaults = inspect.signature(kind.__init__).parameters
        config = {key: entry.default for key, entry in defaults.items()} | dict(real.config)
        assert real.model == spec.family.network_class
        assert real.has_experts == (spec.num_experts == 2)
        assert {key: config[key] for key in spec.fingerprint} == dict(spec.fingerprint), name


@pytest.mark.parametrize("name", ONLY_FROM_A_FOLDER)
def test_what_is_in_no_list_is_read_from_its_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{name}: .* name it with --source"):
        get_base(name)
    spec = get_spec(name)
    network = spec.family.network(spec.tiny())
    network.save_config(tmp_path / "transformer")
    base = base_from_folder(tmp_path, name)
    ends = tuple(f".{target}" for target in spec.lora_targets)
    assert any(path.endswith(ends) for path in base.shapes)
    assert any(re.search(base.table.typical, path) for path in base.shapes)


def test_an_unknown_base_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"wan2_1_t2v_1_3b.*; choose one"):
        get_base("wan9")


def test_a_folder_is_read_without_its_weights(tmp_path: Path) -> None:
    tiny_model("wan").save_config(tmp_path / "transformer")
    tiny_model("wan").save_config(tmp_path / "transformer_2")
    base = base_from_folder(tmp_path, "mine")
    assert base.name == "mine"
    assert base.has_experts
    assert dict(base.shapes) == dict(base_from_model(tiny_model("wan"), "x").shapes)
    alone = base_from_folder(tmp_path / "transformer")
    assert not alone.has_experts


def test_a_folder_without_a_transformer_or_of_another_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"no config\.json"):
        base_from_folder(tmp_path)
    for content in ("{", "{}", json.dumps({"_class_name": "FluxTransformer2DModel"})):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(WeightsError, match="not a model whose layers are known"):
            base_from_folder(tmp_path)
    with pytest.raises(UsageError, match="Linear has no table"):
        base_from_model(nn.Linear(2, 2), "x")
