"""Backbones: one file per family, and one spec per model."""

from facekit.backbones.spec import BackboneSpec, get_spec, register_spec, spec_names
from facekit.backbones.wan import detect_spec

__all__ = ["BackboneSpec", "detect_spec", "get_spec", "register_spec", "spec_names"]
