import csv

import pytest

from facekit.errors import OutputExists, StoryboardError, UsageError
from facekit.generation.storyboard_loading import parse_storyboard
from facekit.types import Plan
from facekit.workflows.board_files import import_board, new_board
from tests.tiny.boards import read_storyboard

LIST = "sequence,shot,seconds,size,action\nSEQ010,SH0010,4,CU,@mira talking\n,,2,MS,@tom nodding\n"


def test_the_example_has_no_mistakes_in_itself(tmp_path):
    made = new_board(tmp_path / "board.yaml")
    assert parse_storyboard(made.path).mistakes == ()
    assert isinstance(made, Plan)
    assert "facekit board plan" in made.describe()
    assert made.to_json() == {"path": str(tmp_path / "board.yaml")}


def test_nothing_that_is_there_is_replaced(tmp_path):
    path = tmp_path / "board.yaml"
    path.write_text("mine")
    with pytest.raises(OutputExists):
        new_board(path)
    with pytest.raises(OutputExists):
        import_board(tmp_path / "shots.csv", path)
    assert path.read_text() == "mine"
    new_board(path, force=True)
    assert path.read_text() != "mine"


@pytest.mark.parametrize("name", ["board", "board.json"])
def test_a_board_is_called_yaml(tmp_path, name):
    with pytest.raises(UsageError, match=r"ending in \.yaml"):
        new_board(tmp_path / name)


def test_a_shot_list_becomes_a_board(tmp_path):
    (tmp_path / "my shots.csv").write_text(LIST)
    made = import_board(tmp_path / "my shots.csv", tmp_path / "board.yaml")
    board = read_storyboard(tmp_path / "board.yaml")
    assert (made.sequences, made.shots, made.cast) == (1, 2, ("mira", "tom"))
    assert isinstance(made, Plan)
    assert board.project.id == "my-shots"
    rows = list(csv.DictReader(LIST.splitlines()))
    assert [shot.action for *_, shot in board.entries()] == [row["action"] for row in rows]


def test_a_screenplay_becomes_a_board(tmp_path):
    pytest.importorskip("screenplain", reason="extra fountain is not installed")
    (tmp_path / "a.fountain").write_text("INT. KITCHEN - DAY\n\nRain.\n\nMIRA\nHello.\n")
    made = import_board(tmp_path / "a.fountain", tmp_path / "board.yaml", seconds=2.5)
    (shot,) = read_storyboard(tmp_path / "board.yaml").sequences[0].shots
    assert (made.cast, shot.seconds, shot.place) == (("mira",), 2.5, "kitchen")


@pytest.mark.parametrize(
    ("name", "content", "error", "said"),
    [
        ("a.pdf", b"", UsageError, "neither a shot list nor a screenplay"),
        ("a.csv", b"\xff\xfe", StoryboardError, "not UTF-8"),
        ("none.csv", None, StoryboardError, "cannot be read"),
        ("a.csv", b"shot,seconds\nA,x\n", StoryboardError, r"a.csv:2: "),
    ],
)
def test_what_is_no_list_leaves_no_board(tmp_path, name, content, error, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=said):
        import_board(tmp_path / name, tmp_path / "board.yaml")
    assert not (tmp_path / "board.yaml").exists()


def test_a_list_says_its_own_seconds(tmp_path):
    (tmp_path / "a.csv").write_text(LIST)
    with pytest.raises(UsageError, match="--seconds 3"):
        import_board(tmp_path / "a.csv", tmp_path / "board.yaml", seconds=3)
