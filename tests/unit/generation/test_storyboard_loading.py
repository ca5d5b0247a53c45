import pytest

from facekit.errors import StoryboardError
from facekit.generation.storyboard_loading import (
    MAX_TOLD,
    dump_storyboard,
    parse_storyboard,
    refuse,
)
from facekit.generation.storyboard_yaml import Mistake
from tests.tiny.boards import HEAD, located, read_storyboard, shots

BROKEN = """\
schema: facekit.storyboard/1
project: {id: ep01, titel: x}
delivery: {fps: 24}
cast:
  mira: {preset: mira, strenght: 2}
sequences:
  - id: SEQ010
    shots:
      - {id: SH 0010, frames: 9}
      - {id: SH0020, seconds: 0, place: park}
      - id: SH0030
        frames: 9
        characters: [{id: mira, strength: [[0, 9]], region: [0, 0, 1.5, 1]}, {region: up}]
        size: XL
  - id: SEQ020
  - {id: SEQ030, shots: []}
"""


def test_all_mistakes_are_told_at_once_with_their_lines(tmp_path):
    path = tmp_path / "board.yaml"
    path.write_text(BROKEN)

    with pytest.raises(StoryboardError) as caught:
        read_storyboard(path)

    told = [line.strip().removeprefix(f"{path}:") for line in str(caught.value).splitlines()[1:-1]]
    assert [line.split(" ")[0:2] for line in told] == [
        ["2:", "project.titel:"],
        ["3:", "delivery:"],
        ["5:", "cast.mira.strenght:"],
        ["9:", "SEQ010/SH"],
        ["10:", "SEQ010/SH0020.seconds:"],
        ["13:", "SEQ010/SH0030.characters.0.region.2:"],
        ["13:", "SEQ010/SH0030.characters.0.strength.0.1:"],
        ["13:", "SEQ010/SH0030.characters.1.region:"],
        ["13:", "SEQ010/SH0030.characters.1:"],
        ["14:", "SEQ010/SH0030.size:"],
        ["15:", "SEQ020:"],
        ["16:", "SEQ030.shots:"],
    ]
    assert "did you mean 'title'?" in told[0]
    assert "did you mean 'deliver'?" in told[1]
    assert "did you mean 'strength'?" in told[2]
    assert caught.value.next_step.startswith("correct these lines") is False
    assert caught.value.next_step == "facekit board new writes an example of every key"
    assert caught.value.exit_code == 2


def test_what_is_right_is_understood_all_the_same(tmp_path):
    path = tmp_path / "board.yaml"
    path.write_text(BROKEN)
    board = parse_storyboard(path)
    assert [shot.id for _, _, shot in board.shots()] == ["SH0020", "SH0030"]
    assert [place for place, _, _ in board.shots()] == [
        ("sequences", 0, "shots", 1),
        ("sequences", 0, "shots", 2),
    ]


@pytest.mark.parametrize("text", ["", "- 1", "just words", "schema: facekit.storyboard/1"])
def test_what_is_no_board_is_refused(tmp_path, text):
    path = tmp_path / "board.yaml"
    path.write_text(text)
    with pytest.raises(StoryboardError, match=r"board.yaml:1: "):
        read_storyboard(path)


def test_a_board_of_another_version_is_refused():
    board = located("sequences: []", HEAD.replace("storyboard/1", "storyboard/9"))
    with pytest.raises(StoryboardError, match=r"got 'facekit\.storyboard/9', expected"):
        refuse(board, board.mistakes)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(StoryboardError, match="cannot be read"):
        parse_storyboard(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    with pytest.raises(StoryboardError, match="not UTF-8"):
        parse_storyboard(tmp_path / "latin.yaml")


def test_a_long_list_is_cut(tmp_path):
    board = shots("id: SH0010, frames: 9, place: park")
    mistakes = [Mistake(path=(), text=f"no {i}", line=i) for i in range(MAX_TOLD + 5)]
    with pytest.raises(StoryboardError) as caught:
        refuse(board, mistakes)
    assert f"{MAX_TOLD + 5} mistakes" in str(caught.value)
    assert "  and 5 more;" in str(caught.value)


def test_a_written_board_is_the_same_board(tmp_path):
    board = shots(
        "id: SH0010, frames: 9, action: '@mira: talking # loud', camera: {lens: 35, angle: low}",
        "id: SH0020, seconds: 1.5, characters: [{id: mira, region: [0, 0, 0.5, 1],"
        " strength: [[0, 1.0], [5, 0.5]]}, {id: tom, region: right}], seed: 5",
        "id: SH0030, frames: 9, extend_of: SH0020, gates: {max_takes: 8}, note: 'no'",
        more="deliver: {aspects: [16:9, 9:16], fps: 23.976}",
    ).board
    path = tmp_path / "again.yaml"
    path.write_text(dump_storyboard(board))
    assert read_storyboard(path) == board


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        ("wrong_persn: 0", "gates.wrong_persn: unknown key (did you mean 'wrong_person'?)"),
        ("identity: {p5: auto}", "gates.identity.p5: unknown key (did you mean 'p05'?)"),
        ("drift: -1", "gates.drift: unknown key (did you mean 'drift_slope'?)"),
        ("swap: -1", "gates.swap: got -1, expected greater than or equal to 0 or 'off'"),
        ("drift_slope: 1", "gates.drift_slope: got 1, expected less than or equal to 0 or 'off'"),
        ("on_fail: go_on", "gates.on_fail: got 'go_on', expected 'keep_best' or 'stop'"),
    ],
)
def test_a_gate_that_there_is_not_is_refused_with_the_nearest_name(gates, said, tmp_path):
    path = tmp_path / "board.yaml"
    listed = "sequences: [{id: S, shots: [{id: A, frames: 9, place: park}]}]\n"
    path.write_text(f"{HEAD}gates: {{{gates}}}\n{listed}")
    with pytest.raises(StoryboardError) as caught:
        read_storyboard(path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("shot", "said"),
    [
        ("size: CUU", "size: got 'CUU' (did you mean 'CU'?), expected 'ECU'"),
        ("size: ms", "size: got 'ms' (did you mean 'MS'?), expected 'ECU'"),
        ("size: 7", "size: got 7, expected 'ECU'"),
        ("characters: [{id: mira, region: lefft}]", "got 'lefft' (did you mean 'left'?), expect"),
        ("override: {engine: {steps: 4}}", "unknown key, expected some of num_inference_steps, "),
        ("takes: ", "takes: got nothing"),
    ],
)
def test_words_that_there_are_not_are_told_with_the_nearest(shot, said, tmp_path):
    path = tmp_path / "board.yaml"
    listed = f"sequences: [{{id: S, shots: [{{id: A, frames: 9, place: park, {shot}}}]}}]\n"
    path.write_text(f"{HEAD}{listed}")
    with pytest.raises(StoryboardError) as caught:
        read_storyboard(path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("rights", "said"),
    [
        ("use: Advertising", "rights.use: got 'Advertising', expected small letters"),
        ("territory: us", "rights.territory: got 'us', expected world, a country such as DE"),
        ("territory_exclude: [USA]", "rights.territory_exclude.0: got 'USA', expected world"),
    ],
)
def test_uses_and_places_have_one_spelling(rights, said, tmp_path):
    path = tmp_path / "board.yaml"
    listed = "sequences: [{id: S, shots: [{id: A, frames: 9}]}]\n"
    path.write_text(f"{HEAD}rights: {{{rights}}}\n{listed}")
    with pytest.raises(StoryboardError) as caught:
        read_storyboard(path)
    assert said in str(caught.value)
