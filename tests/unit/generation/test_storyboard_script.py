import sys
from pathlib import Path

import pytest

from facekit.errors import PackageMissing, StoryboardError
from facekit.generation.storyboard_checks import check_board
from facekit.generation.storyboard_loading import refuse
from facekit.generation.storyboard_script import read_fountain

SCRIPT = """\
Title: The Letter

INT. KITCHEN - NIGHT

Mira sits at the table. MIRA reads a *letter*.

OLD MAN (V.O.)
(quietly)
He never came.

The old man walks in.

MIRA
Who?

OLD MAN ^
Nobody.

CUT TO:

EXT. BEACH -- DAY

MIRA
Waves.

.NOWHERE
"""


def read(text):
    pytest.importorskip("screenplain", reason="extra fountain is not installed")
    board = read_fountain(Path("a.fountain"), text, "letter", seconds=3)
    refuse(board, [*board.mistakes, *check_board(board)])
    return board.board


def test_scenes_become_sequences_and_action_becomes_shots():
    board = read(SCRIPT)
    assert board.project.title == "The Letter"
    assert list(board.cast) == ["old_man", "mira"]
    assert [(x.id, x.title, len(x.shots)) for x in board.sequences] == [
        ("SEQ010", "INT. KITCHEN - NIGHT", 2),
        ("SEQ020", "EXT. BEACH -- DAY", 1),
        ("SEQ030", "NOWHERE", 1),
    ]
    first, second = board.sequences[0].shots
    assert first.action == "@mira sits at the table. @mira reads a letter"
    assert (first.place, first.light, first.seconds) == ("kitchen", "night", 3)
    assert [(x.who, x.line) for x in first.dialogue] == [("old_man", "He never came.")]
    assert second.action == "The @old_man walks in"
    assert [x.who for x in second.dialogue] == ["mira", "old_man"]
    (talk,) = board.sequences[1].shots
    assert [x.id for x in talk.characters] == ["mira"]


def test_a_text_without_scenes_is_refused():
    with pytest.raises(StoryboardError, match="no scene heading"):
        read("Just some prose.\n")


def test_without_its_reader_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "screenplain.parsers", None)
    with pytest.raises(PackageMissing, match="fountain"):
        read_fountain(Path("a.fountain"), SCRIPT, "x", seconds=3)
