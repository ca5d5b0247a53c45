"""The words of rights: whose face it is, what it is used for, where that is shown."""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import StringConstraints, TypeAdapter, ValidationError

__all__ = [
    "SPELLINGS",
    "WORLD",
    "MaybePlace",
    "MaybeWord",
    "Place",
    "SubjectType",
    "Word",
    "is_person",
    "is_place",
    "is_word",
]

_WORD_FORM: Final = r"[a-z][a-z0-9-]{0,63}"
_PLACE_FORM: Final = r"(world|[A-Z]{2}(-[A-Z0-9]{1,3})?)"

SPELLINGS: Final = {
    **dict.fromkeys(
        (f"^{_WORD_FORM}$", f"^({_WORD_FORM})?$"),
        "small letters, digits and -, such as narrative-fiction",
    ),
    **dict.fromkeys(
        (f"^{_PLACE_FORM}$", f"^{_PLACE_FORM}?$"),
        "world, a country such as DE, or a part of one such as US-CA",
    ),
}
"""What each of the patterns below asks for, in words."""

SubjectType: TypeAlias = Literal["real", "synthetic", "fictional-performed", "non-human"]
"""Whose face it is."""

Word: TypeAlias = Annotated[str, StringConstraints(pattern=f"^{_WORD_FORM}$")]
"""A use or a medium, such as `narrative-fiction` or `film`."""

MaybeWord: TypeAlias = Annotated[str, StringConstraints(pattern=f"^({_WORD_FORM})?$")]
"""The same, or empty."""

Place: TypeAlias = Annotated[str, StringConstraints(pattern=f"^{_PLACE_FORM}$")]
"""`world`, or a country by ISO 3166-1, or a part of one by ISO 3166-2."""

MaybePlace: TypeAlias = Annotated[str, StringConstraints(pattern=f"^{_PLACE_FORM}?$")]
"""The same, or empty."""

WORLD: Final = "world"

_PEOPLE: Final = ("real", "fictional-performed")
_WORD: Final[TypeAdapter[str]] = TypeAdapter(Word)
_PLACE: Final[TypeAdapter[str]] = TypeAdapter(Place)


def is_person(subject: str) -> bool:
    """Whether somebody is depicted, who has to agree."""
    return subject in _PEOPLE


def is_word(text: str) -> bool:
    """Whether it can name a use or a medium."""
    return _fits(_WORD, text)


def is_place(text: str) -> bool:
    """Whether it is written as places are."""
    return _fits(_PLACE, text)


def _fits(kind: TypeAdapter[str], text: str) -> bool:
    try:
        kind.validate_python(text)
    except ValidationError:
        return False
    return True
