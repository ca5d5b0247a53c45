import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer

from facekit.errors import NoFaceFound
from facekit.types import Progress
from facekit.weights import catalogue_entry, find_weights
from facekit_cli.output import (
    GOES_ON,
    INTERRUPTED,
    emit_error,
    execute,
    printable,
    show,
    speak_any_letter,
)


class Said:
    def __init__(self, text: str, exit_code: int = 0) -> None:
        self.text, self.exit_code = text, exit_code

    def describe(self) -> str:
        return self.text

    def to_json(self) -> Mapping[str, object]:
        return {"text": self.text}


def work(plan: Said, progress: Progress) -> Said:
    print("a library prints this")
    progress.start(1, "work")
    progress.advance()
    progress.finish()
    return Said(f"done: {plan.text}")


def envelope(text: str) -> dict[str, object]:
    (line,) = text.splitlines()
    return json.loads(line)  # type: ignore[no-any-return]


def test_plan_goes_to_stderr_and_result_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    execute("x", lambda: Said("plan"), work, as_json=False)
    out, err = capsys.readouterr()
    assert out == "done: plan\n"
    assert err.index("plan") < err.index("work: 0/1")
    assert "a library prints this" in err


def test_dry_run_prints_the_plan_and_stops(capsys: pytest.CaptureFixture[str]) -> None:
    def never(plan: Said, progress: Progress) -> Said:
        raise AssertionError

    execute("x", lambda: Said("plan"), never, as_json=False, dry_run=True)
    assert capsys.readouterr().out == "plan\n"
    execute("x", lambda: Said("plan"), never, as_json=True, dry_run=True)
    assert envelope(capsys.readouterr().out)["data"] == {"text": "plan"}


def test_json_is_one_object_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    execute("x", lambda: Said("plan"), work, as_json=True)
    assert envelope(capsys.readouterr().out) == {
        "schema": "facekit.x/1",
        "ok": True,
        "data": {"text": "done: plan"},
        "error": None,
    }


@pytest.mark.parametrize("as_json", [True, False])
def test_error_on_purpose(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    def fail() -> Said:
        raise NoFaceFound("a.png: no face found; use a sharper photo")

    with pytest.raises(typer.Exit) as caught:
        show("x", fail, as_json=as_json)
    assert caught.value.exit_code == 3
    out, err = capsys.readouterr()
    if as_json:
        said = envelope(out)
        assert said["ok"] is False
        assert said["error"] == {
            "code": "no_face_found",
            "message": "a.png: no face found; use a sharper photo",
            "next": "use a sharper photo",
        }
    else:
        assert (out, err) == ("", "error: a.png: no face found; use a sharper photo\n")


def test_result_may_decide_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught:
        show("x", lambda: Said("refused", exit_code=3), as_json=True)
    assert caught.value.exit_code == 3
    assert envelope(capsys.readouterr().out)["ok"] is False


def test_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    def stop(plan: Said, progress: Progress) -> Said:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as caught:
        execute("x", lambda: Said("plan"), stop, as_json=True)
    assert caught.value.exit_code == INTERRUPTED
    assert envelope(capsys.readouterr().out)["error"] == {
        "code": "interrupted",
        "message": "interrupted; run the same command again",
        "next": "run the same command again",
    }
    with pytest.raises(typer.Exit):
        execute("x", lambda: Said("plan"), stop, as_json=False, interrupted=GOES_ON)
    assert f"error: interrupted; {GOES_ON}\n" in capsys.readouterr().err


def test_bug_keeps_its_traceback_and_gives_stdout_back() -> None:
    stdout = sys.stdout

    def bug() -> Said:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        show("x", bug, as_json=True)
    assert sys.stdout is stdout


def test_not_a_number_never_reaches_json(capsys: pytest.CaptureFixture[str]) -> None:
    class Bad(Said):
        def to_json(self) -> Mapping[str, object]:
            return {"x": float("nan")}

    with pytest.raises(ValueError, match="JSON"):
        show("x", lambda: Bad("x"), as_json=True)


def test_error_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    emit_error("x", "code", "what; next", "next", as_json=False)
    assert capsys.readouterr().err == "error: what; next\n"


def test_names_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert printable("ü 😀\n\tb") == "ü 😀\n\tb"
    show("x", lambda: Said("a\x1b[31mb\x9bc\r"), as_json=False)
    assert capsys.readouterr().out == "a\\x1b[31mb\\x9bc\\r\n"


def test_letters_that_stdout_lacks_are_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    speak_any_letter()
    print("ü😀\udcff", flush=True)
    assert raw.getvalue() == b"\\xfc\\U0001f600\\udcff\n"


def test_weights_are_searched_while_the_command_lasts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path / "store"))
    path = tmp_path / "face_detection_yunet_2023mar.onnx"
    path.write_bytes(b"")
    found = []

    def look(plan: Said, progress: Progress) -> Said:
        found.append(find_weights(catalogue_entry("yunet")))
        return plan

    execute("x", lambda: Said("plan"), look, as_json=True, weights=[path])
    assert found == [(path,)]
    assert find_weights(catalogue_entry("yunet")) is None
    capsys.readouterr()
    with pytest.raises(typer.Exit) as caught:
        execute("x", lambda: Said("plan"), look, as_json=True, weights=[tmp_path / "no"])
    assert caught.value.exit_code == 2
    assert envelope(capsys.readouterr().out)["error"]["next"] == "correct the path"  # type: ignore[index]
