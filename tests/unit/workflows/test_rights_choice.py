"""Of several records of a person, which one decides; one use for all who are shot together."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facekit.adapters.character_file import CharacterFile
from facekit.errors import ConsentRefused, UsageError
from facekit.recipe import load_recipe
from facekit.rights.consent import sign_consent
from facekit.rights.policy import Use
from facekit.signing.home import key_home
from facekit.signing.statements import canonical_json
from facekit.types import NoProgress
from facekit.workflows.characters import load_characters
from facekit.workflows.consent import check_one, record_consent, revoke_consent
from facekit.workflows.preset_files import preset_adapter
from facekit.workflows.presets import plan_pack, run_pack
from facekit.workflows.rights import permit_all, permit_character
from facekit.workflows.rights_choice import choose_given
from facekit.workflows.rights_place import find_rights
from facekit.workflows.start_rights import check_again
from facekit.workflows.train_rights import plan_rights
from tests.tiny.consents import NOW, STRANGER, consent
from tests.tiny.people import TERMS, make_person
from tests.tiny.rights_attacks import make_place

WAN = load_recipe("wan2_1_t2v_1_3b/train")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def agreed_later(name, **terms):
    """A record of the same person, a few seconds later; records tell seconds apart."""
    place = find_rights()
    content = dataclasses.replace(TERMS, **terms).content(
        place, place.store.find(name).record.subject_ref
    )
    later = datetime.now(UTC) + timedelta(seconds=5)
    made = sign_consent({**content, "adult": True}, [place.signing_key()], now=later)
    place.store.add(name, made, again=True)
    return made


@pytest.fixture
def replaced(trained, tmp_path):
    """A wide consent, and a narrower one that has taken its place."""
    make_person(trained, tmp_path)
    wide = find_rights().store.find("mira")
    agreed_later("mira", adapter=False, allow=("narrative-fiction",))
    return wide


def test_an_older_and_wider_record_cannot_be_chosen_by_its_digest_or_its_file(replaced):
    (path,) = find_rights().store.folder.glob(f"mira.{replaced.digest[:8]}.consent.json")
    Path("copy.json").write_bytes(path.read_bytes())
    for said in (replaced.digest, replaced.digest[:10], str(path), "copy.json"):
        for ask in (
            lambda said=said: plan_rights("mira", WAN, consent=said),
            lambda said=said: check_one(said, use="test"),
        ):
            with pytest.raises(ConsentRefused, match="has taken its place") as caught:
                ask()
            assert caught.value.rule == "latest"
    with pytest.raises(ConsentRefused) as caught:
        plan_rights("mira", WAN, consent="mira")
    assert caught.value.rule == "train"


def test_a_later_record_of_a_stranger_takes_no_place(tmp_path):
    place = make_place(tmp_path)
    given = place.store.find("mira")
    narrow = consent(key=STRANGER, now=NOW + timedelta(days=1), uses={"allow": ["advertising"]})
    place.store.add("mira", narrow, again=True)
    use = Use(action="shoot", use="test", project="org.studio.show")
    found, _ = choose_given(given, use, place, "mira", exact=True, now=NOW)
    assert found.digest == given.digest
    with pytest.raises(ConsentRefused) as caught:
        choose_given(narrow, use, place, "mira", exact=True, now=NOW)
    assert caught.value.rule == "signature"


def test_a_person_is_one_whatever_the_record_is_kept_under(replaced):
    place = find_rights()
    content = {**TERMS.content(place, replaced.record.subject_ref), "adult": True}
    later = datetime.now(UTC) + timedelta(seconds=9)
    wide = sign_consent(content, [place.signing_key()], now=later)
    place.store.add("other", wide)
    assert plan_rights("mira", WAN, consent="mira").consent == dataclasses.replace(
        wide, name="other"
    )


def permits(names, use=""):
    place = find_rights()
    loaded = [(x.name, x.source, x.file.header) for x in load_characters(names)]
    return permit_all(loaded, place.use("shoot", use=use), place)


def test_all_who_are_shot_together_are_shot_for_one_use(trained, tmp_path):
    make_person(trained, tmp_path, "mira", allow=("advertising", "test", "news"))
    make_person(trained, tmp_path, "noa", allow=("narrative-fiction", "news", "test"))
    make_person(trained, tmp_path, "tom", allow=("any",), deny=("test",))
    assert {one.use.use for one in permits(["mira", "noa"])} == {"test"}
    assert {one.use.use for one in permits(["mira", "noa", "tom"])} == {"news"}
    assert {one.use.use for one in permits(["tom", "noa"])} == {"narrative-fiction"}
    assert {one.use.use for one in permits(["mira", "noa"], use="news")} == {"news"}


def test_people_without_a_use_in_common_are_not_shot_together(trained, tmp_path):
    make_person(trained, tmp_path, "mira", allow=("advertising",))
    make_person(trained, tmp_path, "noa", deny=("advertising",))
    for use, rule in (("", "use"), ("advertising", "denied")):
        with pytest.raises(ConsentRefused) as caught:
            permits(["mira", "noa"], use=use)
        assert caught.value.rule == rule


def test_what_was_taken_back_in_a_show_holds_outside_of_it(trained, tmp_path, monkeypatch):
    show, other = tmp_path / "show", tmp_path / "other"
    for folder in (show, other):
        folder.mkdir()
    (show / "facekit.toml").write_text('[project]\nid = "org.studio.show"\n')
    monkeypatch.chdir(show)
    path = make_person(trained, show, beside=True, allow=("narrative-fiction", "other-productions"))
    monkeypatch.chdir(other)
    before = permits([str(path)])
    assert before[0].by == "consent"
    monkeypatch.chdir(show)
    made = revoke_consent("mira", effect="withdraw")
    for gone in (False, True):
        if gone:
            made.path.unlink()  # the ledger remembers it
        monkeypatch.chdir(other)
        for ask in (lambda: permits([str(path)]), lambda: check_again(before, find_rights())):
            with pytest.raises(ConsentRefused) as caught:
                ask()
            assert caught.value.rule == "revoked"


def test_photos_that_had_to_go_are_not_trained_on(tmp_path):
    key_home().create("legal")
    late = dataclasses.replace(TERMS, photos_until="2026-01-01")
    record_consent([], "mira", late, adult=True)
    with pytest.raises(ConsentRefused) as caught:
        plan_rights("mira", WAN, consent="mira")
    assert caught.value.rule == "retention"


def test_a_use_in_capitals_passes_no_denial(trained, tmp_path):
    make_person(trained, tmp_path, allow=("any",), deny=("advertising",))
    with pytest.raises(UsageError, match="Advertising"):
        permits(["mira"], use="Advertising")


def test_a_preset_that_is_kept_too_long_is_not_shot(as_anna, trained, tmp_path):
    person = make_person(trained, tmp_path)
    made = run_pack(
        plan_pack(str(person), pictures=False, is_folder=True, device="cpu"), NoProgress()
    )
    source = preset_adapter(made.path)
    header, place = CharacterFile.load(source).header, find_rights()
    use = place.use("shoot")
    assert permit_character("mira", source, header, use, place).by == "consent"
    manifest = made.path / "facekit.json"
    told = json.loads(manifest.read_text())
    told["rights"]["retain_until"] = "2026-01-01"
    manifest.write_bytes(canonical_json(told))
    with pytest.raises(ConsentRefused) as caught:
        permit_character("mira", source, header, use, place)
    assert caught.value.rule == "retention"


@pytest.mark.parametrize("told", ["required = true", 'roles = ["legal"]'])
def test_what_the_show_of_a_character_demands_holds_outside_of_it(
    told, trained, tmp_path, monkeypatch
):
    show = tmp_path / "show"
    show.mkdir()
    (show / "facekit.toml").write_text('[project]\nid = "org.studio.show"\n')
    monkeypatch.chdir(show)
    both = ("narrative-fiction", "other-productions")
    person = make_person(trained, show, beside=True, allow=both)
    monkeypatch.chdir(tmp_path)
    said, place = CharacterFile.load(person).header, find_rights()
    silent = dataclasses.replace(said, subject=None, backbone="wan2_1_t2v_1_3b")
    for header in (said, silent):
        permit_character("mira", person, header, place.use("shoot"), place)
    (show / "facekit.toml").write_text(f'[project]\nid = "org.studio.show"\n[consent]\n{told}\n')
    rule, header = ("exists", silent) if "required" in told else ("signature", said)
    with pytest.raises(ConsentRefused) as caught:
        permit_character("mira", person, header, place.use("shoot"), place)
    assert caught.value.rule == rule
