"""Captions: scene, size, mood, action and coarse looks; never a face parameter."""

import numpy as np

from facekit.toon.character import BEARDS, CLOTHES, GLASSES, HAIR_COLORS, HAIR_STYLES, ToonCharacter
from facekit.toon.scene import ACTIONS, LIGHTS, MOODS, PLACES, Scene
from facekit.types import SHOT_SIZES

__all__ = ["CLASS_NOUN", "WORDS", "caption", "describe"]

CLASS_NOUN = "person"
"""The word for a character whose name is not known; preservation losses use it."""

WORDS: tuple[str, ...] = tuple(
    sorted(
        {
            word
            for text in (
                *PLACES,
                *SHOT_SIZES,
                *MOODS,
                *LIGHTS,
                *ACTIONS,
                *HAIR_STYLES,
                *HAIR_COLORS,
                *GLASSES,
                *BEARDS,
                *CLOTHES,
                "a the an of in on at with and hair glasses shirt wearing empty no people",
                "two three left right middle person woman man portrait photo picture drawing",
            )
            for word in text.split()
        }
    )
)
"""Every word that a caption can hold, sorted; the tokenizer knows these and commas only."""


def describe(
    character: ToonCharacter, *, name: str = f"a {CLASS_NOUN}", clothes: bool = True
) -> str:
    """Describe the coarse look: hair, glasses, beard and, if asked, clothes."""
    if character.hair_style == "bald":
        parts = ["no hair"]
    else:
        parts = [f"{character.hair_style} {character.hair_color} hair"]
    if character.glasses != "none":
        parts.append(f"{character.glasses} glasses")
    if character.beard != "none":
        parts.append(f"a {character.beard}")
    text = f"{name} with {' and '.join(parts)}"
    return f"{text} wearing a {character.clothes} shirt" if clothes else text


def caption(
    scene: Scene, *, names: tuple[str, ...] = (), rng: np.random.Generator | None = None
) -> str:
    """Write the caption of a scene.

    Args:
        scene: What is drawn.
        names: A name per figure instead of "a person"; fewer names leave the rest unnamed.
        rng: When given, clauses are left out at random, as training wants it.

    Returns:
        For example "close-up of a person with long red hair in the kitchen, happy, talking,
        warm light".
    """

    def keep(probability: float) -> bool:
        return rng is None or bool(rng.random() < probability)

    people = []
    for index, figure in enumerate(scene.figures):
        name = names[index] if index < len(names) else f"a {CLASS_NOUN}"
        text = describe(figure.character, name=name, clothes=keep(0.6)) if keep(0.85) else name
        if len(scene.figures) > 1:
            sides = ("left", "right") if len(scene.figures) == 2 else ("left", "middle", "right")
            text = f"{text} on the {sides[index]}"
        people.append(text)
    subject = " and ".join(people) if people else "no people"
    clauses = [
        f"{scene.shot_size} of {subject} in the {scene.place}"
        if keep(0.9)
        else f"{subject} in the {scene.place}"
    ]
    if scene.figures and keep(0.85):
        clauses.append(" and ".join(dict.fromkeys(figure.mood for figure in scene.figures)))
    if keep(0.85):
        clauses.append(scene.action)
    if keep(0.8):
        clauses.append(scene.light)
    return ", ".join(clauses)
