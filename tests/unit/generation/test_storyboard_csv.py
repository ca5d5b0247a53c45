from pathlib import Path

import pytest

from facekit.errors import StoryboardError
from facekit.generation.storyboard_checks import check_board
from facekit.generation.storyboard_csv import CSV_COLUMNS, read_csv, write_csv
from facekit.generation.storyboard_loading import refuse

LIST = """\
Sequence,Shot,Seconds,Size,Action,Characters,Place,Same as,Dissolve,Takes,Props
SEQ010,SH0010,4,CU,"reads, slowly",mira:left; tom:0.5 0 1 1,kitchen,,,2,a letter; a cup
,,2.5,MS,@mira talking,,park,SH0010,8,,
SEQ020,,1,WS,,ada,beach,,,,
"""


def read(text):
    board = read_csv(Path("shots.csv"), text, "shots")
    refuse(board, [*board.mistakes, *check_board(board)])
    return board.board


def test_rows_become_shots():
    board = read(LIST)
    assert [(a.id, [s.id for s in a.shots]) for a in board.sequences] == [
        ("SEQ010", ["SH0010", "SH0020"]),
        ("SEQ020", ["SH0010"]),
    ]
    assert list(board.cast) == ["mira", "tom", "ada"]
    first, second = board.sequences[0].shots
    assert (first.seconds, first.action, first.takes) == (4, "reads, slowly", 2)
    assert [x.region for x in first.characters] == ["left", (0.5, 0.0, 1.0, 1.0)]
    assert first.continuity.props == ("a letter", "a cup")
    assert (second.continuity.same_as, second.transition.frames) == ("SH0010", 8)
    assert second.transition.type == "dissolve"


def test_a_written_list_is_the_same_board():
    board = read(LIST)
    text = write_csv(board)
    assert text.splitlines()[0] == ",".join(CSV_COLUMNS)
    assert read(text) == board


@pytest.mark.parametrize("sign", [";", "\t"])
def test_other_separators_are_found(sign):
    text = f"shot{sign}seconds{sign}place\nA{sign}2,5{sign}park\n"
    assert read(text).sequences[0].shots[0].seconds == 2.5


def test_mistakes_are_told_with_the_lines_of_the_list():
    text = 'shot,secnds,seconds,place,size,note\nA,,1,a,CU,"two\nlines"\nB,,x,a,XX,\nC,,,a,MS,b,c'
    with pytest.raises(StoryboardError) as caught:
        read(text)
    told = [line.strip() for line in str(caught.value).splitlines()[1:-1]]
    assert "shots.csv:1: column secnds: unknown (did you mean 'seconds'?)" in told[0]
    assert [line.partition(" ")[0] for line in told[1:]] == [
        f"shots.csv:{line}:" for line in (4, 4, 5, 5)
    ]


@pytest.mark.parametrize("text", ["", "shot,seconds\n", 'shot,seconds\n"a\n'])
def test_a_list_without_shots_is_refused(text):
    with pytest.raises(StoryboardError):
        read(text)
