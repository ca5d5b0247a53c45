"""Boards that ship as examples hold what their pages promise."""

from pathlib import Path

import pytest

from facekit.generation.storyboard_loading import parse_storyboard

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_is_a_storyboard(path: Path) -> None:
    located = parse_storyboard(path)
    assert (located.board is not None, list(located.mistakes)) == (True, [])


def test_the_letter_is_a_whole_sequence() -> None:
    board = parse_storyboard(EXAMPLES / "the_letter.yaml").board
    assert board is not None
    shots = [shot for *_, shot in board.entries()]
    assert len(shots) >= 24
    assert len(board.cast) == len(board.deliver.aspects) == 3
    assert sum(shot.extend_of is not None for shot in shots) == 2
