"""What an editor gets of a shot, read back from the files."""

import json
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from facekit.errors import UsageError
from facekit.generation.storyboard_parts import Deliver
from facekit.generation.units import Decision, TakeRecord, take_name
from facekit.media.facts import read_facts
from facekit.media.images import read_image
from facekit.media.video import read_clip
from facekit.provenance.credentials import read_credentials
from facekit.types import Clip, Shot
from facekit.workflows.credentials import trusted_roots
from facekit.workflows.render_jobs import TAKES_DIR
from facekit.workflows.render_media import (
    CONTACT_DIR,
    check_media,
    shot_delivery,
    write_contact,
    write_media,
)
from facekit.workflows.render_state import ShotState, delivery_digest
from facekit.workflows.takes import write_take
from tests.tiny.boards import plans, shots

ENTRY = "id: SH0010, frames: 12, place: park"


def planned(deliver):
    deliver = {"aspects": ["16:9"], "fps": 24, **deliver}
    (shot,) = plans(shots(ENTRY, more=f"deliver: {json.dumps(deliver)}")).values()
    return shot, Deliver(**deliver)


@pytest.fixture(scope="module")
def take():
    frames = np.zeros((9, 96, 176, 3), np.uint8)
    frames += (20 * np.arange(9, dtype=np.uint8))[:, None, None, None]
    return Clip(frames=frames, fps=8.0)


def test_all_files_have_the_cut_its_handles_and_numbers_that_agree(take, tmp_path):
    asked = {"handles": 3, "size": [192, 108], "frames": "png", "burn_in": True}
    shot, deliver = planned(asked)
    written = write_media(tmp_path, shot, take, deliver)
    assert "frames are shown 3 times" in str(written["described"])
    assert "with bars to 192x108" in str(written["described"])
    movies = {kind: read_facts(tmp_path / str(written[kind])) for kind in ("mezzanine", "review")}
    for facts in movies.values():
        assert (facts.num_frames, facts.rate) == (18, Fraction(24))
        assert (facts.width, facts.height) == (192, 108)
        # 1001 - 3 frames after midnight: what the timeline calls the first frame of the file
        assert facts.timecode == "00:00:41:14"
        assert facts.color_space == "bt709"
    assert (movies["mezzanine"].tag, movies["review"].codec) == ("apch", "h264")
    numbers = sorted(path.name.split(".")[1] for path in (tmp_path / "png").iterdir())
    assert (len(numbers), numbers[0], numbers[-1]) == (18, "0998", "1015")
    first = np.asarray(Image.open(tmp_path / str(written["frames"])))
    assert (first.shape, first.max()) == ((108, 192, 3), 0)
    shown = read_clip(tmp_path / str(written["review"])).frames
    assert shown[0, -8:].max() > 100, "name and number are burnt in"
    plain = read_clip(tmp_path / str(written["mezzanine"])).frames
    levels = plain[:, 40, 96, 0].astype(int)
    assert np.abs(levels - [20 * (index // 3) for index in range(18)]).max() <= 3
    again = write_media(tmp_path, shot, take, deliver)  # what a kill has left is replaced
    assert again == written


def test_only_what_is_asked_for_is_written_and_crop_fills_the_picture(take, tmp_path):
    shot, deliver = planned({"mezzanine": "none", "size": [192, 108], "fit": "crop", "handles": 0})
    written = write_media(tmp_path, shot, take, deliver)
    assert [path.name for path in tmp_path.iterdir()] == [written["review"]]
    assert "cut to 192x108" in str(written["described"])
    assert read_clip(tmp_path / str(written["review"])).frames[11].min() > 50


def test_a_rate_without_timecode_has_files_without_one(tmp_path):
    shot, deliver = planned({"fps": 12.5, "handles": 0})
    delivery = shot_delivery(shot, deliver)
    assert (delivery.timecode, delivery.rate) == (None, Fraction(25, 2))


def test_frames_as_exr(take, tmp_path):
    pytest.importorskip("OpenEXR", reason="the extra exr is not installed")
    shot, deliver = planned({"frames": "exr", "handles": 0, "review": "none"})
    written = write_media(tmp_path, shot, take, deliver)
    assert written["frames"] == f"exr/{shot.name}_{tmp_path.name}.1001.exr"
    assert len(list((tmp_path / "exr").iterdir())) == 12


def test_a_contact_sheet_says_what_its_takes_say(take, tmp_path, monkeypatch):
    monkeypatch.delenv("FACEKIT_CREDENTIALS")
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "keys"))
    shot, _ = planned({})
    takes = tuple(
        TakeRecord(number=number, fingerprint="f" * 64, verdict="pass", score=0.5)
        for number in (1, 2)
    )
    state = ShotState(shot=shot, version=tmp_path, takes=takes, decision=Decision(chosen=takes[0]))
    for one, name in zip(takes, ("mira", "tom"), strict=True):
        asked = Shot(
            name=take_name(one.number), prompt="", seed=1, num_frames=9, height=96, width=176,
            kind="",
        )  # fmt: skip
        record = {"character": name, "backbone": "toon", "fingerprint": one.fingerprint}
        write_take(tmp_path / TAKES_DIR, asked, take, record)

    write_contact(state, tmp_path)

    found = read_credentials(tmp_path / CONTACT_DIR / f"{shot.name}.webp", trusted_roots())
    assert found.state == "trusted"
    assert [one.name for one in found.facts.shown] == ["mira", "tom"]
    assert [one.title for one in found.ingredients] == ["t01.mp4", "t02.mp4"]
    monkeypatch.setenv("FACEKIT_CREDENTIALS", "none")
    write_contact(state, tmp_path)
    plain = tmp_path / CONTACT_DIR / f"{shot.name}.webp"
    assert read_credentials(plain).state == "none"
    assert [path.name for path in plain.parent.iterdir()] == [plain.name]


def test_a_label_of_the_show_is_in_delivered_movies_and_makes_another_delivery(
    take, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shot, deliver = planned({"handles": 0, "size": [192, 108], "frames": "png"})
    board = SimpleNamespace(board=SimpleNamespace(deliver=deliver))
    before = delivery_digest(board, shot, "f" * 64)
    plain = write_media(tmp_path / "plain", shot, take, deliver)
    (tmp_path / "facekit.toml").write_text('[provenance]\nlabel = "eu"\n')
    check_media(deliver)
    assert delivery_digest(board, shot, "f" * 64) != before
    told = write_media(tmp_path / "told", shot, take, deliver)
    assert {**told, "described": ""}.keys() == plain.keys()
    for kind in ("mezzanine", "review", "frames"):
        first, last = (
            read_clip(tmp_path / name / str(files[kind])).frames[-1]
            if kind != "frames"
            else read_image(tmp_path / name / str(files[kind]))
            for name, files in (("plain", plain), ("told", told))
        )
        change = np.abs(first.astype(int) - last)
        assert (change[:30, 150:].max() > 60) == (kind != "frames"), kind
        assert change[40:].max() <= 8
    (tmp_path / "facekit.toml").write_text('[provenance]\nlabel = "cn"\n')
    with pytest.raises(UsageError, match=r"has no 生 成"):
        check_media(deliver)
    (tmp_path / "facekit.toml").write_text('[provenance]\nlabel_text = "AI"\n')
    with pytest.raises(UsageError, match="label_text and label_font need label"):
        check_media(deliver)
