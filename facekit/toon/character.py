"""Drawn characters: a seed becomes continuous face parameters and a coarse look."""

import dataclasses
from typing import TypedDict

import numpy as np

__all__ = [
    "BEARDS",
    "CLOTHES",
    "FACE_PARAMETERS",
    "GLASSES",
    "HAIR_COLORS",
    "HAIR_STYLES",
    "HELD_OUT_SEED",
    "Look",
    "ToonCharacter",
    "sample_look",
]

FACE_PARAMETERS: tuple[str, ...] = (
    "face_width",
    "face_height",
    "jaw_width",
    "chin_length",
    "cheek_fullness",
    "ear_size",
    "eye_size",
    "eye_spacing",
    "eye_height",
    "eye_aspect",
    "eye_tilt",
    "iris_size",
    "iris_hue",
    "iris_lightness",
    "brow_height",
    "brow_thickness",
    "brow_tilt",
    "brow_length",
    "nose_length",
    "nose_width",
    "nose_shade",
    "mouth_width",
    "lip_thickness",
    "mouth_height",
    "lip_redness",
    "skin_tone",
    "skin_hue",
    "blush",
)
"""Names of the continuous identity parameters, each in [-1, 1]; captions never mention them."""

HAIR_STYLES: tuple[str, ...] = ("bald", "short", "long", "curly", "bun", "bob", "mohawk", "spiky")
HAIR_COLORS: tuple[str, ...] = ("black", "brown", "blond", "red", "grey", "blue")
GLASSES: tuple[str, ...] = ("none", "round", "square")
BEARDS: tuple[str, ...] = ("none", "beard", "moustache")
CLOTHES: tuple[str, ...] = ("red", "green", "blue", "yellow", "white", "black")

HELD_OUT_SEED = 1_000_000
"""Characters with this seed or a greater one are never drawn to train any shipped weight."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ToonCharacter:
    """One drawn character.

    Attributes:
        seed: What it was made from; also fixes where its freckles are.
        face: float32 of shape (28,), each value in [-1, 1], in the order of `FACE_PARAMETERS`.
        hair_style: One of `HAIR_STYLES`.
        hair_color: One of `HAIR_COLORS`; meaningless when the style is "bald", but brows use it.
        glasses: One of `GLASSES`.
        beard: One of `BEARDS`.
        has_freckles: Whether the cheeks carry freckles; part of the face, so never in a caption.
        clothes: One of `CLOTHES`.
    """

    seed: int
    face: np.ndarray
    hair_style: str
    hair_color: str
    glasses: str
    beard: str
    has_freckles: bool
    clothes: str

    @classmethod
    def from_seed(cls, seed: int) -> "ToonCharacter":
        """Make the character that belongs to a seed; equal seeds give equal characters."""
        rng = np.random.default_rng([seed, 0xFACE])
        face = rng.uniform(-1.0, 1.0, len(FACE_PARAMETERS)).astype(np.float32)
        return cls(seed=seed, face=face, has_freckles=bool(rng.random() < 0.25), **sample_look(rng))

    def with_look_of(self, seed: int) -> "ToonCharacter":
        """Return the same face with the hair, glasses, beard and clothes of another seed."""
        look = sample_look(np.random.default_rng([seed, 0x100C]))
        return ToonCharacter(seed=self.seed, face=self.face, has_freckles=self.has_freckles, **look)

    def parameter(self, name: str) -> float:
        """Return one face parameter by its name, in [-1, 1]."""
        return float(self.face[FACE_PARAMETERS.index(name)])


class Look(TypedDict):
    """What of a character may change from one picture to the next."""

    hair_style: str
    hair_color: str
    glasses: str
    beard: str
    clothes: str


def sample_look(rng: np.random.Generator) -> Look:
    """Draw the coarse look (hair, glasses, beard, clothes) of a character."""
    return {
        "hair_style": str(
            rng.choice(HAIR_STYLES, p=(0.08, 0.2, 0.16, 0.14, 0.12, 0.14, 0.07, 0.09))
        ),
        "hair_color": str(rng.choice(HAIR_COLORS)),
        "glasses": str(rng.choice(GLASSES, p=(0.64, 0.18, 0.18))),
        "beard": str(rng.choice(BEARDS, p=(0.76, 0.13, 0.11))),
        "clothes": str(rng.choice(CLOTHES)),
    }
