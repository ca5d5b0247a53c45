"""What a record of consent holds, and that it is what was signed."""

import json

import pytest

from facekit.errors import ConsentRefused
from facekit.rights.consent import new_subject_ref, read_consent
from facekit.rights.consent_parts import DENIED
from tests.tiny.consents import LEGAL, STRANGER, consent


def test_a_record_is_read_as_it_was_signed():
    made = consent()
    again = read_consent(made.to_bytes(), "mira")
    assert again.record == made.record
    assert again.digest == made.digest
    assert again.signers([LEGAL.public, STRANGER.public]) == (LEGAL.public,)
    assert made.record.uses.deny == DENIED
    assert json.loads(made.to_bytes())["schema"] == "facekit.consent/1"


def test_a_changed_record_has_no_signer():
    told = json.loads(consent().to_bytes())
    told["uses"]["allow"].append("advertising")
    again = read_consent(told, "mira")
    assert again.signers([LEGAL.public]) == ()


def test_the_same_content_in_another_order_is_the_same_record():
    told = json.loads(consent().to_bytes())
    turned = dict(reversed(told.items()))
    assert read_consent(turned, "mira").signers([LEGAL.public]) == (LEGAL.public,)


def test_references_of_people_are_random():
    assert new_subject_ref() != new_subject_ref()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"valid_until": "2036-11-29"}, "more than ten years"),
        ({"valid_until": "2026-11-19"}, "before valid_from"),
        ({"uses": {"allow": ["sexual"]}}, "both allowed and denied"),
        ({"uses": {"allow": ["test"], "deny": []}}, "nobody can agree"),
        ({"evidence": []}, "without evidence"),
        ({"method": "not-required"}, "synthetic"),
        ({"method": "not-required", "subject": "synthetic"}, "without a reason"),
        ({"subject": "synthetic"}, "not-required"),
        ({"name": "Mira Smith"}, "unknown key"),
        ({"subject_ref": "mira"}, "subject_ref"),
        ({"revocation": {"contact": ""}}, "revocation.contact"),
        ({"compensation": {"unit": "ref"}}, "there is none"),
        ({"territory": ["Germany"]}, "territory"),
        ({"uses": {"allow": []}}, "uses.allow"),
        ({"schema": "facekit.consent/2"}, "schema"),
        ({"schema": "facekit.consent/2", "adult": None}, "schema"),
        ({"train": {"merge": True}}, "unknown key"),
    ],
)
def test_what_cannot_be_agreed_to_is_refused(change, said):
    with pytest.raises(ConsentRefused, match=said) as caught:
        consent(**change)
    assert caught.value.rule == "record"
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("adult", [False, None, "true", 1])
def test_nobody_makes_a_character_of_a_minor(adult):
    with pytest.raises(ConsentRefused, match="minors") as caught:
        consent(adult=adult)
    assert caught.value.rule == "minor"


def test_a_drawn_character_says_why_none_is_needed():
    made = consent(
        subject="synthetic", method="not-required", reason="drawn", adult=None, evidence=[]
    )
    assert not made.record.needs_consent


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff", b'{"adult": true, "adult": true}', b'{"signatures": [{}]}'],
)
def test_what_is_no_record_is_refused(content):
    with pytest.raises(ConsentRefused):
        read_consent(content, "x.json")
