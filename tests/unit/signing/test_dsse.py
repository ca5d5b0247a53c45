import json

import pytest

from facekit.errors import SignatureRefused
from facekit.signing.dsse import ENVELOPE_LIMIT, Envelope, sign_envelope
from facekit.signing.keys import PublicKey, SigningKey

ANNA, BOB = SigningKey.generate("anna"), SigningKey.generate("bob")


def test_an_envelope_comes_back_from_its_bytes():
    envelope = sign_envelope(b"payload", "text/plain", [ANNA, BOB])
    back = Envelope.read(envelope.to_bytes())
    assert back == envelope
    assert back.signers([BOB.public, ANNA.public]) == (ANNA.public, BOB.public)


def test_what_is_signed_is_the_published_encoding():
    """The example of the DSSE specification (protocol.md) under our key."""
    envelope = sign_envelope(b"hello world", "http://example.com/HelloWorld", [ANNA])
    message = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert ANNA.public.verify(message, envelope.signatures[0].sig)


@pytest.mark.parametrize("part", ["payload", "payload_type"])
def test_a_changed_part_has_no_signers(part):
    envelope = sign_envelope(b"payload", "text/plain", [ANNA])
    told = {"payload": envelope.payload, "payload_type": envelope.payload_type}
    told[part] = told[part][:-1] + told[part][:1]
    assert not Envelope(**told, signatures=envelope.signatures).signers([ANNA.public])


def test_a_signature_under_another_keys_name_does_not_count():
    envelope = sign_envelope(b"payload", "text/plain", [ANNA])
    assert not envelope.signers([BOB.public])
    told = json.loads(envelope.to_bytes())
    told["signatures"][0]["keyid"] = BOB.public.keyid
    assert not Envelope.read(json.dumps(told).encode()).signers([ANNA.public, BOB.public])


def test_signing_twice_with_one_key_is_one_signer():
    envelope = sign_envelope(b"payload", "text/plain", [ANNA, ANNA])
    assert envelope.signers([ANNA.public, PublicKey(ANNA.public.raw)]) == (ANNA.public,)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"payload": "!", "payloadType": "t", "signatures": []}',
        b'{"payload": "YQ==", "payloadType": "t", "signatures": []}',
        b'{"payload": "YQ==", "payloadType": 3, "signatures": [{"keyid": "a", "sig": "YQ=="}]}',
        b'{"payload": "YQ==", "payloadType": "t", "signatures": [{"keyid": 3, "sig": "YQ=="}]}',
        b'{"payload": "YQ==", "payloadType": "t", "signatures": ["a"]}',
        b'{"payload": "YQ==", "payloadType": "t", "signatures": ['
        + b'{"keyid": "a", "sig": "YQ=="},' * 64
        + b'{"keyid": "a", "sig": "YQ=="}]}',
        b"[" * 100_000,
        b" " * (ENVELOPE_LIMIT + 1),
    ],
)
def test_what_is_no_envelope_is_refused(content):
    with pytest.raises(SignatureRefused, match="expected a signed envelope"):
        Envelope.read(content)


def test_other_tools_may_leave_the_keyid_away_and_write_url_safe_base64():
    """DSSE 1.0: the keyid is an optional hint, and whoever verifies takes both alphabets."""
    envelope = sign_envelope(b"\xfb\xff\xfe", "text/plain", [ANNA])
    told = json.loads(envelope.to_bytes())
    (signature,) = told["signatures"]
    del signature["keyid"]
    told["payload"] = told["payload"].replace("+", "-").replace("/", "_")
    signature["sig"] = signature["sig"].replace("+", "-").replace("/", "_")
    assert told["payload"] == "-__-"
    back = Envelope.read(json.dumps(told).encode())
    assert back.payload == envelope.payload
    assert back.signers([BOB.public, ANNA.public]) == (ANNA.public,)
    assert back.signers([BOB.public]) == ()
    assert Envelope.read(back.to_bytes()) == back
