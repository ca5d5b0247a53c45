"""Shapes of the real models against what tells them apart, and against their names."""

import diffusers
import pytest
import torch

from facekit.backbones import get_spec, spec_names
from facekit.backbones.shapes import SHAPES

# Billions, as the names and cards of the models say. VACE counts its further blocks too; of LTX-2.3
# the card says 22, which counts the connectors and what goes with the audio.
BILLIONS = {
    "animatediff_sd15": (1.2, 1.4),
    "cogvideox_2b": (1.6, 2.0),
    "cogvideox_5b": (5.0, 6.0),
    "hunyuanvideo": (12.5, 13.5),
    "hunyuanvideo_1_5": (8.0, 8.6),
    "ltx_2": (18.5, 19.5),
    "ltx_2_3": (18.5, 22.5),
    "ltx_video_13b": (12.5, 13.5),
    "ltx_video_2b": (1.8, 2.2),
    "wan2_1_i2v_14b": (14.0, 16.5),
    "wan2_1_t2v_14b": (14.0, 14.5),
    "wan2_1_t2v_1_3b": (1.3, 1.45),
    "wan2_1_vace_14b": (14.0, 17.5),
    "wan2_1_vace_1_3b": (1.3, 2.2),
    "wan2_2_i2v_a14b": (14.0, 14.5),
    "wan2_2_t2v_a14b": (14.0, 14.5),
    "wan2_2_ti2v_5b": (4.9, 5.1),
}


def test_every_backbone_has_a_shape() -> None:
    assert set(SHAPES) == set(spec_names())
    assert set(BILLIONS) == set(spec_names()) - {"toon"}


@pytest.mark.parametrize("name", sorted(BILLIONS))
def test_a_shape_is_that_of_its_model(name: str) -> None:
    spec = get_spec(name)
    with torch.device("meta"):
        network = getattr(diffusers, spec.family.network_class)(**SHAPES[name].network)
    assert spec.fits(network)
    low, high = BILLIONS[name]
    assert low <= sum(p.numel() for p in network.parameters()) / 1e9 <= high
