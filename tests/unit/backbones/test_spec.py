"""Legal sizes and frame counts, the registry."""

from dataclasses import MISSING, fields, replace

import pytest
from torch import nn

from facekit.backbones import get_spec, register_spec, spec_names
from facekit.backbones.sites import base_layer
from facekit.backbones.spec import BackboneSpec, site_module
from facekit.errors import SiteMissing, UsageError
from facekit.toon.scene import ASPECTS

TOON = get_spec("toon")


def test_the_registry_knows_its_names() -> None:
    assert spec_names() == tuple(sorted(spec_names()))
    assert {"toon", "wan2_1_t2v_1_3b"} <= set(spec_names())
    with pytest.raises(UsageError, match=r"'tune' is unknown, expected one of .*toon, .*wan2_1"):
        get_spec("tune")
    with pytest.raises(ValueError, match="registered twice"):
        register_spec(replace(TOON))


def test_the_sizes_of_toon_are_those_that_the_drawn_world_has() -> None:
    assert dict(TOON.sizes) == ASPECTS
    (sizes,) = [field for field in fields(BackboneSpec) if field.name == "sizes"]
    assert sizes.default is sizes.default_factory is MISSING, "no family's sizes are everybody's"


def test_default_sizes_are_legal() -> None:
    for name in spec_names():
        spec = get_spec(name)
        assert set(spec.sizes) == {"1:1", "16:9", "9:16"}
        for height, width in spec.sizes.values():
            spec.check_size(height, width)
        spec.check_frames(spec.max_frames)


@pytest.mark.parametrize("num_frames", [1, 5, 9, 17])
def test_legal_frame_counts(num_frames: int) -> None:
    TOON.check_frames(num_frames)


@pytest.mark.parametrize(
    ("num_frames", "near"), [(0, 1), (-3, 1), (2, 1), (8, 9), (16, 17), (18, 17), (100, 17)]
)
def test_the_nearest_legal_frame_count_is_named(num_frames: int, near: int) -> None:
    with pytest.raises(UsageError, match=f"use {near}$"):
        TOON.check_frames(num_frames)


def test_the_nearest_legal_size_is_named() -> None:
    with pytest.raises(UsageError, match=r"100x96 .* multiples of 16 .* use 96x96$"):
        TOON.check_size(100, 96)
    with pytest.raises(UsageError, match=r"use 16x16$"):
        TOON.check_size(0, 1)


def test_sites_are_every_second_block() -> None:
    transformer = nn.Module()
    transformer.blocks = nn.ModuleList(nn.Module() for _ in range(5))
    for block in transformer.blocks:
        block.attn2 = nn.Identity()
    assert TOON.sites(transformer) == ("blocks.0.attn2", "blocks.2.attn2", "blocks.4.attn2")
    assert replace(TOON, site_every=1).sites(transformer)[1] == "blocks.1.attn2"


def test_what_has_no_sites_is_refused() -> None:
    with pytest.raises(SiteMissing, match="Linear has no cross-attention"):
        TOON.sites(nn.Linear(1, 1))
    with pytest.raises(SiteMissing, match=r"Linear has no blocks\.0"):
        site_module(nn.Linear(1, 1), "blocks.0")


def test_a_plain_layer_is_its_own_base() -> None:
    layer = nn.Linear(1, 1)
    assert base_layer(layer) is layer
