"""Consents from the command line: whoever agrees for themselves is taken at every word."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facekit.errors import ConsentRefused, SignatureRefused, UsageError
from facekit.recipe import load_recipe
from facekit.rights import consent as consent_module
from facekit.signing.home import key_home
from facekit.workflows.consent import (
    check_one,
    record_consent,
    record_self,
    revoke_consent,
    show_consents,
)
from facekit.workflows.consent_terms import ConsentTerms
from facekit.workflows.rights_place import find_rights
from facekit.workflows.train_rights import plan_rights
from tests.tiny.people import TERMS


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_who_agrees_for_themselves_says_how_far():
    own = ConsentTerms(
        deny=("advertising",), valid_until="2030-01-01", territory=("DE",), notice_days=3
    )
    told = record_self("me", own).consent.record
    assert (told.method, told.adult, told.uses.allow) == ("self-attest", True, ("personal", "any"))
    assert "advertising" in told.uses.deny
    assert (str(told.valid_until), told.territory) == ("2030-01-01", ("DE",))
    assert (told.revocation.effect, told.revocation.notice_days) == ("withdraw", 3)
    few = record_self("less", ConsentTerms(deny=("personal",), effect="stop-new"))
    assert few.consent.record.uses.allow == ("any",)
    assert few.consent.record.revocation.effect == "stop-new"


def test_what_cannot_be_true_of_oneself_is_refused(tmp_path):
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(b"")
    for terms, evidence, said in (
        (ConsentTerms(method="video-statement"), (), "--method video-statement"),
        (ConsentTerms(subject="synthetic"), (), "--subject synthetic"),
        (ConsentTerms(), (scan,), "scan.pdf"),
    ):
        with pytest.raises(UsageError, match=said):
            record_self("me", terms, evidence=evidence)
    assert not find_rights().store.records()


def test_after_a_year_one_agrees_anew_as_the_same_person(monkeypatch):
    wan = load_recipe("wan2_1_t2v_1_3b/train")
    past = str(datetime.now(UTC).date() - timedelta(days=400))
    over = str(datetime.now(UTC).date() - timedelta(days=35))
    last_year = "2025-01-01T00:00:00Z"
    with monkeypatch.context() as patch:
        patch.setattr(consent_module, "now_text", lambda: last_year)
        first = record_self("me", ConsentTerms(valid_from=past, valid_until=over)).consent
    with pytest.raises(ConsentRefused, match="--i-am-the-subject --renew") as caught:
        plan_rights("me", wan, is_subject=True)
    assert caught.value.rule == "dates"
    again = record_self("me", renew=True).consent
    assert again.record.subject_ref == first.record.subject_ref
    assert plan_rights("me", wan, is_subject=True).consent == again
    key_home().create("legal")
    record_consent([], "mira", TERMS, adult=True)
    with pytest.raises(UsageError, match="agreement-ref"):
        record_self("mira", renew=True)


def test_neither_a_damaged_ledger_nor_a_damaged_record_of_others_stops_who_takes_it_back():
    key_home().create("legal")
    for name in ("mira", "noa"):
        record_consent([], name, TERMS, adult=True)
    place = find_rights()
    (other,) = place.store.folder.glob("noa.*.consent.json")
    other.write_bytes(b"{}")
    ledger = place.ledger.path
    ledger.write_bytes(ledger.read_bytes().replace(b"grant", b"trust"))
    made = revoke_consent("mira", effect="withdraw")
    assert made.path.is_file()
    assert "not in the ledger" in made.describe()
    assert made.to_json()["not_noted"]


def test_a_consent_that_the_ledger_cannot_tell_is_not_recorded():
    key_home().create("legal")
    record_consent([], "mira", TERMS, adult=True)
    ledger = find_rights().ledger.path
    ledger.write_bytes(ledger.read_bytes().replace(b"grant", b"trust"))
    with pytest.raises(Exception, match="line 1"):
        record_consent([], "noa", TERMS, adult=True)
    assert not list(Path(find_rights().store.folder).glob("noa.*"))


def test_a_damaged_revocation_is_told_and_stops_nobody_else():
    key_home().create("legal")
    for name in ("mira", "noa"):
        record_consent([], name, TERMS, adult=True)
    place = find_rights()
    # By the file alone, for the ledger tells it by itself.
    path, _ = place.store.revoke(place.store.find("noa"), (place.signing_key(),))
    path.write_text("no JSON")
    shown = show_consents()
    assert {row["name"]: row["state"] for row in shown.rows} == {"mira": "holds", "noa": "damaged"}
    assert f"damaged revocation: {path}" in shown.describe()
    assert len(shown.to_json()["damaged_revocations"]) == 1
    assert check_one("mira", use="test").name == "mira"
    with pytest.raises(SignatureRefused):
        check_one("noa", use="test")
