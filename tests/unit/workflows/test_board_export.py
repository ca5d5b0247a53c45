import json
from fractions import Fraction

import pytest

from facekit.errors import OutputExists, StoryboardError, UsageError
from facekit.generation.timeline import TimelineMarker
from facekit.types import Plan
from facekit.workflows.board_export import (
    SHOT_RECORD,
    TIMELINE_KEY,
    export_board,
    planned_media,
    planned_shot,
)
from facekit.workflows.board_files import import_board
from facekit.workflows.board_plan import plan_board
from tests.tiny.boards import read_storyboard
from tests.tiny.timelines import read_timeline

BOARD = """\
schema: facekit.storyboard/1
project: {id: ep01, title: The Letter}
deliver: {fps: 24, aspects: [16:9, 9:16], handles: 6, timecode: 10:00:00:00}
sequences:
  - id: SEQ010
    shots:
      - {id: SH0010, seconds: 1, place: park, note: look at the hands}
      - {id: SH0020, frames: 36, place: park, transition: {type: dissolve, frames: 8}}
      - {id: SH0030, frames: 12, extend_of: SH0020, aspects: [16:9]}
"""


@pytest.fixture
def board(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "board.yaml"
    path.write_text(BOARD)
    return path


def clips(path):
    return read_timeline(path, Fraction(24)).find_clips()


def test_a_plan_becomes_a_timeline(board, tmp_path):
    files = {kind: tmp_path / "cut" / f"ep01.{kind}" for kind in ("otio", "edl", "xml", "fcpxml")}
    made = export_board(board, files)
    assert isinstance(made, Plan)
    assert (made.rendered, len(made.planned)) == ((), 3)
    assert "0 shots as rendered, 3 as planned" in made.describe()
    for path in files.values():
        assert [x.name for x in clips(path)] == [
            "SEQ010_SH0010", "SEQ010_SH0020", "SEQ010_SH0030",
        ]  # fmt: skip
    first, second, third = clips(files["otio"])
    assert first.media_reference.target_url == (
        "../renders/ep01/SEQ010/SEQ010_SH0010/v001/SEQ010_SH0010_v001.mov"
    )
    assert [x.source_range.duration.value for x in (first, second, third)] == [24, 36, 12]
    available = first.media_reference.available_range
    assert (available.start_time.value, available.duration.value) == (995, 36)
    assert third.media_reference.available_range.start_time.value == 1001  # goes on: no handle
    assert [(x.name, x.comment) for x in first.markers] == [("note", "look at the hands")]
    assert len(first.metadata["facekit"]["fingerprint"]) == 64


def test_another_aspect_has_its_own_shots(board, tmp_path):
    export_board(board, {"otio": tmp_path / "a.otio"}, aspect="9:16")
    assert [x.name for x in clips(tmp_path / "a.otio")] == [
        "SEQ010_SH0010_9x16", "SEQ010_SH0020_9x16",
    ]  # fmt: skip


def test_what_was_rendered_stands_as_it_is(board, tmp_path):
    plan = plan_board(board, device="cpu")
    shot = plan.shots[0]
    for version in (1, 2, 10):
        media = planned_media(plan, shot, version)
        gate = TimelineMarker(frame=1003, name="drift", kind="gate")
        laid = planned_shot(plan, shot, media=media.relative_to(media.parent), markers=[gate])
        media.parent.mkdir(parents=True)
        record = {"other": 1, TIMELINE_KEY: laid.to_json()}
        (media.parent / SHOT_RECORD).write_text(json.dumps(record))
    (media.parent.parent / "v011").mkdir()  # not finished yet
    made = export_board(board, {"otio": tmp_path / "a.otio"}, whole_paths=True)
    assert made.rendered == ("SEQ010_SH0010",)
    first = clips(tmp_path / "a.otio")[0]
    assert first.media_reference.target_url == media.absolute().as_uri()
    assert media.name == "SEQ010_SH0010_v010.mov"
    assert [(x.name, x.color) for x in first.markers] == [("note", "GREEN"), ("drift", "RED")]

    (media.parent / SHOT_RECORD).write_text("{}")
    with pytest.raises(StoryboardError, match="not the record of a shot"):
        export_board(board, {"otio": tmp_path / "b.otio"})


@pytest.mark.parametrize(
    ("files", "options", "error", "said"),
    [
        ({}, {}, UsageError, "nothing to write, expected one of --otio"),
        ({"otio": "a.otio"}, {"aspect": "1:1"}, UsageError, "aspect 1:1: not delivered"),
        ({"otio": "board.yaml"}, {}, OutputExists, "the file exists"),
    ],
)
def test_what_cannot_be_written_is_refused(board, tmp_path, files, options, error, said):
    with pytest.raises(error, match=said):
        export_board(board, {kind: tmp_path / name for kind, name in files.items()}, **options)


def test_a_rate_that_an_edl_cannot_say_is_refused(board, tmp_path):
    board.write_text(BOARD.replace("fps: 24", "fps: 8"))
    with pytest.raises(UsageError, match=r"set deliver\.fps"):
        export_board(board, {"edl": tmp_path / "a.edl"})
    assert not (tmp_path / "a.edl").exists()


def test_a_list_of_shots_can_be_made_a_board_again(board, tmp_path):
    board.write_text(BOARD.replace(", aspects: [16:9]}", "}"))
    files = {"csv": tmp_path / "shots.csv"}
    made = export_board(board, files)
    assert made.describe().splitlines() == [
        str(files["csv"]),
        "note: a shot list holds what has a column: not the cast, dialogue, engine, gates or"
        " deliver",
    ]
    import_board(files["csv"], tmp_path / "again.yaml")
    again = read_storyboard(tmp_path / "again.yaml")
    assert again.sequences == read_storyboard(board).sequences
    both = export_board(board, {"otio": tmp_path / "a.otio", **files}, force=True)
    assert len(both.planned) == 3
