"""Signed bytes: DSSE envelopes, which name the type of what is signed.

Source: DSSE v1.0.2, https://github.com/secure-systems-lab/dsse
"""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facekit.errors import SignatureRefused
from facekit.signing.keys import PublicKey, SigningKey

__all__ = ["ENVELOPE_LIMIT", "SIGNATURE_LIMIT", "Envelope", "Signature", "sign_envelope"]

ENVELOPE_LIMIT = 4 * 1024 * 1024
"""Bytes above which nothing is read as an envelope."""
SIGNATURE_LIMIT = 64
"""Signatures above which an envelope is refused: each may be tried with every key."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who is said to have signed, and with what."""

    keyid: str
    """A hint, empty where none is given; the signature alone counts."""
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """Bytes, their type, and signatures over both."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]

    @classmethod
    def read(cls, content: bytes, name: str = "envelope") -> "Envelope":
        """Take an envelope apart; nothing is verified.

        Args:
            content: JSON.
            name: What messages call it.

        Raises:
            SignatureRefused: It is not an envelope.
        """
        if len(content) > ENVELOPE_LIMIT:
            raise _damaged(name, f"{len(content)} bytes")
        try:
            told = json.loads(content)
            payload = _decoded(told["payload"])
            payload_type = told["payloadType"]
            signatures = tuple(
                Signature(one.get("keyid") or "", _decoded(one["sig"]))
                for one in told["signatures"]
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _damaged(name, f"not one ({error})") from error
        texts = [payload_type, *(one.keyid for one in signatures)]
        if not signatures or not all(isinstance(text, str) for text in texts):
            raise _damaged(name, "no signatures, or a keyid that is no text")
        if len(signatures) > SIGNATURE_LIMIT:
            raise _damaged(name, f"{len(signatures)} signatures, over {SIGNATURE_LIMIT}")
        return cls(payload, payload_type, signatures)

    def to_bytes(self) -> bytes:
        """The envelope as JSON; the same envelope gives the same bytes."""
        told = {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": self.payload_type,
            "signatures": [
                ({"keyid": one.keyid} if one.keyid else {})
                | {"sig": base64.b64encode(one.sig).decode()}
                for one in self.signatures
            ],
        }
        return json.dumps(told, indent=1).encode() + b"\n"

    def signers(self, keys: Iterable[PublicKey]) -> tuple[PublicKey, ...]:
        """Those of `keys` that have signed, each once, in the order of the signatures."""
        known = {key.keyid: key for key in keys}
        message = _message(self.payload_type, self.payload)
        found: dict[str, PublicKey] = {}
        for one in self.signatures:
            named = known.get(one.keyid)
            tried = list(known.values()) if not one.keyid else [named] if named else []
            for key in tried:
                if key.verify(message, one.sig):
                    found[key.keyid] = key
        return tuple(found.values())


def sign_envelope(payload: bytes, payload_type: str, keys: Sequence[SigningKey]) -> Envelope:
    """Sign bytes with every key."""
    message = _message(payload_type, payload)
    signatures = tuple(Signature(key.public.keyid, key.sign(message)) for key in keys)
    return Envelope(payload, payload_type, signatures)


def _decoded(text: str) -> bytes:
    """Base64 of the common or of the URL-safe alphabet: whoever verifies takes both."""
    altchars = b"-_" if "-" in text or "_" in text else b"+/"
    return base64.b64decode(text, altchars, validate=True)


def _message(payload_type: str, payload: bytes) -> bytes:
    """What is signed: the pre-authentication encoding of DSSE."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _damaged(name: str, got: str) -> SignatureRefused:
    return SignatureRefused(
        f"{name}: {got}, expected a signed envelope (DSSE); get it again from where it came"
    )
