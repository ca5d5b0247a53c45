"""Whether a character may still be written when its training ends."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from facekit.errors import ConsentRefused
from facekit.recipe import load_recipe
from facekit.rights.consent import sign_consent
from facekit.signing.home import key_home
from facekit.workflows.consent import record_consent, revoke_consent
from facekit.workflows.rights_place import find_rights
from facekit.workflows.train_rights import check_still, plan_rights
from tests.tiny.people import TERMS

WAN = load_recipe("wan2_1_t2v_1_3b/train")
AGREED = dataclasses.replace(TERMS, allow=("narrative-fiction", "other-productions"))


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """Of the record itself, by its digest."""
    monkeypatch.chdir(tmp_path)
    key_home().create("legal")
    kept = record_consent([], "mira", AGREED, adult=True)
    return plan_rights("mira", WAN, consent=kept.consent.digest)


def renewed(planned, **terms):
    place, ref = find_rights(), planned.consent.record.subject_ref
    content = {**dataclasses.replace(AGREED, **terms).content(place, ref), "adult": True}
    later = datetime.now(UTC) + timedelta(seconds=5)
    place.store.add("mira", sign_consent(content, [place.signing_key()], now=later), again=True)


def test_a_consent_that_is_renewed_meanwhile_loses_no_character(planned, tmp_path):
    renewed(planned, purpose="a longer film")
    check_still(planned, WAN, tmp_path)


def test_one_that_is_narrowed_meanwhile_does_and_its_rule_is_told_once(planned, tmp_path):
    renewed(planned, adapter=False)
    with pytest.raises(ConsentRefused) as caught:
        check_still(planned, WAN, tmp_path)
    assert caught.value.rule == "train"
    assert str(caught.value).count("(rule: ") == 1


def test_what_is_taken_back_where_the_record_lies_counts_to_the_end(planned, tmp_path, monkeypatch):
    (lies,) = find_rights().store.folder.glob("mira.*.consent.json")
    show = tmp_path / "show"
    show.mkdir()
    (show / "facekit.toml").write_text('[project]\nid = "org.studio.show"\n')
    monkeypatch.chdir(show)
    told = plan_rights("mira", WAN, consent=str(lies))
    monkeypatch.chdir(tmp_path)
    revoke_consent("mira", effect="withdraw")
    monkeypatch.chdir(show)
    with pytest.raises(ConsentRefused) as caught:
        check_still(told, WAN, tmp_path)
    assert caught.value.rule == "revoked"
