"""Errors about storyboards and timelines."""

import sys
import unittest.mock
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from facekit.generation.storyboard_script import read_fountain
from facekit.generation.timeline import build_timeline
from facekit.generation.timeline_files import write_timeline
from facekit.workflows.board_export import export_board
from facekit.workflows.board_files import import_board, new_board
from facekit.workflows.board_plan import check_file
from tests.tiny.timelines import cut

_BAD = """\
schema: facekit.storyboard/1
project: {id: ep01, titel: The Letter}
cast: {mira: {preset: nobody-of-this-name}}
deliver: {aspects: [16:9], timecode: 01:00:00:30}
sequences:
  - id: SEQ010
    shots:
      - {id: SH0010, frames: 0, place: park}
      - {id: SH0020, seconds: 2, extend_of: SH0030, action: '@max talking'}
      - {id: SH0030, seconds: 2, extend_of: SH0020}
      - {id: SH0030, seconds: 2, place: park, first_frame: {image: none.png}}
"""

_GOOD = """\
schema: facekit.storyboard/1
project: {id: ep01}
sequences: [{id: SEQ010, shots: [{id: SH0010, frames: 9, place: park}]}]
"""


def board_cases(tmp: Path) -> dict[str, Callable[[], object]]:
    (tmp / "bad.yaml").write_text(_BAD)
    (tmp / "good.yaml").write_text(_GOOD)
    (tmp / "broken.yaml").write_text("a: [1\nb: 2")
    (tmp / "latin.yaml").write_bytes(b"a: \xe9")
    (tmp / "shots.csv").write_text("shot,secnds\nSH0010,4\n")
    (tmp / "prose.fountain").write_text("Just some prose.\n")
    record = tmp / "renders" / "SEQ010" / "SEQ010_SH0010" / "v001" / "shot.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text("{}")
    timeline = build_timeline("ep01", cut(), Fraction(8))
    otio = tmp / "a.otio"
    return {
        "board: several mistakes": lambda: check_file(tmp / "bad.yaml"),
        "board: not YAML": lambda: check_file(tmp / "broken.yaml"),
        "board: not UTF-8": lambda: check_file(tmp / "latin.yaml"),
        "board: missing": lambda: check_file(tmp / "none.yaml"),
        "board: no ending": lambda: new_board(tmp / "board.txt"),
        "board import: unknown column": lambda: import_board(tmp / "shots.csv", tmp / "x.yaml"),
        "board import: another kind": lambda: import_board(tmp / "a.pdf", tmp / "x.yaml"),
        "board import: missing": lambda: import_board(tmp / "none.csv", tmp / "x.yaml"),
        "board import: not UTF-8": lambda: _as_csv(tmp),
        "board import: seconds of a list": lambda: import_board(
            tmp / "shots.csv", tmp / "x.yaml", seconds=3
        ),
        "board import: no scenes": lambda: import_board(tmp / "prose.fountain", tmp / "x.yaml"),
        "board import: no extra": lambda: _without_screenplain(tmp),
        "board export: nothing": lambda: export_board(tmp / "good.yaml", {}),
        "board export: aspect": lambda: export_board(
            tmp / "good.yaml", {"otio": otio}, aspect="9:16"
        ),
        "board export: damaged record": lambda: export_board(
            tmp / "good.yaml", {"otio": otio}, out=tmp / "renders"
        ),
        "timeline: frame rate": lambda: write_timeline(timeline, tmp / "a.edl", "edl"),
        "timeline: short media": lambda: build_timeline("ep01", cut(40), Fraction(24)),
    }


def _as_csv(tmp: Path) -> object:
    (tmp / "latin.csv").write_bytes(b"\xe9")
    return import_board(tmp / "latin.csv", tmp / "x.yaml")


def _without_screenplain(tmp: Path) -> object:
    with unittest.mock.patch.dict(sys.modules, {"screenplain.parsers": None}):
        return read_fountain(tmp / "a.fountain", "", "a", seconds=4)
