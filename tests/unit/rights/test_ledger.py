"""Lines that hold together; writers at once; what a kill leaves."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from facekit.errors import LedgerDamaged, OutputError
from facekit.rights import ledger as ledger_module
from facekit.rights.ledger import FIRST, Ledger


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "ledger.jsonl")
    for number in range(4):
        made.append("use", {"number": number})
    return made


def edit(ledger, change):
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"".join(change(lines)))


def test_lines_come_back_in_order_and_each_knows_the_one_before(ledger):
    lines = ledger.lines()
    assert [line.content["number"] for line in lines] == [0, 1, 2, 3]
    assert [line.prev for line in lines] == [FIRST, *(line.sha256 for line in lines[:-1])]
    head = ledger.verify(expected=lines[1].sha256)
    assert (head.count, head.sha256, head.torn) == (4, lines[-1].sha256, b"")


def test_an_empty_ledger_holds(tmp_path):
    made = Ledger(tmp_path / "none" / "ledger.jsonl")
    assert made.verify().count == 0
    made.ready()
    assert made.lines() == ()


def test_a_line_is_added_but_once(ledger):
    assert ledger.append_unless("use", {}, lambda line: line.content["number"] == 2) is None
    assert ledger.verify().count == 4
    assert ledger.append_unless("use", {"number": 9}, lambda line: False)


def test_a_head_that_was_noted_is_missed(ledger):
    with pytest.raises(LedgerDamaged, match="noted"):
        ledger.verify(expected="1" * 64)


@pytest.mark.parametrize("cut", [1, 40])
def test_what_a_kill_left_of_a_line_is_told_and_mended(ledger, cut):
    torn = ledger.path.read_bytes().splitlines(keepends=True)[0][:-1][: -cut or None]
    with ledger.path.open("ab") as stream:
        stream.write(torn)
    assert ledger.verify().torn == torn
    ledger.append("use", {"number": 4})
    lines = ledger.lines()
    assert [line.kind for line in lines] == ["use"] * 4 + ["mend", "use"]
    mended = lines[4].content
    assert mended["torn"] == torn.decode()
    assert (ledger.path.parent / mended["kept"]).read_bytes() == torn
    assert ledger.verify().torn == b""


def test_a_kill_between_line_and_head_loses_nothing(ledger):
    head = ledger.path.with_name("ledger.jsonl.head")
    before = head.read_bytes()
    ledger.append("use", {"number": 4})
    head.write_bytes(before)
    assert ledger.verify().count == 5
    ledger.append("use", {"number": 5})
    assert ledger.verify().count == 6


def test_a_kill_before_the_very_first_line(tmp_path):
    made = Ledger(tmp_path / "ledger.jsonl")
    made.append("use", {})
    head = tmp_path / "ledger.jsonl.head"
    head.write_text(json.dumps({"count": 0, "sha256": FIRST}))
    assert made.verify().count == 1


@pytest.mark.parametrize("before", [0, 4])
def test_failing_between_line_and_head_again_and_again_loses_nothing(tmp_path, monkeypatch, before):
    made = Ledger(tmp_path / "ledger.jsonl")
    for number in range(before):
        made.append("use", {"number": number})
    write_text, there = ledger_module.write_text, before

    def fail(path, text):
        if json.loads(text)["count"] > there:
            raise OutputError(f"{path}: no space left; free some")
        write_text(path, text)

    with monkeypatch.context() as patch:
        patch.setattr(ledger_module, "write_text", fail)
        for there in range(before, before + 3):  # noqa: B007 -- `fail` compares with it
            with pytest.raises(OutputError):
                made.append("use", {})
    assert made.verify().count == before + 3
    made.append("use", {})
    assert made.verify().count == before + 4


def test_where_no_head_can_be_written_no_line_is_added_after_the_first(ledger, monkeypatch):
    def fail(path, text):
        raise OutputError(f"{path}: no space left; free some")

    with monkeypatch.context() as patch:
        patch.setattr(ledger_module, "write_text", fail)
        for _ in range(3):
            with pytest.raises(OutputError):
                ledger.append("use", {})
    assert ledger.verify().count == 5


def test_a_line_without_its_head_is_not_called_unwritten(ledger, monkeypatch):
    def fail(path, text):
        raise OutputError(f"{path}: not written, no space left; nothing was changed; free some")

    monkeypatch.setattr(ledger_module, "write_text", fail)
    with pytest.raises(OutputError, match="line 5 was written") as caught:
        ledger.append("use", {"number": 4})
    assert "nothing was changed" not in str(caught.value)


def test_what_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        Ledger(tmp_path / "file" / "ledger.jsonl").append("use", {})


def test_writers_at_once_lose_no_line(tmp_path, root):
    code = (
        "import sys; from pathlib import Path; from facekit.rights.ledger import Ledger\n"
        "ledger = Ledger(Path(sys.argv[1]))\n"
        "for number in range(15): ledger.append('use', {'who': sys.argv[2], 'number': number})\n"
    )
    path = tmp_path / "ledger.jsonl"
    at_work = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name], cwd=root) for name in "abc"
    ]
    assert [one.wait(60) for one in at_work] == [0, 0, 0]
    lines = Ledger(path).lines()
    assert len(lines) == 45
    for name in "abc":
        mine = [line.content["number"] for line in lines if line.content["who"] == name]
        assert mine == list(range(15))


def test_the_path_of_a_ledger_may_be_any(tmp_path: Path):
    made = Ledger(tmp_path / "a b" / "c.d")
    made.append("use", {})
    assert made.verify().count == 1
