from datetime import UTC, datetime

import pytest

from facekit.errors import SignatureRefused
from facekit.signing.dsse import sign_envelope
from facekit.signing.keys import SigningKey
from facekit.signing.statements import (
    PAYLOAD_TYPE,
    Statement,
    Subject,
    canonical_json,
    now_text,
    open_statement,
    parse_time,
    sign_statement,
)

ANNA, BOB = SigningKey.generate("anna"), SigningKey.generate("bob")
APPROVAL = Statement("preset.approve", (Subject("mira@1.0.0", "ab" * 32),), {"role": "td"})


def test_a_statement_comes_back_with_its_signers():
    content = sign_statement(APPROVAL, [ANNA]).to_bytes()
    back = open_statement(content, [BOB.public, ANNA.public], kind="preset.approve")
    assert back == APPROVAL
    assert back.signers == (ANNA.public,)


def test_nobody_trusted_is_refused():
    with pytest.raises(SignatureRefused, match="no valid signature by a trusted key"):
        open_statement(sign_statement(APPROVAL, [ANNA]), [BOB.public])


def test_a_statement_is_not_taken_for_another_kind():
    with pytest.raises(SignatureRefused, match=r"expected 'preset\.revoke'"):
        open_statement(sign_statement(APPROVAL, [ANNA]), [ANNA.public], kind="preset.revoke")


def test_something_signed_for_another_purpose_is_refused():
    envelope = sign_envelope(APPROVAL.payload(), "text/plain", [ANNA])
    with pytest.raises(SignatureRefused, match="another purpose"):
        open_statement(envelope, [ANNA.public])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Statement/v1", b"Statement/v9"),
        (b"urn:facekit:", b"urn:somebody:"),
        (b"approve:v1", b"approve:v99"),
        (b"approve:v1", b"approve:v01"),
        (b"approve:v1", b"approve"),
        (b"abab", b"ab../"),
        (b'"subject":[', b'"nothing":['),
        (b'{"role":"td"}', b"[]"),
    ],
)
def test_signed_nonsense_is_refused(old, new):
    payload = APPROVAL.payload()
    assert old in payload
    envelope = sign_envelope(payload.replace(old, new, 1), PAYLOAD_TYPE, [ANNA])
    with pytest.raises(SignatureRefused, match="signed, but"):
        open_statement(envelope, [ANNA.public])


def test_equal_data_gives_equal_bytes():
    assert canonical_json({"b": 1.0, "a": "\u00e9"}) == '{"a":"\u00e9","b":1}'.encode()


def test_times_are_utc_and_to_the_second():
    assert abs((datetime.now(UTC) - parse_time(now_text())).total_seconds()) < 60
    assert parse_time("2027-05-01") == datetime(2027, 5, 1, tzinfo=UTC)
    assert parse_time("2027-05-01T02:00:00+02:00") == datetime(2027, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "soon", ""]
)
def test_a_time_that_is_none_is_told(text):
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)
