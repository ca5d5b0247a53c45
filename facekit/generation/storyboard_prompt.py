"""Camera, size, action, place, light and style of a shot joined to one prompt."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from facekit.types import SHOT_SIZES

__all__ = [
    "SIZE_WORDS",
    "PromptParts",
    "call_names",
    "join_prompt",
    "names_in",
    "place_words",
    "size_kind",
]

_CLOSE, _MEDIUM, _WIDE = SHOT_SIZES

SIZE_WORDS: dict[str, tuple[str, str]] = {
    "ECU": ("extreme close-up", _CLOSE),
    "CU": ("close-up", _CLOSE),
    "MCU": ("medium close-up", _CLOSE),
    "MS": ("medium shot", _MEDIUM),
    "FS": ("full shot", _WIDE),
    "WS": ("wide shot", _WIDE),
    "EST": ("establishing shot", _WIDE),
    "OTS": ("over-the-shoulder shot", _MEDIUM),
    "POV": ("point-of-view shot", ""),
    "INSERT": ("insert shot", ""),
}
"""Shot size to what it is called in a prompt, and which of `SHOT_SIZES` it is; empty for none."""

_ANGLES = {
    "": "",
    "eye": "",
    "low": "low angle",
    "high": "high angle",
    "overhead": "overhead view",
    "dutch": "dutch angle",
}
_PREPOSITIONS = frozenset(
    [
        *("in", "on", "at", "inside", "outside", "under", "over", "near", "by", "beside"),
        *("behind", "before", "above", "below", "through", "among", "between", "along", "across"),
    ]
)
_NAME = re.compile(r"@([A-Za-z][\w-]*)")
_DOING = re.compile(r"@([A-Za-z][\w-]*) (\w+ing\b.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptParts:
    """What a prompt is made of, each part as it is written."""

    size: str = ""
    characters: tuple[str, ...] = ()
    """Names of those in the shot, without `@`."""
    expressions: tuple[str, ...] = ()
    """One per character, empty for none."""
    sides: tuple[str, ...] = ()
    """Where each of them is, such as `on the left`, empty for anywhere."""
    action: str = ""
    place: str = ""
    light: str = ""
    move: str = ""
    lens: int | None = None
    angle: str = ""
    props: tuple[str, ...] = ()
    style: str = ""


def names_in(text: str) -> tuple[str, ...]:
    """Every `@name` of a text, each once, in order, without the `@`."""
    return tuple(dict.fromkeys(_NAME.findall(text)))


def call_names(text: str, phrases: Mapping[str, str]) -> str:
    """Put its phrase in the place of every `@name`; one without a phrase stays."""
    return _NAME.sub(lambda found: phrases.get(found.group(1), found.group()), text)


def size_kind(size: str) -> str:
    """Which of `SHOT_SIZES` a size is; empty for none, which demands no face."""
    return SIZE_WORDS[size][1] if size else ""


def join_prompt(parts: PromptParts, knows: Callable[[str], bool] = lambda _: True) -> str:
    """Join the parts as the captions of the training have them.

    Who is named in the action stands there; the others follow the shot size, and so does who does
    something alone, as in `@mira talking`.

    Args:
        parts: The parts; empty ones are left out.
        knows: Whether the backbone knows all words of a text. A shot size whose name it does not
            know is called by the nearest of `SHOT_SIZES`.

    Returns:
        Such as "close-up of @mira in the kitchen, happy, talking, warm light".
    """
    named, action = names_in(parts.action), parts.action
    if len(named) == 1 and (doing := _DOING.match(action)):
        named, action = (), doing.group(2)
    sides = parts.sides or ("",) * len(parts.characters)
    silent = [
        f"@{name} {side}".strip()
        for name, side in zip(parts.characters, sides, strict=True)
        if name not in named
    ]
    head = _size_words(parts.size, knows)
    who = _listed(silent)
    if who:
        head = f"{head} of {who}" if head else who
    place = place_words(parts.place)
    pieces = [f"{head} {place}".strip()]
    pieces += [
        _listed([mood for mood in dict.fromkeys(parts.expressions) if mood]),
        action,
        parts.light,
        parts.move,
        _ANGLES[parts.angle],
        f"{parts.lens} mm lens" if parts.lens else "",
        f"with {_listed(list(parts.props))}" if parts.props else "",
        parts.style,
    ]
    return ", ".join(piece.strip().rstrip(".,") for piece in pieces if piece.strip())


def place_words(place: str) -> str:
    """Write where it is: `in the kitchen`, `in Lisbon, 1974`; as it is after a preposition."""
    first, _, _ = place.strip().partition(" ")
    if not first or first.lower() in _PREPOSITIONS:
        return place.strip()
    has_article = first.lower() in {"a", "an", "the"} or not first[0].islower()
    return f"in {place.strip()}" if has_article else f"in the {place.strip()}"


def _size_words(size: str, knows: Callable[[str], bool]) -> str:
    if not size:
        return ""
    fine, coarse = SIZE_WORDS[size]
    return fine if not coarse or knows(fine) else coarse


def _listed(words: Sequence[str]) -> str:
    return " and ".join(words)
