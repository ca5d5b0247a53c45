import pytest

from facekit.errors import UsageError
from facekit.workflows.characters import ADAPTER_FILE, find_character


def test_a_name_a_folder_and_a_file_all_find_the_character(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "characters" / "mira"
    folder.mkdir(parents=True)
    (folder / ADAPTER_FILE).write_bytes(b"x")

    for name in ("mira", str(folder), str(folder / ADAPTER_FILE)):
        assert find_character(name).resolve() == folder / ADAPTER_FILE


def test_an_unknown_name_lists_the_known_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="train one with: facekit train PHOTOS --as tom"):
        find_character("tom")
    (tmp_path / "characters" / "mira").mkdir(parents=True)
    (tmp_path / "characters" / "mira" / ADAPTER_FILE).write_bytes(b"x")
    with pytest.raises(UsageError, match="expected one of mira"):
        find_character("tom")
