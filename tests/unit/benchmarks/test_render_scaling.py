"""The board of the scaling benchmark: so many shots, and none waits for another."""

from pathlib import Path

from benchmarks.render_scaling import parse, write_board
from facekit.generation.storyboard_loading import parse_storyboard


def test_every_shot_can_be_drawn_by_itself(tmp_path: Path) -> None:
    write_board(tmp_path / "board.yaml", Path("mira"), num_shots=13, steps=12)
    located = parse_storyboard(tmp_path / "board.yaml")
    assert located.mistakes == ()
    assert located.board is not None
    shots = [shot for *_, shot in located.board.entries()]
    assert len({(x.size, x.place, x.action, x.seed) for x in shots}) == 13
    assert not any(shot.extend_of or shot.first_frame for shot in shots)


def test_the_published_run_has_twelve_shots() -> None:
    assert (parse([]).shots, parse([]).results.name) == (12, "render_scaling.json")
