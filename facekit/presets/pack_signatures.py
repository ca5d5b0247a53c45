"""What whoever packed a preset has signed, in one envelope or in several."""

from collections.abc import Mapping
from typing import Final

from facekit.errors import SignatureRefused
from facekit.presets.names import PACK_SIGNATURE, PACK_SIGNATURES
from facekit.signing.keys import PublicKey
from facekit.signing.statements import Statement, Subject, open_statement

__all__ = ["PACK", "open_packed"]

PACK: Final = "preset.pack"
"""Kind of the statement that whoever packs a preset signs."""


def open_packed(
    signatures: Mapping[str, bytes], whose: Subject, trusted: tuple[PublicKey, ...], name: str
) -> Statement:
    """Read what whoever packed a preset has signed, of one that need not be here as a whole.

    Args:
        signatures: Envelopes by their paths.
        whose: Label and digest of the preset.
        trusted: Keys whose signatures count.
        name: What messages call the preset.

    Raises:
        SignatureRefused: As for `Bundle.packed_by`.
    """
    names = sorted(name for name in signatures if name.startswith(PACK_SIGNATURES))
    names = [PACK_SIGNATURE, *names] if PACK_SIGNATURE in signatures else names
    if not names:
        raise SignatureRefused(
            f"{name}: not signed, expected {PACK_SIGNATURE}; get it from whoever packed it, who"
            " signs it with facekit preset pack"
        )
    refused: list[SignatureRefused] = []
    for path in names:
        try:
            return _open_packed(signatures[path], whose, trusted, f"{name}: {path}")
        except SignatureRefused as error:
            refused.append(error)
    raise refused[0]


def _open_packed(
    content: bytes, whose: Subject, trusted: tuple[PublicKey, ...], path: str
) -> Statement:
    statement = open_statement(content, trusted, kind=PACK, name=path)
    if set(statement.subjects) != {whose}:
        said = ", ".join(sorted(one.name for one in statement.subjects))
        raise SignatureRefused(
            f"{path}: signed for {said} of another digest, expected {whose.name}"
            f" {whose.sha256[:12]}; get the preset again"
        )
    return statement
