"""What is said of a video or a picture that facekit made: who is in it, and by which right."""

import dataclasses
import secrets
from collections.abc import Mapping
from typing import Any, Literal

from facekit.errors import SignatureRefused

__all__ = ["ORIGIN", "Facts", "Shown", "new_render_id"]

ORIGIN = "org.facekit.origin"
"""Label of the assertion that holds the facts."""

_HEX = frozenset("0123456789abcdef")
_TEXT_LIMIT = 500


def new_render_id() -> str:
    """Return 128 random bits as 32 hex digits: names a render, and nobody in it."""
    return secrets.token_hex(16)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A character that was asked for in a file."""

    name: str
    character: str = ""
    """sha256 of its file; empty when unknown, as all digests here."""
    preset: str = ""
    """`id@version`."""
    preset_digest: str = ""
    consent: str = ""
    """sha256 of the consent record."""
    recipe: str = ""
    """sha256 of the recipe that trained it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What facekit says of a file that it made."""

    render_id: str
    """32 hex digits."""
    version: str
    """Of facekit."""
    shown: tuple[Shown, ...] = ()
    """Nobody for a clip of the bare backbone."""
    backbone: str = ""
    fingerprint: str = ""
    """sha256 of everything that decided the take."""
    made: Literal["trained", "drawn"] = "trained"
    """By a trained model, or drawn by a program."""

    def to_json(self) -> dict[str, Any]:
        """All that is known, as plain data."""
        told = {key: value for key, value in dataclasses.asdict(self).items() if value}
        told["shown"] = [
            {key: value for key, value in dataclasses.asdict(one).items() if value}
            for one in self.shown
        ]
        return {"schema": "facekit.origin/1", **told}

    @classmethod
    def from_json(cls, told: Mapping[str, Any], name: str = "facts") -> "Facts":
        """Read facts; keys of later versions are passed over.

        Raises:
            SignatureRefused: They are none.
        """
        try:
            if told["schema"] != "facekit.origin/1":
                raise ValueError(f"schema {told['schema']!r}")
            render_id, made = _text(told["render_id"]), told.get("made", "trained")
            if len(render_id) != 32 or not set(render_id) <= _HEX:
                raise ValueError(f"render_id {render_id[:40]!r}")
            if made not in ("trained", "drawn"):
                raise ValueError(f"made {made!r}")
            known = {field.name for field in dataclasses.fields(Shown)}
            return cls(
                render_id=render_id,
                version=_text(told["version"]),
                shown=tuple(
                    Shown(**{key: _text(value) for key, value in one.items() if key in known})
                    for one in told["shown"]
                ),
                backbone=_text(told.get("backbone", "")),
                fingerprint=_text(told.get("fingerprint", "")),
                made=made,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SignatureRefused(
                f"{name}: {type(error).__name__}: {error}, expected what facekit says of a file;"
                " update facekit, or do not trust the file"
            ) from error


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _TEXT_LIMIT:
        raise ValueError(f"{str(value)[:40]!r} is not a short text")
    return value
