"""Signatures on a version that came after it was published: an entry never changes."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from facekit.errors import SignatureRefused
from facekit.presets.entries import Entry
from facekit.presets.names import PACK_SIGNATURE
from facekit.presets.storage import Store
from facekit.signing.dsse import ENVELOPE_LIMIT, SIGNATURE_LIMIT, Envelope

__all__ = ["LATER", "add_later", "with_later"]

LATER: Final = "signatures"
"""Folder of envelopes, by the digest that they sign."""


def add_later(store: Store, published: Entry, signatures: Mapping[str, bytes]) -> bool:
    """Keep what a version was packed and signed with, where it was published with something else.

    Args:
        store: Of the registry.
        published: The entry that is there.
        signatures: Envelopes by path, as they came with the same content.

    Returns:
        Whether a signature was added.
    """
    envelope = signatures.get(PACK_SIGNATURE)
    if envelope is None:
        return False
    name = sha256(envelope).hexdigest()
    if name in {one.sha256 for one in published.signatures}:
        return False
    return store.put_new(f"{LATER}/{published.digest}/{name}.json", envelope)


def with_later(store: Store, entry: Entry, signatures: Mapping[str, bytes]) -> dict[str, bytes]:
    """Add to the envelopes of an entry those that came later; nothing is verified.

    What lies there and is no envelope, or says something else, is passed over.

    Args:
        store: Of the registry.
        entry: Of the version.
        signatures: That it was published with, by path.
    """
    folder = f"{LATER}/{entry.digest}"
    names = store.names(folder)[:SIGNATURE_LIMIT]
    contents = store.read_many([f"{folder}/{name}" for name in names], ENVELOPE_LIMIT)
    later = [
        content
        for name, content in zip(names, contents, strict=True)
        if content and f"{sha256(content).hexdigest()}.json" == name
    ]
    first = signatures.get(PACK_SIGNATURE)
    merged: Envelope | None = None
    for content in [*([first] if first is not None else []), *later]:
        try:
            envelope = Envelope.read(content)
        except SignatureRefused:
            if content is first:
                break  # whoever reads it is told
            continue
        merged = envelope if merged is None else _joined(merged, envelope)
    if merged is None or not later:
        return dict(signatures)
    return {**signatures, PACK_SIGNATURE: merged.to_bytes()}


def _joined(one: Envelope, other: Envelope) -> Envelope:
    """One envelope with the signatures of both, if they sign the same."""
    if (one.payload, one.payload_type) != (other.payload, other.payload_type):
        return one
    both = tuple(dict.fromkeys((*one.signatures, *other.signatures)))
    return Envelope(one.payload, one.payload_type, both[:SIGNATURE_LIMIT])
