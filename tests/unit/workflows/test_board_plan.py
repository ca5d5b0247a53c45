"""Boards from the file to the plan, with character files and the embedded backbone's own facts."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from facekit.backbones import get_spec
from facekit.errors import StoryboardError, UsageError
from facekit.media.images import write_image
from facekit.types import Plan
from facekit.workflows import board_plan, characters
from facekit.workflows.board_facts import find_facts
from facekit.workflows.board_files import new_board
from facekit.workflows.board_plan import check_file, plan_board, undrawn
from facekit.workflows.board_rates import Rate, record_rate
from tests.tiny.backbones import tiny_character, tiny_pipe
from tests.tiny.boards import plans, shots

BAD = """\
schema: facekit.storyboard/1
project: {id: ep01}
engine: {base: toon, source: nowhere, revision: abc}
cast: {mira: {preset: mira}, tom: {preset: nobody}, ltx: {preset: characters/ltx}}
sequences:
  - id: SEQ010
    shots:
      - {id: SH0010, frames: 9, action: '@mira nodding', first_frame: {image: no.png}}
      - {id: SH0020, frames: 9, characters: [{id: mira, mask: note.txt}]}
      - {id: SH0030, frames: 9, extend_of: SH0030, steps: 3}
      - {id: SH0040, frames: 9, place: a, last_frame: {image: a.png}}
"""


@pytest.fixture(scope="module")
def cast(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cast")
    pipe = tiny_pipe()
    for seed, name in enumerate(("mira", "tomas")):
        tiny_character(pipe, seed=seed).save(folder / name / "adapter.safetensors")
    made = tiny_character(pipe)
    other = dataclasses.replace(made.header, backbone="ltx_video_2b")
    dataclasses.replace(made, header=other).save(folder / "ltx" / "adapter.safetensors")
    return folder


@pytest.fixture
def show(cast, tmp_path, monkeypatch):
    shutil.copytree(cast, tmp_path / "characters")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_example_is_fine_and_is_planned(show):
    path = new_board(show / "board.yaml").path

    checked = check_file(path)
    made = plan_board(path, device="cpu")

    assert "2 sequences, 4 shots, 2 characters" in checked.describe()
    assert isinstance(checked, Plan)
    assert isinstance(made, Plan)
    assert [shot.name for shot in made.shots if shot.aspect == "16:9"] == [
        "SEQ010_SH0010", "SEQ010_SH0020", "SEQ010_SH0030", "SEQ020_SH0010",
    ]  # fmt: skip
    text = made.describe()
    assert "asked 3 s, delivered 24 frames at 8 fps with handles of 0 and 2, drawn 17 + 13" in text
    assert "after SEQ010_SH0010;" in text
    assert "time unknown (nothing has been drawn with it on this device" in text
    content = json.loads(json.dumps(made.to_json()))
    assert content["cost"]["takes"] == 9
    assert content["cost"]["seconds"] is None
    prints = [one for shot in content["shots"] for one in shot["fingerprints"]]
    assert len(set(prints)) == len(prints) == 9
    assert not (show / "renders").exists()


def test_the_same_board_has_the_same_fingerprints_and_another_character_others(show):
    path = new_board(show / "board.yaml").path
    first = plan_board(path, device="cpu").fingerprints
    assert plan_board(path, device="cpu").fingerprints == first
    shutil.copy("characters/tomas/adapter.safetensors", "characters/mira/adapter.safetensors")
    second = plan_board(path, device="cpu").fingerprints
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {name for name in first if not name.startswith("SEQ020")}


def test_what_was_measured_tells_the_time(show):
    path = new_board(show / "board.yaml").path
    shot = plan_board(path, device="cpu").shots[0]
    for height, width in ((96, 176), (176, 96)):
        rate = Rate(
            backbone=shot.backbone, device="cpu", height=height, width=width, num_frames=17,
            seconds_per_pass=0.5,
        )  # fmt: skip
        record_rate(rate)
    made = plan_board(path, device="cpu")
    assert "takes 2 from seed 4101; 40 s" in made.describe()  # 20 steps, 2 passes each, 2 takes
    assert "measured on cpu, scaled by pixels" in made.cost.describe()
    assert made.cost.worst_seconds > made.cost.seconds > 0


def test_all_that_is_missing_is_told_at_once(show):
    (show / "note.txt").write_text("no picture")
    write_image(show / "a.png", np.zeros((8, 8, 3), np.uint8))
    (show / "board.yaml").write_text(BAD)

    with pytest.raises(StoryboardError) as caught:
        check_file(show / "board.yaml")

    told = [line.strip().partition("board.yaml:")[2] for line in str(caught.value).splitlines()]
    for line, words in (
        (3, "nowhere: none of transformer, "),
        (3, "engine.revision: got abc, expected none"),
        (4, "cast.tom.preset: nobody: no such character, expected one of ltx, mira, tomas"),
        (4, "made for backbone ltx_video_2b, got toon"),
        (8, "no.png: no such file"),
        (9, "note.txt: "),
        (10, "SEQ010/SH0030.extend_of: shots wait for each other in a circle"),
        (10, "SEQ010/SH0030.steps: unknown key"),
    ):
        assert [x for x in told if x.startswith(f"{line}: ") and words in x], (words, told)
    assert caught.value.exit_code == 2


def test_toon_ends_with_no_given_picture(show):
    write_image(show / "a.png", np.zeros((8, 8, 3), np.uint8))
    text = BAD.splitlines()[:2] + BAD.splitlines()[4:7] + BAD.splitlines()[-1:]
    (show / "board.yaml").write_text("\n".join(text))
    with pytest.raises(StoryboardError, match="toon cannot end with a given picture"):
        check_file(show / "board.yaml")


def test_an_unknown_backbone_is_told_with_the_nearest(show):
    text = BAD.splitlines()
    text[2] = "engine: {base: tonn}"
    (show / "board.yaml").write_text("\n".join(text))
    with pytest.raises(StoryboardError, match=r":3: engine.base: tonn: .*did you mean 'toon'"):
        check_file(show / "board.yaml")


def test_characters_and_pictures_are_found_from_the_board(cast, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "show"
    shutil.copytree(cast / "mira", folder / "faces" / "mira")
    write_image(folder / "refs" / "a.png", np.zeros((8, 8, 3), np.uint8))
    (folder / "board.yaml").write_text(
        "schema: facekit.storyboard/1\nproject: {id: x}\ncast: {mira: {preset: faces/mira}}\n"
        "sequences: [{id: A, shots: [{id: B, frames: 9, action: '@mira nodding',"
        " first_frame: {image: refs/a.png}}]}]\n"
    )
    (shot,) = plan_board(folder / "board.yaml", device="cpu").shots
    assert shot.characters[0].file == folder / "faces" / "mira" / characters.ADAPTER_FILE
    assert shot.first_frame.image == folder / "refs" / "a.png"
    assert shot.prompt == "mira, nodding"


def test_what_is_better_known_is_told(show):
    path = show / "board.yaml"
    path.write_text(
        "schema: facekit.storyboard/1\nproject: {id: x}\ndeliver: {fps: 24, retime: conform}\n"
        "cast: {mira: {preset: mira}}\nlabels: {c2pa: required}\n"
        "sequences: [{id: A, shots: [{id: B, frames: 9, place: cathedral}]}]\n"
    )
    warnings = "\n".join(plan_board(path, device="cpu").warnings)
    assert "in no shot: mira" in warnings
    assert "motion plays 3 times as fast" in warnings
    assert "labels: kept with the plan; this version does not act on them" in warnings
    assert "toon does not know 'cathedral'" in warnings


def test_a_backbone_that_is_not_here_is_planned_all_the_same(show):
    path = show / "board.yaml"
    path.write_text(
        "schema: facekit.storyboard/1\nproject: {id: x}\nengine: {base: wan2_1_t2v_1_3b}\n"
        "deliver: {aspects: [16:9]}\n"
        "sequences: [{id: A, shots: [{id: B, seconds: 4, place: Lisbon},"
        " {id: C, seconds: 10, extend_of: B}]}]\n"
    )
    made = plan_board(path, device="cpu")
    assert [shot.frames.rate for shot in made.shots] == [16, 16]
    assert made.shots[0].frames.chunks == (73,)
    assert made.shots[1].frames.chunks == (81, 81, 9)
    assert any("is not on this machine" in warning for warning in made.warnings)


def test_measuring_draws_every_size_once(show):
    path = show / "board.yaml"
    path.write_text(
        "schema: facekit.storyboard/1\nproject: {id: x}\nengine: {base: tiny}\n"
        "deliver: {handles: 0}\n"
        "sequences: [{id: A, shots: [{id: B, frames: 5, place: park, takes: 2},"
        " {id: C, frames: 1, place: park}]}]\n"
    )
    made = plan_board(path, device="cpu", measure=True)
    assert sorted(rate.num_frames for rate in made.rates) == [1, 5]
    assert made.cost.seconds > 0
    assert made.cost.basis == "measured on cpu"


def test_no_such_device_is_refused(show):
    path = new_board(show / "board.yaml").path
    with pytest.raises(UsageError, match="device"):
        plan_board(path, device="tpu")


def test_nothing_is_found_on_a_board_that_was_not_understood(tmp_path):
    path = tmp_path / "board.yaml"
    path.write_text("- 1\n")
    assert find_facts(board_plan.parse_storyboard(path)).backbone is None


def test_what_a_render_would_refuse_is_told_of_the_plan():
    pins = "first_frame: {image: a.png}, last_frame: {image: b.png}"
    entries = (f"id: SH0010, frames: 9, place: a, {pins}", "id: SH0020, frames: 9, place: b")
    made = plans(shots(*entries))
    ((why, step),) = undrawn(tuple(made.values()), get_spec("toon"))
    assert why.startswith("SEQ010_SH0010: last_frame is pinned")
    assert step == "leave it away"
    ((why, step),) = undrawn((), get_spec("wan2_1_i2v_14b"))
    assert "begins every clip with a picture, expected a backbone that draws from text" in why
    assert step == "choose another engine.base"
