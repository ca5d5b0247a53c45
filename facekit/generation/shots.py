"""Shots: prompts with names in them, legal sizes and lengths, and the list that a demo shoots."""

import re
from collections.abc import Mapping, Sequence

from facekit.backbones.spec import BackboneSpec
from facekit.errors import UsageError
from facekit.toon.character import BEARDS, GLASSES, HAIR_COLORS, HAIR_STYLES
from facekit.toon.scene import ACTIONS, LIGHTS, MOODS, PLACES
from facekit.types import SHOT_SIZES, Shot

__all__ = [
    "UNKNOWN_KIND",
    "check_shots",
    "demo_shots",
    "expected_attributes",
    "name_characters",
    "shot_from_prompt",
    "slug",
]

UNKNOWN_KIND = "unknown"
"""Kind of a shot whose prompt names no shot size; no face is demanded of it."""

_NAME = re.compile(r"@([A-Za-z][\w-]*)")

_DEMO: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("close-up", "kitchen", "happy", "talking", "warm light", "1:1"),
    ("medium shot", "park", "neutral", "turning the head", "soft light", "16:9"),
    ("wide shot", "beach", "happy", "walking in", "side light", "16:9"),
    ("medium shot", "office", "sad", "nodding", "soft light", "1:1"),
    ("medium shot", "street", "angry", "talking", "night light", "9:16"),
    ("close-up", "bedroom", "surprised", "standing still", "warm light", "9:16"),
    ("medium shot", "forest", "happy", "zoom in", "soft light", "16:9"),
    ("close-up", "desert", "neutral", "turning the head", "side light", "1:1"),
    ("close-up", "office", "angry", "nodding", "side light", "16:9"),
    ("medium shot", "beach", "happy", "talking", "warm light", "9:16"),
    ("wide shot", "street", "neutral", "walking in", "soft light", "16:9"),
    ("medium shot", "kitchen", "surprised", "turning the head", "soft light", "1:1"),
    ("close-up", "park", "sad", "standing still", "night light", "9:16"),
    ("close-up", "forest", "happy", "nodding", "warm light", "1:1"),
    ("medium shot", "desert", "neutral", "zoom in", "night light", "16:9"),
    ("medium shot", "bedroom", "sad", "talking", "soft light", "1:1"),
)
"""Shot size, place, mood, action, light, aspect: every value of each occurs."""


def demo_shots(
    character: str, spec: BackboneSpec, *, num_frames: int, seed: int = 0, count: int = len(_DEMO)
) -> tuple[Shot, ...]:
    """List shots of one character that differ in place, shot size, mood, action, light and aspect.

    Args:
        character: Its name; prompts hold it as `@name`.
        spec: Gives the picture size of each aspect.
        num_frames: Frames of every shot, legal for the backbone.
        seed: The first shot's seed; each next shot takes the next.
        count: How many of the 16.

    Returns:
        For example "close-up of @mira in the kitchen, happy, talking, warm light".
    """
    shots = []
    for index, (size, place, mood, action, light, aspect) in enumerate(_DEMO[:count]):
        height, width = spec.sizes[aspect]
        shots.append(
            Shot(
                name=f"{index + 1:02d}-{place}-{slug(size)}",
                prompt=f"{size} of @{character} in the {place}, {mood}, {action}, {light}",
                seed=seed + index,
                num_frames=num_frames,
                height=height,
                width=width,
                kind=size,
            )
        )
    return tuple(shots)


def shot_from_prompt(
    prompt: str, *, index: int, seed: int, num_frames: int, height: int, width: int
) -> Shot:
    """Make a shot of a prompt: its words give the name, its shot size gives the kind."""
    words = slug(_NAME.sub(r"\1", prompt))[:40].strip("-")
    return Shot(
        name=f"{index + 1:02d}-{words or 'shot'}-s{seed}",
        prompt=prompt,
        seed=seed,
        num_frames=num_frames,
        height=height,
        width=width,
        kind=expected_attributes(prompt).get("shot_size", UNKNOWN_KIND),
    )


def slug(text: str) -> str:
    """Write text as a file name: lower case, letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def name_characters(prompt: str, descriptions: Mapping[str, str]) -> str:
    """Replace every `@name` by what the backbone understands.

    Args:
        prompt: For example "close-up of @mira in the kitchen".
        descriptions: Name without the sign to its phrase, such as "a person with long red hair".

    Raises:
        UsageError: A name that no character has; all of them are listed.
    """
    unknown = sorted({name for name in _NAME.findall(prompt) if name not in descriptions})
    if unknown:
        known = ", ".join(f"@{name}" for name in sorted(descriptions)) or "none"
        raise UsageError(
            f"prompt {prompt!r} names {', '.join('@' + name for name in unknown)}, expected one "
            f"of {known}; correct the name or load that character with --with"
        )
    return _NAME.sub(lambda found: descriptions[found.group(1)], prompt)


def check_shots(shots: Sequence[Shot], spec: BackboneSpec) -> None:
    """Make sure that the backbone can draw every shot and that no two share a name.

    Raises:
        UsageError: All mistakes at once, each with the name of its shot.
    """
    mistakes = [] if shots else ["no shots given; give at least one prompt"]
    names = [shot.name for shot in shots]
    mistakes += [
        f"{name}: {names.count(name)} shots have this name; rename all but one"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    for shot in shots:
        if not shot.prompt.strip():
            mistakes.append(f"{shot.name}: the prompt is empty; say what the shot shows")
        for check, given in (
            (spec.check_size, (shot.height, shot.width)),
            (spec.check_frames, (shot.num_frames,)),
        ):
            try:
                check(*given)
            except UsageError as error:
                mistakes.append(f"{shot.name}: {error}")
    if mistakes:
        raise UsageError("\n".join(mistakes))


def expected_attributes(prompt: str) -> dict[str, str]:
    """Read what a prompt asks for, in the words of the toon world.

    Returns:
        Some of "place", "shot_size", "mood", "action", "light", "hair_style", "hair_color",
        "glasses", "beard", "clothes"; an attribute that the prompt does not name, or names twice
        with different values, is left out.
    """
    text = f" {re.sub(r'[^a-z-]+', ' ', prompt.lower())} "
    styles = [style for style in HAIR_STYLES if style != "bald"]
    hair = r"(?P<style>{})? ?(?P<color>{}) hair".format("|".join(styles), "|".join(HAIR_COLORS))
    found: dict[str, set[str]] = {
        "place": {place for place in PLACES if f" the {place} " in text},
        "shot_size": {size for size in SHOT_SIZES if f" {size} " in text},
        "mood": {mood for mood in MOODS if f" {mood} " in text},
        "action": {action for action in ACTIONS if f" {action} " in text},
        "light": {light for light in LIGHTS if f" {light} " in text},
        "glasses": {kind for kind in GLASSES if f" {kind} glasses " in text},
        "beard": {kind for kind in BEARDS if kind != "none" and f" {kind} " in text},
        "clothes": set(re.findall(r" wearing an? (\w+) shirt ", text)),
        "hair_style": {match["style"] for match in re.finditer(hair, text) if match["style"]},
        "hair_color": {match["color"] for match in re.finditer(hair, text)},
    }
    if " no hair " in text:
        found["hair_style"].add("bald")
    return {name: values.pop() for name, values in found.items() if len(values) == 1}
