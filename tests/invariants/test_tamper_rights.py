"""Whoever tampers with a consent or with the ledger of use is found, and nothing is allowed."""

import dataclasses

import pytest

from facekit.adapters.character_header import CharacterHeader, SubjectRecord
from facekit.errors import ConsentRefused, FacekitError, LedgerDamaged
from facekit.rights.ledger import Ledger
from facekit.rights.policy import Use
from facekit.rights.store import ConsentStore
from facekit.show_file import Show
from facekit.signing.home import KeyHome
from facekit.workflows.rights import permit_character
from facekit.workflows.rights_place import RightsPlace
from tests.tiny.consents import LEGAL, NOW, REF, consent
from tests.tiny.rights_attacks import CONSENT_ATTACKS, LEDGER_ATTACKS


@pytest.fixture
def place(tmp_path):
    made = RightsPlace(
        store=ConsentStore(tmp_path / "consent"),
        ledger=Ledger(tmp_path / "ledger.jsonl"),
        keys=KeyHome(tmp_path / "keys"),
        show=Show(),
        show_file=None,
    )
    made.keys.trust(LEGAL.public)
    made.store.add("mira", consent())
    return made


def permit(place, **asked):
    use = Use(**{"action": "render", "use": "test", "project": "org.studio.show", **asked})
    subject = SubjectRecord(type="real", ref=REF, consent=consent().digest)
    header = CharacterHeader(name="mira", level="L2", backbone="toon", subject=subject)
    source = place.store.folder.parent / "mira" / "adapter.safetensors"
    # Signed statements carry the clock's time, so what was taken back counts from then on.
    return permit_character("mira", source, header, use, place, now=NOW)


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
    for number in range(4):
        place.ledger.append("use", {"number": number, "seconds": 1.5})
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
