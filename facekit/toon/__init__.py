"""The drawn world: characters, a deterministic renderer and captions with exact ground truth."""

from facekit.toon.captions import caption, describe
from facekit.toon.character import FACE_PARAMETERS, HELD_OUT_SEED, ToonCharacter
from facekit.toon.clips import draw_clip
from facekit.toon.render import Drawing, TruthFace, draw
from facekit.toon.scene import Figure, Pose, Scene, sample_scene

__all__ = [
    "FACE_PARAMETERS",
    "HELD_OUT_SEED",
    "Drawing",
    "Figure",
    "Pose",
    "Scene",
    "ToonCharacter",
    "TruthFace",
    "caption",
    "describe",
    "draw",
    "draw_clip",
    "sample_scene",
]
