"""Whoever is in a clip is asked when it is made longer, and so is everybody once more meanwhile."""

import dataclasses
import json

import numpy as np
import pytest

from facekit.adapters.character_file import CharacterFile
from facekit.adapters.character_header import SubjectRecord
from facekit.errors import ConsentRefused
from facekit.signing.home import key_home
from facekit.types import Clip, NoProgress, Shot
from facekit.workflows.consent import ConsentTerms, record_consent, revoke_consent
from facekit.workflows.ledger_look import read_ledger
from facekit.workflows.origin import people_in
from facekit.workflows.rights_place import find_rights
from facekit.workflows.shoot import plan_shoot, run_shoot
from facekit.workflows.start_rights import check_again, permit_start
from facekit.workflows.takes import write_take
from tests.tiny.people import make_person

TERMS = ConsentTerms(
    method="agreement-ref", reason="contract 7", controller="Studio", purpose="a film",
    allow=("narrative-fiction",), contact="legal@studio.example",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def person(trained, tmp_path):
    """A character of somebody real who has agreed."""
    key_home().create("legal")
    kept = record_consent([], "mira", TERMS, adult=True).consent
    file = CharacterFile.load(trained.adapter)
    subject = SubjectRecord(type="real", ref=kept.record.subject_ref, consent=kept.digest)
    path = tmp_path / "characters" / "mira" / "adapter.safetensors"
    header = dataclasses.replace(file.header, subject=subject)
    dataclasses.replace(file, header=header).save(path)
    return path


def take(folder, **record):
    shot = Shot(name="a", prompt="", kind="close-up", seed=0, num_frames=5, height=32, width=32)
    frames = np.zeros((5, 32, 32, 3), np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    return write_take(folder, shot, Clip(frames=frames, fps=8.0), record)


def of(path, **more):
    return {"character": "mira", "character_file": str(path), **more}


def names(path):
    return [one.shown.name for one in people_in(path)]


def test_those_in_a_clip_are_known_however_often_it_was_made_longer(person, tmp_path):
    first = take(tmp_path / "1", **of(person))
    longer = take(tmp_path / "2", **of(person, strength=0.0, starts_from=str(first)))
    third = take(tmp_path / "3", character=None, goes_on_from=str(longer))
    assert names(first) == names(longer) == names(third) == ["mira"]
    assert names(take(tmp_path / "4", **of(person, strength=0.0))) == []
    assert names(take(tmp_path / "5", **of(person, strength=[0.0, 1.0]))) == ["mira"]
    absent = {"id": "mira", "file": str(person), "strength": [[0, 0.0]]}
    assert names(take(tmp_path / "6", cast=[absent])) == []
    itself = tmp_path / "7" / "a.mp4"
    assert names(take(tmp_path / "7", starts_from=str(itself))) == []


def test_a_clip_of_a_person_is_made_longer_only_as_agreed(trained, person, tmp_path):
    clip = take(tmp_path / "1", **of(person))
    place = find_rights()
    _, (permit,) = permit_start(clip, (), place.use("shoot"), place)
    assert (permit.name, permit.by) == ("mira", "consent")
    drawn = [("mira", str(person), CharacterFile.load(person).header)]
    assert permit_start(clip, drawn, place.use("shoot"), place) == ((permit,), ())
    revoke_consent("mira", effect="withdraw", reason="asked by mail")
    with pytest.raises(ConsentRefused, match="revoked"):
        permit_start(clip, (), place.use("shoot"), place)
    with pytest.raises(ConsentRefused, match="revoked"):
        check_again((permit,), place)


def test_strength_zero_and_another_character_do_not_pass_the_check(trained, person, tmp_path):
    made = run_shoot(_plan(trained, person), NoProgress()).clips[0]
    drawn = _plan(trained, trained.adapter, extend=made, strength=0.0, out=tmp_path / "longer")
    run_shoot(drawn, NoProgress())
    assert [row["consent"] for row in read_ledger().rows] == [drawn.start_permits[0].consent] * 2
    revoke_consent("mira", effect="withdraw", reason="asked by mail")
    with pytest.raises(ConsentRefused, match="revoked"):
        _plan(trained, trained.adapter, extend=made, strength=0.0, out=tmp_path / "again")


def test_a_character_that_is_gone_is_known_by_the_consent_of_the_clip(person, tmp_path):
    place = find_rights()
    consent = place.store.records()[0]
    clip = take(tmp_path / "1", **of(person, consent=consent.digest))
    person.unlink()
    _, (permit,) = permit_start(clip, (), place.use("shoot"), place)
    assert (permit.by, permit.subject_ref) == ("consent", consent.record.subject_ref)
    strange = take(tmp_path / "2", **of(person, consent="0" * 64))
    with pytest.raises(ConsentRefused, match="no such consent"):
        permit_start(strange, (), place.use("shoot"), place)
    unknown = take(tmp_path / "3", **of(person))
    _, (permit,) = permit_start(unknown, (), place.use("shoot"), place)
    assert permit.warning


def test_what_is_taken_back_during_the_work_stops_it(trained, person, monkeypatch):
    plan = _plan(trained, person, takes=3)
    revoked = []

    class Mail(NoProgress):
        def advance(self, steps=1, detail=""):
            if not revoked:
                revoked.append(revoke_consent("mira", effect="withdraw", reason="asked by mail"))

    with pytest.raises(ConsentRefused, match="revoked"):
        run_shoot(plan, Mail())
    assert len(list(plan.out_dir.glob("*.mp4"))) == len(read_ledger().rows) == 1


def test_a_take_that_is_drawn_again_counts_once(trained, person, tmp_path):
    for force in (False, True):
        plan = _plan(trained, person, force=force, strength=1.0 - 0.5 * force)
        run_shoot(plan, NoProgress())
    told = read_ledger()
    assert [row["replaced"] for row in told.rows] == [True, False]
    (row,) = told.to_json()["sums"]
    assert row["clips"] == 1
    record = json.loads((plan.out_dir / f"{plan.shots[0].name}.json").read_text())
    assert record["consent"] == told.rows[1]["consent"]


def _plan(trained, character, **options):
    return plan_shoot(
        [] if options.get("extend") else ["close-up of @mira in the park"],
        character=str(character), recipe=trained.recipe, num_frames=5, **options,
    )  # fmt: skip


def test_those_in_the_cast_and_in_the_start_agree_to_one_use(trained, tmp_path):
    mira = make_person(trained, tmp_path, "mira", allow=("advertising", "test"))
    noa = make_person(trained, tmp_path, "noa", deny=("advertising",))
    clip, place = take(tmp_path / "1", **of(mira)), find_rights()
    drawn = [("noa", str(noa), CharacterFile.load(noa).header)]
    (one,), (other,) = permit_start(clip, drawn, place.use("shoot"), place)
    assert (one.name, other.name) == ("noa", "mira")
    assert one.use.use == other.use.use == "test"
    plan = plan_shoot(
        ["@noa in the park"], character=str(noa), recipe=trained.recipe, num_frames=5,
        extend=clip, out=tmp_path / "longer",
    )  # fmt: skip
    assert {permit.use.use for permit in plan.all_permits} == {"test"}


def test_those_of_the_start_may_agree_to_no_use_of_the_cast(trained, tmp_path):
    mira = make_person(trained, tmp_path, "mira", allow=("advertising",))
    noa = make_person(trained, tmp_path, "noa", deny=("advertising",))
    clip, place = take(tmp_path / "1", **of(mira)), find_rights()
    drawn = [("noa", str(noa), CharacterFile.load(noa).header)]
    with pytest.raises(ConsentRefused, match="no use that all of them agree to"):
        permit_start(clip, drawn, place.use("shoot"), place)
