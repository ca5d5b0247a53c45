"""Captions of training photos: what varies is said, what never varies about the face is not.

Words about the face bind the identity to the words; then the identity fades when a prompt leaves
them out. So captions are written from what is known, and captions that users wrote are linted.

Source: issue threads atomantic/PortOS#1320 and kohya-ss/musubi-tuner#925.
"""

import re
from dataclasses import dataclass

from facekit.types import SHOT_SIZES

__all__ = [
    "FACE_WORDS",
    "Subject",
    "drop_face_clauses",
    "face_words_in",
    "shot_size",
    "write_caption",
]

_FACE_WORDS = """
brow brows cheek cheekbone cheekbones cheeks chin complexion dimple dimples ear ears eye eyebrow
eyebrows eyelid eyelids eyes face faced facial forehead freckled freckles irises jaw jawed jawline
lip lips mole moles nose nosed nostrils pupils scar scars skin skinned temples wrinkled wrinkles
"""
FACE_WORDS: frozenset[str] = frozenset(_FACE_WORDS.split())
"""Words about what stays the same on one face. Hair, glasses and beards may change."""

_LEAST_FACES = (0.45, 0.27, 0.0)
"""Of each shot size: the least height of its face as a fraction of the picture's short side."""

_SHOT_WORDS = re.compile(
    r"\b(?:extreme close[- ]up|close[- ]up|medium shot|wide shot|long shot|full shot)\b", re.I
)
_NAME = re.compile(r"\{(?:trigger|character|name)\}|@[A-Za-z][\w-]*")
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """How captions call the character, and what anybody of that kind is called."""

    trigger: str
    """Stands for the character, ``a mira woman``."""
    class_phrase: str
    """Stands for anybody, ``a woman``; the preservation loss asks for it."""

    @classmethod
    def from_name(cls, name: str, *, trigger: str | None = None, noun: str = "person") -> "Subject":
        """Make the subject of a character; without a trigger it is ``a <name> <noun>``."""
        return cls(trigger=trigger or f"a {name} {noun}", class_phrase=f"a {noun}")


def shot_size(face_to_short_side: float) -> str:
    """Name the shot size from the height of the face over the picture's short side."""
    sizes = zip(SHOT_SIZES, _LEAST_FACES, strict=True)
    return next(name for name, least in sizes if face_to_short_side >= least)


def write_caption(phrase: str, face_to_short_side: float, sidecar: str | None = None) -> str:
    """Write the caption of one view of a photo.

    Args:
        phrase: The trigger, or the class phrase for the same picture of anybody.
        face_to_short_side: Height of the face over the short side of the view.
        sidecar: The user's own caption; ``{trigger}`` or ``@name`` in it becomes the phrase, and
            its shot size is corrected to the view's.
    """
    size = shot_size(face_to_short_side)
    if not sidecar:
        return f"{size} of {phrase}"
    text, named = _NAME.subn(lambda _: phrase, sidecar)
    text = _SHOT_WORDS.sub(size, text, count=1)
    return text if named else f"{phrase}, {text}"


def face_words_in(caption: str) -> tuple[str, ...]:
    """List the invariant face words of a caption, each once, in order."""
    return tuple(dict.fromkeys(w for w in _WORD.findall(caption.lower()) if w in FACE_WORDS))


def drop_face_clauses(caption: str) -> tuple[str, tuple[str, ...]]:
    """Remove the clauses between commas that speak of the face.

    A clause that names the character stays, since a caption without its subject is worthless.

    Returns:
        The shorter caption, and the face words found, those in kept clauses included.
    """
    words = face_words_in(caption)
    if not words:
        return caption, ()
    clauses = [clause.strip() for clause in caption.split(",")]
    kept = [c for c in clauses if c and (_NAME.search(c) or not face_words_in(c))]
    return ", ".join(kept), words
