import pytest

from facekit.presets.names import (
    archive_name,
    check_together,
    file_name_fault,
    is_preset_id,
    is_version,
)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd.json",
        "../x.json",
        "a/../../x.json",
        "a//x.json",
        "./x.json",
        "C:/x.json",
        "a\\x.json",
        "x\0.json",
        "con.json",
        "media/NUL.webp",
        "lpt1.json",
        ".hidden.json",
        "x.json.",
        "x .json",
        "mirä.json",
        "x.pkl",
        "x.bin",
        "x.py",
        "x",
        "a/b/c/d/e.json",
        "x" * 300 + ".json",
        "~/x.json",
        "-rf.json",
    ],
)
def test_a_name_that_some_system_reads_otherwise_is_refused(path):
    assert file_name_fault(path)


@pytest.mark.parametrize(
    "path", ["facekit.json", "README.md", "weights/looks/s1_winter.safetensors", "a/b-c.json"]
)
def test_the_names_of_a_bundle_pass(path):
    assert file_name_fault(path) == ""


def test_names_that_are_one_file_somewhere_do_not_go_together():
    assert "beside README.md" in check_together(["README.md", "readme.md"])
    assert "twice" in check_together(["a.json", "a.json"])
    assert "folder that is a file" in check_together(["a.json", "a.json/b.json"])
    assert check_together(["a.json", "b/a.json"]) == ""


def test_ids_and_versions():
    assert is_preset_id("org.studio.show/mira")
    assert is_preset_id("studio/mira_2")
    for text in (
        "mira",
        "Org/mira",
        "org/../mira",
        "org//mira",
        "org/mira/x",
        "/mira",
        "org/",
        "a/con",
        "nul/b",
        "aux.x/b",
    ):
        assert not is_preset_id(text)
    assert is_version("1.0.0")
    assert is_version("2.0.0-rc.1+build.5")
    assert is_version("1.0.0-0.01a.-1+001")
    for text in (
        "1.0",
        "01.0.0",
        "1.0.0-",
        "v1.0.0",
        "1.0.0/..",
        "latest",
        "1.0.0-01",
        "1.0.0-rc.00",
    ):
        assert not is_version(text)
    assert archive_name("org.studio.show/mira", "1.3.0") == "mira-1.3.0.facekit"
