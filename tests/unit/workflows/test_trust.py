from facekit.show_file import read_show
from facekit.signing.home import KeyHome, key_home
from facekit.types import NoProgress
from facekit.workflows.preset_lock import plan_lock, run_lock
from facekit.workflows.trust import is_locked_unsigned, trusted_keys
from tests.tiny.shows import show_folder


def test_people_of_the_show_count_beside_own_keys(tmp_path, monkeypatch):
    show = show_folder(tmp_path, monkeypatch)
    people = {key.keyid for key in read_show(show.folder / "facekit.toml").all_keys()}
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "mine"))
    mine = KeyHome(tmp_path / "mine").create("bob").public.keyid

    assert people
    assert {key.keyid for key in trusted_keys()} == people | {mine}
    monkeypatch.chdir(tmp_path)
    assert [key.keyid for key in trusted_keys()] == [mine]
    assert key_home().own()[0].keyid == mine


def test_what_is_locked_needs_no_signature_where_the_show_asks_for_none(tmp_path, monkeypatch):
    show = show_folder(tmp_path, monkeypatch)
    digest = show.push("1.0.0").digest
    run_lock(plan_lock(("mira@1.0.0",)), NoProgress())
    assert not is_locked_unsigned(digest)
    show.write("[rules]\nsigned = false\n")
    assert is_locked_unsigned(digest)
    assert not is_locked_unsigned("0" * 64)
