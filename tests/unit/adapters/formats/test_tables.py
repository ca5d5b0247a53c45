"""The tables against the converters of diffusers, which are the facts they stand on."""

import re
from collections.abc import Callable

import pytest
import torch
from diffusers.loaders.single_file_utils import (
    convert_hunyuan_video_transformer_to_diffusers,
    convert_ltx_transformer_checkpoint_to_diffusers,
    convert_wan_transformer_to_diffusers,
)

from facekit.adapters.formats.name_table import NameTable, make_names
from facekit.adapters.formats.tables import TABLES
from facekit.adapters.formats.tables.wan import WAN
from tests.tiny.loras import TINY_CONFIGS, tiny_base

CONVERTERS = {
    "wan": convert_wan_transformer_to_diffusers,
    "wan_i2v": convert_wan_transformer_to_diffusers,
    "wan_vace": convert_wan_transformer_to_diffusers,
    "ltx": convert_ltx_transformer_checkpoint_to_diffusers,
    "hunyuan_video": convert_hunyuan_video_transformer_to_diffusers,
}


@pytest.mark.parametrize("name", CONVERTERS)
def test_a_checkpoint_under_our_original_names_becomes_diffusers(name: str) -> None:
    base = tiny_base(name)
    # The converter of HunyuanVideo cuts linear1 at the width of the real model.
    wide = 3 * 3072 + 8
    checkpoint = {
        f"{original}.weight": torch.zeros(wide if "linear1" in original else 6, 1)
        for original in base.names.originals
    }
    convert: Callable[..., dict[str, torch.Tensor]] = CONVERTERS[name]
    converted = {key.removesuffix(".weight") for key in convert(dict(checkpoint))}
    assert converted == set(base.names.original_of)


@pytest.mark.parametrize("name", ["wan", "wan_i2v", "wan_vace", "ltx"])
def test_every_layer_has_an_original_name(name: str) -> None:
    base = tiny_base(name)
    assert set(base.names.original_of) == set(base.shapes)


def test_one_layer_of_hunyuan_video_is_left_out_for_its_halves_change_places() -> None:
    base = tiny_base("hunyuan_video")
    assert set(base.shapes) - set(base.names.original_of) == {"norm_out.linear"}


def test_motion_modules_have_no_kohya_names_that_anybody_reads() -> None:
    base = tiny_base("animatediff")
    nameless = set(base.shapes) - set(base.names.original_of)
    assert any("motion_modules" in path for path in nameless)
    assert not any("attentions" in path for path in nameless)


def test_the_norms_of_wan_have_each_others_names() -> None:
    paths = ["blocks.3.norm2", "blocks.3.norm3", "vace_blocks.1.norm2"]
    names = make_names(WAN, paths)
    assert names.original_of == {
        "blocks.3.norm2": "blocks.3.norm3",
        "blocks.3.norm3": "blocks.3.norm2",
        "vace_blocks.1.norm2": "vace_blocks.1.norm3",
    }


def test_the_image_inputs_of_wan_are_told_from_the_texts() -> None:
    flat = tiny_base("wan_i2v").names.flat_originals
    assert flat["blocks_2_cross_attn_k_img"] == "blocks.2.cross_attn.k_img"
    assert flat["blocks_2_cross_attn_k"] == "blocks.2.cross_attn.k"
    assert tiny_base("wan_i2v").names.originals["blocks.2.cross_attn.k_img"] == (
        "blocks.2.attn2.add_k_proj",
    )


def test_names_that_would_stand_for_two_layers_are_refused() -> None:
    twice = NameTable(family="x", renames=(("a.#", "b"),), typical="b")
    with pytest.raises(ValueError, match="correct the table"):
        make_names(twice, ["a.0", "a.1"])
    with pytest.raises(ValueError, match="stands for"):
        make_names(twice, ["a.b_c", "a.b.c"])


@pytest.mark.parametrize("name", TINY_CONFIGS)
def test_every_file_of_a_family_is_told_by_its_typical_names(name: str) -> None:
    base = tiny_base(name)
    typical = re.compile(rf"(^|[._]){base.table.typical}$")
    assert any(typical.search(path) for path in base.shapes)
    if base.names.originals:
        assert any(typical.search(original) for original in base.names.originals)
        assert any(typical.search("lora_unet_" + flat) for flat in base.names.flat_originals)
    assert TABLES[base.table.family] is base.table
