"""Backbones: one file per family, and one spec per model."""

import facekit.backbones.animatediff
import facekit.backbones.wan  # noqa: F401  # each registers its specs
from facekit.backbones.spec import (
    BackboneSpec,
    detect_spec,
    get_spec,
    register_spec,
    spec_names,
)

__all__ = ["BackboneSpec", "detect_spec", "get_spec", "register_spec", "spec_names"]
