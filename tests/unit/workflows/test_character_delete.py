"""A character goes with all that was made of it, and nothing of anybody else's."""

import contextlib
import json
from pathlib import Path

import pytest

from facekit.media.cache import cache_dir
from facekit.types import NoProgress
from facekit.weights import file_digest
from facekit.workflows.character_delete import plan_delete, run_delete
from facekit.workflows.credentials import output_record
from facekit.workflows.preset_files import preset_adapter
from facekit.workflows.presets import plan_pack, run_pack
from facekit.workflows.rights_place import find_rights
from tests.tiny.people import make_person

TAKE = "characters/mira/adapter.safetensors"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_take(folder: Path, **told: object) -> Path:
    """The record of a take, and its clip."""
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "01-s0.json"
    record.write_text(json.dumps({"shot": {}, "fingerprint": "1", **told}))
    for suffix in (".mp4", ".png"):
        record.with_suffix(suffix).write_bytes(b"")
    return record


def make_show(trained, folder: Path, monkeypatch) -> Path:
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "facekit.toml").write_text(f'[project]\nid = "org.studio.{folder.name}"\n')
    return make_person(trained, folder, purpose=folder.name)


def removed(plan) -> set[Path]:
    return {path for one in plan.traces for path in one.files}


def test_another_show_has_a_character_of_the_same_name(trained, tmp_path, monkeypatch):
    """Found by what they hold or where they lie, never by a name alone."""
    show, other = tmp_path / "a", tmp_path / "b"
    own = make_show(trained, show, monkeypatch)
    make_show(trained, other, monkeypatch)
    mine = write_take(show / "shots" / "mira", character_file=TAKE)
    theirs = write_take(other / "shots" / "mira", character_file=TAKE)
    moved = write_take(other / "from_a", character_sha256=file_digest(own))
    monkeypatch.chdir(show)
    plan = plan_delete("mira", cascade=True, folders=[other])
    assert {mine, mine.with_suffix(".mp4"), moved} <= removed(plan)
    assert theirs not in removed(plan)
    monkeypatch.chdir(tmp_path)
    gone = removed(plan_delete(str(own), cascade=True))
    assert mine in gone
    assert theirs not in gone
    (other / TAKE).unlink()  # and it does not become somebody else's then
    (tmp_path / "characters" / "mira").mkdir(parents=True)
    (tmp_path / TAKE).write_bytes(own.read_bytes())
    assert theirs not in removed(plan_delete("mira", cascade=True))


def test_files_of_the_user_beside_a_take_stay(trained, tmp_path):
    make_person(trained, tmp_path)
    record = write_take(tmp_path / "shots" / "mira", character_file=TAKE)
    notes = record.with_name("01-s0.notes.txt")
    notes.write_text("mine")
    run_delete(plan_delete("mira", cascade=True), NoProgress())
    assert notes.read_text() == "mine"
    assert not record.exists()


def test_what_comes_after_the_plan_is_not_removed_silently(trained, tmp_path):
    own = make_person(trained, tmp_path)
    plan = plan_delete("mira")
    late = own.parent / "late.txt"
    late.write_text("mine")
    result = run_delete(plan, NoProgress())
    assert late.read_text() == "mine"
    assert (result.exit_code, own.exists()) == (1, False)
    assert "come into it meanwhile" in result.describe()


class Killed(BaseException):
    """Not an error that anybody catches."""


@pytest.mark.parametrize("after", [0, 1, 4])
def test_after_a_kill_it_can_be_finished_and_the_report_says_how_far_it_came(
    trained, tmp_path, monkeypatch, after
):
    own = make_person(trained, tmp_path)
    records = [write_take(tmp_path / "shots" / f"{n}", character_file=TAKE) for n in range(3)]
    unlink, left = Path.unlink, after

    def die(path, *arguments, **options):
        nonlocal left
        if path.suffix in (".json", ".mp4", ".png", ".safetensors"):
            left -= 1
        if left < 0:
            raise Killed
        unlink(path, *arguments, **options)

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(Path, "unlink", die)
        run_delete(plan_delete("mira", cascade=True), NoProgress())
    (begun,) = (find_rights().store.folder / "deletions").glob("*.json")
    told = json.loads(begun.read_text())
    assert (told["state"], "removed" in told, own.is_file()) == ("begun", False, True)
    assert str(own) in [entry["path"] for entry in told["planned"]]
    begun.rename(begun.with_name("first.json"))
    result = run_delete(plan_delete("mira", cascade=True), NoProgress())
    assert result.exit_code == 0
    assert not [path for path in (own.parent, *records) if path.exists()]
    told = json.loads(result.report.read_text())
    assert (told["state"], "planned" in told) == ("done", False)


def test_a_character_whose_folder_was_half_removed_is_still_found(trained, tmp_path):
    own = make_person(trained, tmp_path)
    (trace,) = plan_delete("mira").traces
    assert trace.files[-1] == own
    assert trace.files[-2].name == "result.json"


def test_a_damaged_ledger_stops_no_deletion(trained, tmp_path):
    own = make_person(trained, tmp_path)
    ledger = find_rights().ledger
    ledger.path.write_bytes(ledger.path.read_bytes().replace(b"grant", b"trust"))
    plan = plan_delete("mira", cascade=True)
    assert "the ledger tells nothing" in plan.describe()
    result = run_delete(plan, NoProgress())
    assert (result.exit_code, own.exists()) == (0, False)
    assert "not in the ledger" in result.describe()


@pytest.fixture
def packed(trained, tmp_path, as_anna):
    """The archive of a preset of a person, opened once, so that the cache holds a copy."""
    own = make_person(trained, tmp_path)
    made = run_pack(
        plan_pack(str(own), pictures=False, templates="clear", device="cpu"), NoProgress()
    )
    return made.path, preset_adapter(made.path).parent.parent


def test_what_was_unpacked_into_the_cache_goes_too(packed, tmp_path):
    archive, cached = packed
    assert list(cached.rglob("templates.safetensors"))
    plan = plan_delete("mira", cascade=True)
    run_delete(plan, NoProgress())
    assert not archive.exists()
    assert not list(cache_dir().rglob("*.safetensors"))


def test_of_a_preset_all_of_it_goes(packed, tmp_path):
    archive, cached = packed
    plan = plan_delete(str(archive))
    assert [one.path for one in plan.traces] == [cached, archive]
    run_delete(plan, NoProgress())
    assert not archive.exists()
    assert not cached.exists()


def test_the_record_of_outputs_is_told(trained, tmp_path):
    own = make_person(trained, tmp_path)
    record = output_record().path
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text("{}\n")
    assert str(record) not in plan_delete("mira", cascade=True).describe()
    record.write_text(json.dumps({"character": file_digest(own)}) + "\n")
    assert f"keep: {record}" in plan_delete("mira", cascade=True).describe()
