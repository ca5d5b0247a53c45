import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facekit.errors import OutputError, OutputExists, PackageMissing, UsageError
from facekit.media.delivery import plan_delivery
from facekit.media.sequences import (
    check_exr,
    frame_file,
    to_linear,
    write_exr_sequence,
    write_png_sequence,
)
from facekit.types import Clip
from tests.tiny.bt709 import smooth_clip


def test_png_frames_are_exact_numbered_and_tagged(tmp_path: Path) -> None:
    clip = smooth_clip(2)
    delivery = plan_delivery(clip, fps=16, start_frame=993)
    files = write_png_sequence(tmp_path / "png", clip, delivery, name="SH0010")
    assert [path.name for path in files] == [f"SH0010.0{number}.png" for number in range(993, 997)]
    assert sorted((tmp_path / "png").iterdir()) == list(files)
    for path, index in zip(files, delivery.indices, strict=True):
        with PillowImage.open(path) as picture:
            assert (np.asarray(picture) == clip.frames[index]).all()
            assert "srgb" in picture.info


def test_frames_grow_to_the_delivery(tmp_path: Path) -> None:
    clip = smooth_clip(1)
    files = write_png_sequence(tmp_path, clip, plan_delivery(clip, size=(352, 192)), name="a")
    with PillowImage.open(files[0]) as picture:
        assert picture.size == (352, 192)


def test_a_folder_with_something_in_it_is_kept(tmp_path: Path) -> None:
    clip = smooth_clip(1)
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(OutputExists, match="not empty"):
        write_png_sequence(tmp_path, clip, plan_delivery(clip), name="a")
    assert (tmp_path / "a.txt").read_text() == "mine"
    write_png_sequence(tmp_path, clip, plan_delivery(clip), name="a", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.1001.png"]


def test_a_sequence_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of half a sequence looks finished."""
    clip, save, calls = smooth_clip(3), PillowImage.Image.save, []

    def fills(self: PillowImage.Image, *given: object, **named: object) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        save(self, *given, **named)

    monkeypatch.setattr(PillowImage.Image, "save", fills)
    with pytest.raises(OutputError, match="no space left"):
        write_png_sequence(tmp_path / "png", clip, plan_delivery(clip), name="a")
    assert not list(tmp_path.iterdir())


def test_linear_light_follows_the_curve_of_srgb() -> None:
    values = np.array([0.0, 0.04045, 0.5, 1.0], np.float32)
    assert to_linear(values) == pytest.approx([0.0, 0.0031308, 0.2140411, 1.0], abs=1e-6)


def test_numbers_have_four_digits_or_more() -> None:
    assert frame_file("a", 7, ".exr") == "a.0007.exr"
    assert frame_file("a", 12_345, ".exr") == "a.12345.exr"


def test_exr_without_its_package_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    clip = smooth_clip(1)
    with pytest.raises(PackageMissing, match=r"extra exr .* pip install 'facekit\[exr\]'"):
        check_exr()
    with pytest.raises(PackageMissing, match="extra exr"):
        write_exr_sequence(tmp_path / "exr", clip, plan_delivery(clip), name="a")
    with pytest.raises(UsageError, match="color 'aces', expected linear or display"):
        write_exr_sequence(tmp_path / "exr", clip, plan_delivery(clip), name="a", color="aces")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("color", ["linear", "display"])
def test_exr_frames_hold_every_value_and_say_their_colours(tmp_path: Path, color: str) -> None:
    exr = pytest.importorskip("OpenEXR", reason="needs the extra exr")
    clip = smooth_clip(2)
    delivery = plan_delivery(clip, fps=29.97, how="conform", timecode="01:00:59;29")
    files = write_exr_sequence(tmp_path, clip, delivery, name="SH0010", color=color)
    assert [path.name for path in files] == ["SH0010.1001.exr", "SH0010.1002.exr"]
    read = exr.File(str(files[1]))
    header, pixels = read.header(), read.channels()["RGB"].pixels
    name = {"linear": "lin_rec709_scene", "display": "srgb_rec709_display"}[color]
    assert header["colorInteropID"] == name
    assert header["chromaticities"] == pytest.approx(
        (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
    )
    assert header["framesPerSecond"] == Fraction(30_000, 1001)
    assert header["compression"] == exr.ZIP_COMPRESSION
    code = header["timeCode"]
    assert (code.hours, code.minutes, code.seconds, code.frame) == (1, 1, 0, 2)
    assert code.dropFrame
    assert pixels.dtype == np.float16
    wanted = clip.frames[1] / np.float32(255)
    wanted = to_linear(wanted) if color == "linear" else wanted
    assert np.abs(pixels - wanted).max() <= 2**-12
    if color == "display":  # half floats hold all of eight bits
        assert (np.round(pixels.astype(np.float32) * 255) == clip.frames[1]).all()


def test_exr_frames_that_grow_keep_white_white(tmp_path: Path) -> None:
    """FFmpeg's 16 bits of an 8-bit white are not 65535."""
    exr = pytest.importorskip("OpenEXR", reason="needs the extra exr")
    frames = np.zeros((1, 16, 32, 3), np.uint8)
    frames[:, :, 16:] = 255
    frames[:, :, :16] = (200, 40, 30)
    clip = Clip(frames=frames, fps=8)
    delivery = plan_delivery(clip, size=(64, 48))
    (path,) = write_exr_sequence(tmp_path, clip, delivery, name="a", color="display")
    pixels = exr.File(str(path)).channels()["RGB"].pixels.astype(np.float32)
    assert pixels.shape == (48, 64, 3)
    assert (pixels[:8] == 0).all()
    assert pixels.max() <= 1
    assert np.abs(pixels[24, 48] - 1).max() < 1e-3
    assert np.abs(255 * pixels[24, 12] - (200, 40, 30)).max() < 0.3
