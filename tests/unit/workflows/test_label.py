import json

import pytest

from facekit.errors import MediaError, OutputExists, SignatureRefused, UsageError
from facekit.media.images import read_image
from facekit.provenance.credentials import read_credentials, read_manifest
from facekit.types import NoProgress
from facekit.workflows.credentials import sign_output, trusted_roots
from facekit.workflows.label import plan_labels, profile_label, run_labels
from facekit.workflows.verify import verify_files
from facekit_cli.main import app
from tests.tiny.fonts import write_font
from tests.tiny.provenance import FACTS, clip, picture


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A folder where credentials are wanted."""
    monkeypatch.setenv("FACEKIT_CREDENTIALS", "")
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "keys"))
    monkeypatch.chdir(tmp_path)


def actions(path):
    told = read_manifest(path)
    said = told["manifests"][told["active_manifest"]]["assertions"]
    (found,) = [one["data"]["actions"] for one in said if one["label"] == "c2pa.actions.v2"]
    return [(one["action"], one.get("description")) for one in found]


@pytest.mark.parametrize("make", [clip, picture])
def test_a_copy_says_what_was_done_and_of_what_it_was_made(make, tmp_path):
    path = make(tmp_path / ("a.mp4" if make is clip else "a.png"))
    sign_output(path, FACTS)
    before = path.read_bytes()

    (done,) = run_labels(plan_labels([path], "eu"), NoProgress()).files

    assert done.name == f"a_labelled{path.suffix}"
    assert path.read_bytes() == before
    found = read_credentials(done, trusted_roots())
    assert (found.state, found.facts) == ("trusted", FACTS)
    assert [(one.title, one.state) for one in found.ingredients] == [(path.name, "valid")]
    assert actions(done) == [
        ("c2pa.opened", None),
        ("c2pa.addedText", "visible label 'AI' (eu)"),
    ]
    (verdict,) = verify_files([done]).files
    assert (verdict.how, verdict.is_sure, verdict.facts) == ("credentials", True, FACTS)


def test_what_comes_from_elsewhere_is_labelled_and_nothing_is_said_of_its_origin(tmp_path):
    path = picture(tmp_path / "a.png")
    plan = plan_labels([path], "custom", text="KI", out=tmp_path / "b.png")
    assert "not known to come from here" in plan.describe()

    run_labels(plan, NoProgress())

    found = read_credentials(tmp_path / "b.png", trusted_roots())
    assert (found.state, found.facts) == ("trusted", None)
    assert (read_image(tmp_path / "b.png") != read_image(path)).any()


def test_bytes_that_were_made_here_are_known_without_credentials_of_use(tmp_path):
    path = picture(tmp_path / "a.png")
    sign_output(path, FACTS)
    (tmp_path / "keys" / "credentials" / "facekit.pub").unlink()

    assert plan_labels([path], "eu").facts == {path: FACTS}


def test_what_was_tampered_with_is_refused(tmp_path):
    path = picture(tmp_path / "a.png")
    sign_output(path, FACTS)
    path.write_bytes(path.read_bytes().replace(b"c" * 64, b"d" * 64))

    with pytest.raises(SignatureRefused, match="not those of what it holds"):
        plan_labels([path], "eu")


def test_profiles_say_how_long_and_what(tmp_path):
    font = write_font(tmp_path / "boxes.ttf", "AI生成由")
    assert profile_label("eu").seconds is None
    assert profile_label("eu", text="KI").text == "KI"
    assert (profile_label("cn", font=font).text, profile_label("cn", font=font).seconds) == (
        "AI生成",
        2.0,
    )
    assert profile_label("cn", text="由AI生成", font=font, seconds=5).seconds == 5
    assert profile_label("custom", text="made", seconds=1).seconds == 1
    for how, match in (
        ({"profile": "us"}, "expected one of eu, cn, custom"),
        ({"profile": "eu", "seconds": 2}, "expected a label to the end"),
        ({"profile": "cn", "seconds": 1}, "expected 2 at least"),
        ({"profile": "cn", "text": "AI"}, "expected 生成 or 合成 in it"),
        ({"profile": "cn"}, "name a font file that has them with --font"),
        ({"profile": "custom"}, "give it with --text"),
        ({"profile": "custom", "text": "a", "seconds": 0}, "expected more than 0"),
    ):
        with pytest.raises(UsageError, match=match):
            profile_label(**how)


def test_no_file_is_lost(tmp_path):
    first, second = picture(tmp_path / "a.png"), picture(tmp_path / "b.png", seed=1)
    (tmp_path / "notes.txt").write_text("no picture")
    for paths, out, error, match in (
        ([first], first, OutputExists, "add --force"),
        ([first], tmp_path / "c.jpg", UsageError, r"expected the suffix \.png"),
        ([tmp_path / "notes.txt"], None, MediaError, "expected one of .jpeg"),
        ([tmp_path / "none.png"], None, MediaError, "no such file"),
    ):
        with pytest.raises(error, match=match):
            plan_labels(paths, "eu", out=out)
    with pytest.raises(UsageError, match="none that is labelled itself"):
        plan_labels([first], "eu", out=first, force=True)

    several = plan_labels([first, second], "eu", out=tmp_path / "out")

    assert list(several.files.values()) == [tmp_path / "out" / name for name in ("a.png", "b.png")]


def test_the_command_tells_and_makes(tmp_path, capsys):
    path = picture(tmp_path / "a.png")
    words = ["provenance", "label", str(path), "--profile", "eu", "--no-credentials", "--json"]

    assert not app(words, standalone_mode=False)

    said = capsys.readouterr()
    assert json.loads(said.out)["data"]["files"] == [str(tmp_path / "a_labelled.png")]
    assert "credentials: none" in said.err
    assert read_credentials(tmp_path / "a_labelled.png").state == "none"
