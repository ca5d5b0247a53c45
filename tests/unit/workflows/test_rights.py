"""From a consent to a delivered take: asked for when training, checked when shooting, noted."""

import dataclasses
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facekit.adapters.character_file import CharacterFile
from facekit.adapters.character_header import SubjectRecord
from facekit.errors import ConsentRefused, LedgerDamaged, UsageError
from facekit.recipe import load_recipe
from facekit.resources import datasets_dir
from facekit.rights.consent import sign_consent
from facekit.signing.home import key_home
from facekit.types import NoProgress
from facekit.workflows.character_delete import plan_delete, run_delete
from facekit.workflows.character_look import list_characters, show_character
from facekit.workflows.consent import (
    check_one,
    record_consent,
    record_self,
    revoke_consent,
    show_consents,
    write_request,
)
from facekit.workflows.ledger_look import read_ledger
from facekit.workflows.rights import draws_nobody
from facekit.workflows.rights_choice import CONSENT_FILE
from facekit.workflows.rights_place import find_rights
from facekit.workflows.shoot import plan_shoot, run_shoot
from facekit.workflows.train import plan_train, run_train
from facekit.workflows.train_rights import plan_rights, settle_rights
from tests.tiny.people import TERMS, make_person
from tests.tiny.shows import SHOW


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def person(trained, tmp_path):
    """A character of somebody real who has agreed."""
    return make_person(trained, tmp_path)


def plan(trained, character, **options):
    return plan_shoot(
        ["close-up of @mira in the park"], character=str(character), recipe=trained.recipe,
        num_frames=5, **options,
    )  # fmt: skip


def refusal(make, *arguments, **options):
    with pytest.raises(ConsentRefused) as caught:
        make(*arguments, **options)
    assert caught.value.exit_code == 4
    return caught.value.rule


def test_photographs_need_a_consent_and_drawings_none(tmp_path):
    photographs = load_recipe("toon/train", ["encoder.train=opencv"])
    wan = load_recipe("wan2_1_t2v_1_3b/train")
    assert plan_rights("mira", load_recipe("toon/train")).subject is None
    assert refusal(plan_rights, "mira", photographs) == "exists"
    assert refusal(plan_rights, "mira", wan) == "exists"
    told = plan_rights("mira", wan, drawn=True).subject
    assert told == SubjectRecord(type="synthetic")
    assert plan_rights("mira", wan, [datasets_dir() / "toon_mira" / "a.png"]).subject == told
    assert refusal(plan_rights, "mira", wan, [tmp_path / "toon_mira"]) == "exists"
    with pytest.raises(UsageError, match="--drawn and --i-am-the-subject"):
        plan_rights("mira", wan, drawn=True, is_subject=True)
    assert not draws_nobody("tiny", "insightface@0123")
    assert draws_nobody("toon", "toon-a@0123")


def test_the_subject_itself_says_so_once(tmp_path):
    wan = load_recipe("wan2_1_t2v_1_3b/train")
    planned = plan_rights("mira", wan, is_subject=True)
    assert planned.attests
    assert not find_rights().store.records()
    settled = settle_rights(planned)
    assert settled.consent is not None
    again = plan_rights("mira", wan, is_subject=True)
    assert (again.attests, again.subject) == (False, settled.subject)
    assert settled.subject is not None
    assert settled.subject.consent == find_rights().store.find("mira").digest


def test_a_run_keeps_the_consent_and_another_person_is_another_run(trained, tmp_path):
    key_home().create("legal")
    record_consent([], "mira", TERMS, adult=True)
    recipe = trained.with_level("L0")
    options = {"name": "mira", "recipe": recipe, "out": tmp_path / "characters"}
    made = plan_train([trained.photos], consent="mira", **options)
    outcome = run_train(made, NoProgress(), faces=trained.faces, backbone=trained.backbone)
    header = CharacterFile.load(outcome.adapter).header
    consent = find_rights().store.find("mira")
    assert header.subject == SubjectRecord(
        type="real", ref=consent.record.subject_ref, consent=consent.digest
    )
    assert (outcome.adapter.parent / CONSENT_FILE).read_bytes() == consent.to_bytes()
    assert [line.kind for line in find_rights().ledger.lines()] == ["grant", "train"]
    drawn = plan_train([trained.photos], force=True, **options)
    other = run_train(drawn, NoProgress(), faces=trained.faces, backbone=trained.backbone)
    bare = CharacterFile.load(other.adapter).header
    assert bare.subject is None
    assert bare.run_digest != header.run_digest
    assert '"subject"' not in bare.to_json()


def test_what_is_taken_back_during_a_training_leaves_no_character(trained, tmp_path):
    key_home().create("legal")
    record_consent([], "mira", TERMS, adult=True)
    options = {"recipe": trained.with_level("L0"), "out": tmp_path / "characters"}
    made = plan_train([trained.photos], name="mira", consent="mira", **options)
    revoke_consent("mira", effect="withdraw", reason="asked by mail")
    with pytest.raises(ConsentRefused, match=r"revoked(?s:.*)remove it"):
        run_train(made, NoProgress(), faces=trained.faces, backbone=trained.backbone)
    assert not list((tmp_path / "characters").rglob("adapter.safetensors"))


def test_takes_of_a_person_are_noted_once(trained, person):
    made = plan(trained, person)
    assert "right: mira: consent" in made.describe()
    result = run_shoot(made, NoProgress(), pipe=trained.backbone.pipe)
    lines = [line for line in find_rights().ledger.lines() if line.kind == "use"]
    (told,) = lines
    (who,) = told.content["people"]
    assert told.content["file"] == str(result.clips[0].absolute())
    assert told.content["use"] == "narrative-fiction"
    assert who["seconds"] == pytest.approx(5 / made.settings.fps, abs=1e-3)
    assert who["subject_ref"] == show_consents().rows[0]["subject_ref"]
    run_shoot(plan(trained, person), NoProgress(), pipe=trained.backbone.pipe)
    assert read_ledger().head.count == 2
    report = read_ledger(table=Path("use.csv"))
    assert report.to_json()["sums"][0]["clips"] == 1
    assert len(Path("use.csv").read_text().splitlines()) == 2
    assert f"mira ({who['subject_ref']}): 0." in report.describe()
    elsewhere = Path("elsewhere", "ledger.jsonl")
    elsewhere.parent.mkdir()
    for part in ("", ".head"):
        shutil.copy(f"{find_rights().ledger.path}{part}", f"{elsewhere}{part}")
    both = read_ledger([find_rights().ledger.path, elsewhere])
    assert both.to_json()["sums"][0]["clips"] == 2
    assert both.describe().count("head: ") == 2
    with pytest.raises(UsageError, match="head is of one"):
        read_ledger([find_rights().ledger.path, elsewhere], expected=both.head.sha256)


def test_a_person_is_shot_only_as_agreed(trained, person, tmp_path):
    assert plan(trained, person, use="test").permits[0].use.use == "test"
    assert refusal(plan, trained, person, use="advertising") == "use"
    assert refusal(plan, trained, person, use="deception") == "denied"
    plan(trained, person, use="advertising", strength=0.0)
    (tmp_path / "facekit.toml").write_text('[project]\nid = "org.studio.other"\n')
    store, ledger = find_rights(tmp_path.parent).store, find_rights(tmp_path.parent).ledger
    (tmp_path / "facekit.toml").write_text(
        f'[project]\nid = "org.x.y"\n[consent]\nfolder = "{store.folder}"\n'
        f'[ledger]\nfile = "{ledger.path}"\n'
    )
    assert refusal(plan, trained, person) == "project"


def test_who_takes_it_back_is_not_shot_again_even_if_the_file_of_it_is_gone(trained, person):
    made = revoke_consent("mira", effect="withdraw", reason="asked")
    assert "character delete" in made.describe()
    assert refusal(plan, trained, person) == "revoked"
    made.path.unlink()
    assert refusal(plan, trained, person) == "revoked"
    assert refusal(check_one, "mira") == "revoked"
    assert show_consents().rows[0]["state"] == "revoked"
    # agreed anew, later
    ref = made.consent.record.subject_ref
    assert refusal(plan_rights, "mira", trained.recipe, consent="mira") == "revoked"
    assert ref == find_rights().store.find("mira").record.subject_ref


def test_a_later_narrower_consent_takes_the_place_of_a_wider_one(trained, person):
    plan(trained, person, use="test")
    narrow = dataclasses.replace(TERMS, allow=("narrative-fiction",), purpose="less")
    place = find_rights()
    content = narrow.content(place, place.store.find("mira").record.subject_ref)
    later = datetime.now(UTC) + timedelta(seconds=5)  # records tell seconds apart
    signed = sign_consent({**content, "adult": True}, [place.signing_key()], now=later)
    place.store.add("mira", signed, again=True)
    assert refusal(plan, trained, person, use="test") == "use"
    plan(trained, person, use="narrative-fiction")


def test_without_a_consent_here_the_copy_beside_it_counts_if_its_key_does(trained, person):
    store = find_rights().store
    (path,) = store.folder.glob("*.consent.json")
    content = path.read_bytes()
    path.unlink()
    assert refusal(plan, trained, person) == "exists"
    (person.parent / CONSENT_FILE).write_bytes(content)
    plan(trained, person)
    for key in key_home().folder.iterdir():
        key.unlink()
    assert refusal(plan, trained, person) == "signature"


def test_only_the_roles_that_a_show_names_sign_consents(trained, person, tmp_path):
    place = find_rights(tmp_path.parent)
    (key,) = place.keys.own()
    for role, works in (("legal", True), ("artist", False)):
        (tmp_path / "facekit.toml").write_text(
            SHOW.format(key=key.line, role=role, folder=place.store.folder)
        )
        if works:
            plan(trained, person)
        else:
            assert refusal(plan, trained, person) == "signature"


def test_characters_of_nobody_knows_whom_are_warned_of_or_refused(trained, person, tmp_path):
    file = CharacterFile.load(person)
    header = dataclasses.replace(file.header, subject=None, encoder="opencv")
    dataclasses.replace(file, header=header).save(person)
    (warning,) = [text for text in plan(trained, person).warnings if "whose face" in text]
    assert "required = true" in warning
    (tmp_path / "facekit.toml").write_text("[consent]\nrequired = true\n")
    assert refusal(plan, trained, person) == "exists"


def test_a_damaged_ledger_stops_people_and_not_drawings(trained, person):
    ledger = find_rights().ledger
    ledger.path.write_bytes(ledger.path.read_bytes().replace(b"grant", b"trust"))
    with pytest.raises(LedgerDamaged):
        plan(trained, person)
    drawn = plan(trained, trained.adapter, out=Path("drawn"))
    result = run_shoot(drawn, NoProgress(), pipe=trained.backbone.pipe)
    assert "not in the ledger of use" in result.describe()


def test_a_character_goes_with_all_that_was_made_of_it(trained, person, tmp_path):
    made = plan(trained, person)
    run_shoot(made, NoProgress(), pipe=trained.backbone.pipe)
    other = tmp_path / "shots" / "tomas" / "x.json"
    other.parent.mkdir()
    other.write_text('{"fingerprint": "1", "character_file": "characters/tomas"}')
    preset = tmp_path / "mira-1.0.0.facekit"
    preset.mkdir()
    ref = CharacterFile.load(person).header.subject.ref
    (preset / "facekit.json").write_text(json.dumps({"subject": {"ref": ref}}))
    photos = {path: path.read_bytes() for path in trained.photos.iterdir()}
    few = plan_delete("mira")
    assert [one.kind for one in few.traces] == ["the character"]
    assert {"a take", "a preset", "a photo"} <= {one.kind for one in few.left}
    all_of_it = plan_delete("mira", cascade=True)
    assert person.is_file()
    result = run_delete(all_of_it, NoProgress())
    assert (result.exit_code, result.failed) == (0, [])
    gone = [person.parent, preset, *made.out_dir.glob("*.mp4"), *made.out_dir.glob("*.json")]
    assert not [path for path in gone if path.exists()]
    assert other.is_file()
    assert {path: path.read_bytes() for path in trained.photos.iterdir()} == photos
    report = json.loads(result.report.read_text())
    assert (report["state"], report["subject_ref"]) == ("done", ref)
    assert str(person) in [entry["path"] for entry in report["removed"]]
    assert find_rights().ledger.lines()[-1].kind == "delete"
    assert find_rights().store.records(), "the record that somebody agreed stays"


def test_photos_go_only_when_asked(trained, person, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    names = [photo.name for photo in CharacterFile.load(person).header.photos]
    for name in names:
        (mine / name).write_bytes((trained.photos / name).read_bytes())
    (mine / "other.png").write_bytes(b"")
    (person.parent / "result.json").write_text(json.dumps({"photos": str(mine)}))
    run_delete(plan_delete("mira", with_photos=True), NoProgress())
    assert [path.name for path in mine.iterdir()] == ["other.png"]


def test_characters_are_listed_with_their_right(trained, person):
    (row,) = list_characters().rows
    assert (row.name, row.subject) == ("mira", "real")
    assert "consent" in row.right
    revoke_consent("mira", effect="withdraw")
    assert "refused (revoked)" in show_character("mira").describe()
    assert show_character(str(trained.adapter)).rows[0].subject == "drawn"


def test_requests_records_and_minors(tmp_path):
    page = write_request("mira", TERMS, out=tmp_path / "form.md")
    assert page.subject_ref in page.path.read_text()
    with pytest.raises(UsageError, match=r"\.html"):
        write_request("mira", TERMS, out=tmp_path / "form.pdf")
    key_home().create("legal")
    assert refusal(record_consent, [], "mira", TERMS, adult=False) == "minor"
    with pytest.raises(UsageError, match="no such file"):
        record_consent([tmp_path / "scan.pdf"], "mira", TERMS, adult=True)
    (tmp_path / "scan.pdf").write_bytes(b"scan")
    kept = record_consent([tmp_path / "scan.pdf"], "mira", TERMS, adult=True)
    assert len(kept.consent.record.evidence) == 1
    assert str(tmp_path) in show_consents("mira").describe()
    assert str(tmp_path) not in kept.path.read_text()
    assert record_self("tomas").consent.record.method == "self-attest"
    assert len(show_consents().rows) == 2
