"""Whoever tampers with a consent or with the ledger of use is found, and nothing is allowed."""

import dataclasses

import pytest

from facekit.adapters.character_header import CharacterHeader, SubjectRecord
from facekit.errors import ConsentRefused, FacekitError, LedgerDamaged
from tests.tiny.rights_attacks import CONSENT_ATTACKS, LEDGER_ATTACKS, make_place, permit, use_four


@pytest.fixture
def place(tmp_path):
    return make_place(tmp_path)


def test_without_an_attack_it_is_allowed(place):
    assert permit(place).by == "consent"


@pytest.mark.parametrize("name", CONSENT_ATTACKS)
def test_attacks_on_consents_are_found(place, tmp_path, name):
    attack, asked, rule = CONSENT_ATTACKS[name]
    attack(place.store, tmp_path)
    with pytest.raises(FacekitError) as caught:
        permit(place, **asked)
    error = caught.value
    assert error.exit_code in (4, 6)
    told = error.rule if isinstance(error, ConsentRefused) else type(error).__name__
    assert rule in ("any", told), str(error)
    assert error.next_step


@pytest.mark.parametrize("name", LEDGER_ATTACKS)
def test_attacks_on_the_ledger_are_found(place, name):
    use_four(place)
    LEDGER_ATTACKS[name](place.ledger)
    with pytest.raises(LedgerDamaged):
        place.ledger.verify()
    with pytest.raises(LedgerDamaged):
        place.ledger.append("use", {})
    with pytest.raises(LedgerDamaged):
        permit(place)


def test_a_header_cannot_claim_a_person_without_a_consent():
    header = CharacterHeader(name="mira", level="L2", backbone="toon")
    assert "subject" not in header.to_json()
    with pytest.raises(ValueError, match="without reference"):
        SubjectRecord(type="real")
    with pytest.raises(ValueError, match="subject is"):
        SubjectRecord(type="minor")  # type: ignore[arg-type]
    told = dataclasses.replace(header, subject=SubjectRecord(type="synthetic"))
    assert CharacterHeader.from_json(told.to_json()) == told
    assert CharacterHeader.from_json(header.to_json()) == header
