"""Signed bytes: DSSE envelopes, which name the type of what is signed.

Source: DSSE v1.0.2, https://github.com/secure-systems-lab/dsse
"""

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facekit.errors import SignatureRefused
from facekit.signing.keys import PublicKey, SigningKey

__all__ = ["ENVELOPE_LIMIT", "Envelope", "Signature", "sign_envelope"]

ENVELOPE_LIMIT = 4 * 1024 * 1024
"""Bytes above which nothing is read as an envelope."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who is said to have signed, and with what."""

    keyid: str
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
            payload = base64.b64decode(told["payload"], validate=True)
            payload_type = told["payloadType"]
            signatures = tuple(
                Signature(one["keyid"], base64.b64decode(one["sig"], validate=True))
                for one in told["signatures"]
            )
        except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
            raise _damaged(name, f"{type(error).__name__}: {error}") from error
        texts = [payload_type, *(one.keyid for one in signatures)]
        if not signatures or not all(isinstance(text, str) for text in texts):
            raise _damaged(name, "no signatures, or one without a keyid")
        return cls(payload, payload_type, signatures)

    def to_bytes(self) -> bytes:
        """The envelope as JSON; the same envelope gives the same bytes."""
        told = {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": self.payload_type,
            "signatures": [
                {"keyid": one.keyid, "sig": base64.b64encode(one.sig).decode()}
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
            key = known.get(one.keyid)
            if key is not None and key.verify(message, one.sig):
                found[key.keyid] = key
        return tuple(found.values())


def sign_envelope(payload: bytes, payload_type: str, keys: Sequence[SigningKey]) -> Envelope:
    """Sign bytes with every key."""
    message = _message(payload_type, payload)
    signatures = tuple(Signature(key.public.keyid, key.sign(message)) for key in keys)
    return Envelope(payload, payload_type, signatures)


def _message(payload_type: str, payload: bytes) -> bytes:
    """What is signed: the pre-authentication encoding of DSSE."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _damaged(name: str, got: str) -> SignatureRefused:
    return SignatureRefused(
        f"{name}: {got}, expected a signed envelope (DSSE); get it again from where it came"
    )
