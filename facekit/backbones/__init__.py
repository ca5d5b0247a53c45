"""Backbones: one file per family, which registers its specs when it is imported."""

import facekit.backbones.animatediff
import facekit.backbones.cogvideox
import facekit.backbones.hunyuan
import facekit.backbones.hunyuan15
import facekit.backbones.ltx
import facekit.backbones.ltx2
import facekit.backbones.wan
import facekit.backbones.wan_image
import facekit.backbones.wan_vace  # noqa: F401
from facekit.backbones.spec import (
    BackboneSpec,
    detect_spec,
    get_spec,
    register_spec,
    spec_names,
)

__all__ = ["BackboneSpec", "detect_spec", "get_spec", "register_spec", "spec_names"]
