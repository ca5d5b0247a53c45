from pathlib import Path

from facekit.workflows.source_names import common_folder_of, name_within, shown_name


def test_names_are_short_and_tell_folders_apart(tmp_path: Path):
    for name in ("a/1.png", "b/1.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "p.zip").touch()
    names = [f"{tmp_path}/a/1.png", f"{tmp_path}/b/1.png", f"{tmp_path}/p.zip/c/1.png"]
    assert name_within(names) == ["a/1.png", "b/1.png", "p.zip/c/1.png"]
    assert name_within(names[:1]) == ["1.png"]
    assert name_within(names[2:]) == ["p.zip/c/1.png"]
    assert name_within([]) == []


def test_the_common_folder_is_above_archives(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "p.zip").touch()
    names = [f"{tmp_path}/a/p.zip/c/1.png", f"{tmp_path}/a/2.png"]
    assert common_folder_of(names) == tmp_path / "a"


def test_a_shown_name_takes_one_line_and_steers_no_terminal():
    assert shown_name("ünï 😀.jpg") == "ünï 😀.jpg"
    assert shown_name("a\nb\x1b[31m\udcff.jpg") == r"a\nb\x1b[31m\udcff.jpg"
    long = shown_name("a" * 200 + "-7.jpg")
    assert len(long) == 60
    assert long.startswith("aaa")
    assert long.endswith("-7.jpg")
