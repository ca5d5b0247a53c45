"""Statements and pointers that do not count: why, and whether somebody has tampered with them."""

from dataclasses import dataclass

from facekit.errors import SignatureRefused
from facekit.show_file import Show
from facekit.signing.dsse import Envelope

__all__ = ["DoesNotCount", "Ignored", "is_forged"]


@dataclass(frozen=True, slots=True)
class Ignored:
    """A statement that does not count, and why."""

    name: str
    reason: str
    forged: bool = False
    """Whether it is damaged, altered or out of its place; else somebody without a say signed it."""


class DoesNotCount(Exception):
    """Why a statement is passed over.

    Args:
        reason: In words.
        forged: As of `Ignored`.
    """

    def __init__(self, reason: str, *, forged: bool = False) -> None:
        super().__init__(reason)
        self.forged = forged

    def as_ignored(self, name: str) -> Ignored:
        """The same as a fact."""
        return Ignored(name, str(self), self.forged)


def is_forged(content: bytes, show: Show) -> bool:
    """Whether an envelope cannot be read, or names a key of the show that has not signed it.

    What names other keys alone may be valid: nobody here can tell.
    """
    try:
        envelope = Envelope.read(content)
    except SignatureRefused:
        return True
    keys = show.all_keys()
    named = {key.keyid for key in keys} & {one.keyid for one in envelope.signatures}
    return bool(named) and not envelope.signers(keys)
