"""Mistakes in what is said of a consent are told by their options, and nothing is kept of them."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facekit.errors import ConsentRefused, PolicyRefused, UsageError
from facekit.signing.home import key_home
from facekit.workflows.consent import record_consent, show_consents, write_request
from facekit.workflows.rights_place import find_rights
from tests.tiny.people import TERMS
from tests.tiny.shows import SHOW


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    key_home().create("legal")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"valid_until": "2099-01-01"}, "--until 2099-01-01: more than ten years"),
        ({"valid_until": "2001-01-01"}, "--until 2001-01-01: before the first day"),
        ({"allow": ("deception",)}, "--allow deception: nobody can agree"),
        ({"allow": ("film", "sexual"), "deny": ("film",)}, "film: both allowed and denied"),
        ({"allow": ("Film",)}, "--allow Film: expected small letters"),
        ({"territory": ("Germany",)}, "--territory Germany: expected world, a country"),
        ({"allow": ()}, "--allow is missing"),
        ({"purpose": ""}, "--purpose is missing"),
        ({"method": "signed-form"}, "no file that proves it"),
        ({"reason": ""}, "neither a file nor --reason"),
        ({"method": "not-required"}, "--method not-required of a subject that is real"),
        ({"compensation": "ref"}, "--compensation-ref"),
        ({"purpose": "p" * 3000}, "correct what you have said"),
    ],
)
def test_a_mistake_names_its_option_and_no_circle(change, said):
    with pytest.raises(UsageError, match=said) as caught:
        record_consent([], "mira", dataclasses.replace(TERMS, **change), adult=True)
    assert "make it with facekit consent record" not in str(caught.value)
    assert not find_rights().store.records()


def test_a_person_who_may_be_no_adult_is_no_mistake_of_an_option():
    with pytest.raises(ConsentRefused, match="rule: minor"):
        record_consent([], "mira", TERMS, adult=False)


def test_a_blank_of_a_request_is_filled_in_by_hand_but_no_mistake_is_printed():
    assert write_request("mira", dataclasses.replace(TERMS, purpose="")).path.is_file()
    with pytest.raises(UsageError, match="--allow deception"):
        write_request("tom", dataclasses.replace(TERMS, allow=("deception",)))
    assert not Path("consent-tom.html").exists()


def test_a_record_takes_the_reference_that_was_asked_for_and_says_what_is_next():
    asked = write_request("mira", TERMS)
    assert "record SCAN --as mira --adult with" in asked.describe()
    assert write_request("mira", TERMS, force=True).subject_ref == asked.subject_ref
    kept = record_consent([], "mira", TERMS, adult=True)
    assert kept.consent.record.subject_ref == asked.subject_ref
    assert "train PHOTOS --as mira --consent mira" in kept.describe()
    assert not find_rights().store.asked("mira")
    again = write_request("mira", TERMS, force=True)
    assert (again.subject_ref, again.is_known) == (asked.subject_ref, True)
    other = record_consent(
        [], "mira", TERMS, adult=True, renew=True, subject_ref="subj_" + "1" * 32
    )
    assert any("the open request of mira names" in told for told in other.warnings)


def test_what_allows_nothing_now_and_words_that_are_almost_others_are_warned_of():
    today = datetime.now(UTC).date()
    over = {"valid_from": str(today - timedelta(days=9)), "valid_until": str(today - timedelta(8))}
    later = {"valid_from": str(today + timedelta(days=9))}
    for name, change, said in (
        ("a", over, "allows nothing"),
        ("b", later, "allows nothing before"),
        ("c", {"allow": ("narative-fiction",)}, "did you mean narrative-fiction"),
    ):
        (told,) = record_consent(
            [], name, dataclasses.replace(TERMS, **change), adult=True
        ).warnings
        assert said in told


def test_who_has_no_role_in_which_it_counts_records_nothing(tmp_path):
    own = key_home().signing_key()
    anna = key_home().create("anna")
    text = SHOW.format(key=anna.public.line, role="legal", folder="consent")
    (tmp_path / "facekit.toml").write_text(text)
    with pytest.raises(PolicyRefused, match=r"holds none of the roles .*legal.*expected anna"):
        record_consent([], "mira", TERMS, adult=True, key=own.public.name)
    assert not (tmp_path / "consent").exists()
    assert record_consent([], "mira", TERMS, adult=True, key="anna").path.is_file()


def test_where_a_scan_lies_is_not_kept_beside_the_record(tmp_path):
    scan = tmp_path / "mira smith.pdf"
    scan.write_bytes(b"signed")
    record_consent([scan], "mira", dataclasses.replace(TERMS, method="signed-form"), adult=True)
    for path in find_rights().store.folder.iterdir():
        assert b"smith" not in path.read_bytes()
    assert list(show_consents("mira").rows[0]["places"].values()) == [str(scan)]
