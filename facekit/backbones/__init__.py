"""Backbones: one file per family, and one spec per model."""

import facekit.backbones.wan
import facekit.backbones.wan_image
import facekit.backbones.wan_vace  # noqa: F401  # each registers its specs
from facekit.backbones.spec import (
    BackboneSpec,
    detect_spec,
    get_spec,
    register_spec,
    spec_names,
)

__all__ = ["BackboneSpec", "detect_spec", "get_spec", "register_spec", "spec_names"]
