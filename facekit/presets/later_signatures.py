"""Signatures on a version that came after it was published: an entry never changes."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from facekit.errors import SignatureRefused
from facekit.presets.entries import Entry
from facekit.presets.names import PACK_SIGNATURE, PACK_SIGNATURES
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
    there, added = {one.sha256 for one in published.signatures}, False
    for path, envelope in signatures.items():
        name = sha256(envelope).hexdigest()
        is_pack = path == PACK_SIGNATURE or path.startswith(PACK_SIGNATURES)
        if is_pack and name not in there:
            added |= store.put_new(f"{LATER}/{published.digest}/{name}.json", envelope)
    return added


def with_later(store: Store, entry: Entry, signatures: Mapping[str, bytes]) -> dict[str, bytes]:
    """Add to the envelopes of an entry those that came later; nothing is verified.

    What lies there and is no envelope, or says nothing of this digest, is passed over. Signatures
    on the same bytes become one envelope; other bytes, such as those of another version of
    facekit, get one of their own beside it.

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
    if not later:
        return dict(signatures)
    first = {name: _read(content) for name, content in signatures.items()}
    told = {name: envelope for name, envelope in first.items() if envelope is not None}
    merged = dict(signatures)
    for content in later:
        envelope = _read(content)
        if envelope is None or entry.digest.encode() not in envelope.payload:
            continue
        said = (envelope.payload, envelope.payload_type)
        same = (name for name, own in told.items() if (own.payload, own.payload_type) == said)
        name = next(same, "") or _free_name(merged, envelope)
        told[name] = _joined(told[name], envelope) if name in told else envelope
        merged[name] = told[name].to_bytes()
    return merged


def _read(content: bytes) -> Envelope | None:
    try:
        return Envelope.read(content)
    except SignatureRefused:
        return None


def _free_name(taken: Mapping[str, bytes], envelope: Envelope) -> str:
    """Where the first signature lies, or beside it what says the same in other words."""
    if PACK_SIGNATURE not in taken:
        return PACK_SIGNATURE
    said = f"{envelope.payload_type} ".encode() + envelope.payload
    return f"{PACK_SIGNATURES}{sha256(said).hexdigest()[:16]}.json"


def _joined(one: Envelope, other: Envelope) -> Envelope:
    """One envelope with the signatures of both, which sign the same."""
    both = tuple(dict.fromkeys((*one.signatures, *other.signatures)))
    return Envelope(one.payload, one.payload_type, both[:SIGNATURE_LIMIT])
