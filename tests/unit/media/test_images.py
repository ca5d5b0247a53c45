import io
import os
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageCms

from facekit.errors import MediaError, UsageError
from facekit.media.images import (
    MAX_SIDE_PX,
    read_image,
    read_picture,
    shrink_to_limit,
    write_image,
)
from facekit.media.video import write_clip
from facekit.types import Clip

RED, GREEN = (200, 40, 30), (20, 160, 60)


def picture(width: int = 40, height: int = 24) -> PillowImage.Image:
    """Left half red, right half green."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = RED, GREEN
    return PillowImage.fromarray(pixels)


def s15(*values: float) -> bytes:
    """Numbers as ICC writes them."""
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def icc(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A colour profile built by hand. Source: ICC.1:2001-04, section 6."""
    text = b"made by a test\0"
    tags = {
        **tags,
        b"wtpt": b"XYZ \0\0\0\0" + s15(0.9642, 1.0, 0.8249),
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78,
        b"cprt": b"text\0\0\0\0none\0",
    }
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    total = struct.pack(">I", start + len(body))
    header = total + b"none" + struct.pack(">I", 0x02400000) + kind + space + connection
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + s15(0.9642, 1.0, 0.8249)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def wide_profile() -> bytes:
    """Primaries wider than sRGB's, about those of Display P3."""
    columns = {
        b"rXYZ": (0.5151, 0.2412, -0.0011),
        b"gXYZ": (0.2920, 0.6922, 0.0419),
        b"bXYZ": (0.1571, 0.0666, 0.7841),
    }
    tags = {name: b"XYZ \0\0\0\0" + s15(*xyz) for name, xyz in columns.items()}
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    return icc(b"mntr", b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def ink_profile() -> bytes:
    """Four inks of which each but the black one is a grey of its own: only a profile knows that."""
    ramp = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + s15(1, 0, 0, 0, 1, 0, 0, 0, 1) + ramp * 4
    for inks in range(16):
        used = inks.bit_count()
        lut += bytes((255 - 60 * used, 128, 128))  # Lab: lightness alone
    return icc(b"prtr", b"CMYK", b"Lab ", {b"A2B0": lut + ramp * 3})


def near(pixel: np.ndarray, colour: tuple[int, int, int], within: int = 6) -> bool:
    return bool(np.all(np.abs(pixel.astype(int) - colour) <= within))


def test_png_round_trip_is_exact(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    write_image(tmp_path / "a.png", image)
    read = read_image(tmp_path / "a.png")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_formats_come_back_close(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, np.array(picture()))
    assert near(read_image(path)[12, 8], RED, 12)


def test_unknown_suffix_is_refused_for_writing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write \.tga; use \.png"):
        write_image(tmp_path / "a.tga", np.array(picture()))


def test_zero_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(MediaError, match=r"a\.png: empty \(0 bytes\); copy it again"):
        read_image(tmp_path / "a.png")


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file; check the spelling"):
        read_image(tmp_path / "a.png")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="a folder, expected a picture"):
        read_image(tmp_path)


def test_not_a_picture(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("This is a note about a picture.")
    with pytest.raises(MediaError, match="not a picture that can be decoded"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.tif"])
@pytest.mark.parametrize("kept", [0.9, 0.5, 0.1])
def test_truncated(tmp_path: Path, name: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    PillowImage.fromarray(noise).save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(MediaError, match=f"{name}: (damaged or cut off|not a picture)"):
        read_image(tmp_path / name)


def test_flipped_byte_in_png_is_noticed(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[-20] ^= 0xFF
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(MediaError, match="damaged or cut off"):
        read_image(tmp_path / "a.png")


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    picture().save(path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(MediaError, match=r"cannot be read \(Permission denied\); check the file's"):
        read_image(path)


def test_cmyk(tmp_path: Path) -> None:
    picture().convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    read = read_image(tmp_path / "a.jpg")
    assert read.shape == (24, 40, 3)
    assert near(read[12, 5], RED, 20)


@pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "RGBA", "PA"])
def test_modes(tmp_path: Path, mode: str) -> None:
    name = "a.tif" if mode == "PA" else "a.png"
    source = picture().convert("P").convert("PA") if mode == "PA" else picture().convert(mode)
    source.save(tmp_path / name)
    read = read_image(tmp_path / name)
    assert (read.shape, read.dtype) == ((24, 40, 3), np.uint8)


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    source = picture().convert("RGBA")
    source.putalpha(PillowImage.new("L", source.size, 0))
    source.save(tmp_path / "a.png")
    assert np.all(read_image(tmp_path / "a.png") == 255)


def test_palette_with_transparent_colour(tmp_path: Path) -> None:
    source = picture().quantize(2)
    source.save(tmp_path / "a.png", transparency=source.getpixel((0, 0)))
    read = read_image(tmp_path / "a.png")
    assert near(read[0, 0], (255, 255, 255))
    assert near(read[0, -1], GREEN)


def test_16_bit_grey_keeps_its_brightness_even_when_dark(tmp_path: Path) -> None:
    dark = np.full((8, 8), 200, np.uint16)  # would be bright, if read as 8-bit
    PillowImage.fromarray(dark).save(tmp_path / "a.png")
    assert np.all(read_image(tmp_path / "a.png") == 0)
    PillowImage.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "b.png")
    assert np.all(read_image(tmp_path / "b.png") == 40_000 >> 8)


def _png16(path: Path, value: int) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    row = b"\0" + struct.pack(">3H", value, value, value) * 8
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * 8))
        + chunk(b"IEND", b"")
    )


def test_16_bit_colour(tmp_path: Path) -> None:
    _png16(tmp_path / "a.png", 40_000)
    assert np.all(read_image(tmp_path / "a.png") == 40_000 >> 8)


def test_32_bit_and_float_are_refused(tmp_path: Path) -> None:
    PillowImage.fromarray(np.full((8, 8), 0.5, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(MediaError, match="floating-point pixels; save it as 8-bit"):
        read_image(tmp_path / "a.tif")
    PillowImage.fromarray(np.full((8, 8), 1 << 20, np.int32)).save(tmp_path / "b.tif")
    with pytest.raises(MediaError, match="32-bit pixels; save it as 8-bit"):
        read_image(tmp_path / "b.tif")


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_animated(tmp_path: Path, name: str) -> None:
    what = "page" if name == "a.tif" else "frame"
    other = PillowImage.new("RGB", (40, 24), (0, 0, 255))
    picture().save(tmp_path / name, save_all=True, append_images=[other, picture()])
    with pytest.raises(MediaError, match=f"3 {what}s, expected a still photo; save one {what}"):
        read_image(tmp_path / name)


def test_phone_jpeg_with_a_second_picture_is_a_photo(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[picture()])
    assert read_image(tmp_path / "a.jpg").shape == (24, 40, 3)


@pytest.mark.parametrize(
    ("orientation", "undo"),
    [
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, 1)),
        (7, lambda a: a[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda a: np.rot90(a, -1)),
    ],
)
def test_exif_rotated(
    tmp_path: Path, orientation: int, undo: Callable[[np.ndarray], np.ndarray]
) -> None:
    upright = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(undo(upright))
    PillowImage.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), upright)


def test_16_bit_grey_keeps_its_orientation(tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    PillowImage.fromarray(np.zeros((8, 12), np.uint16)).save(tmp_path / "a.png", exif=exif)
    assert read_image(tmp_path / "a.png").shape == (12, 8, 3)


def test_srgb_profile_leaves_the_pixels_alone(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture().save(tmp_path / "srgb.png", icc_profile=profile)
    np.testing.assert_array_equal(read_image(tmp_path / "srgb.png"), np.array(picture()))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_broken_profile_is_passed_over_and_told(tmp_path: Path, mode: str) -> None:
    source = picture().convert(mode)
    source.save(tmp_path / "a.png", icc_profile=b"not a profile")
    read = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(read.image, np.array(source.convert("RGB")))
    (remark,) = read.remarks
    assert "colour profile is damaged" in remark
    assert "taken as sRGB; save it" in remark


def test_a_profile_of_another_kind_of_picture_is_told(tmp_path: Path) -> None:
    picture().convert("L").save(tmp_path / "a.png", icc_profile=wide_profile())
    assert "of another kind of picture" in read_picture(tmp_path / "a.png").remarks[0]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_wide_profile_is_converted_whatever_the_mode(tmp_path: Path, mode: str) -> None:
    """RGBA and palettes once kept their numbers, and so lost their colours."""
    source = picture().convert(mode)
    source.save(tmp_path / "a.png", icc_profile=wide_profile())
    read = read_picture(tmp_path / "a.png")
    assert read.remarks == ()
    red, _, blue = (int(value) for value in read.image[12, 8])
    assert red > RED[0] + 10, "the same numbers are a stronger red in wider primaries"
    assert blue < RED[2] + 1


def test_cmyk_is_converted_by_its_profile(tmp_path: Path) -> None:
    inks = PillowImage.new("CMYK", (24, 24), (255, 0, 0, 0))
    inks.save(tmp_path / "plain.tif")
    inks.save(tmp_path / "profiled.tif", icc_profile=ink_profile())
    cyan = read_image(tmp_path / "plain.tif")[12, 12]
    assert int(cyan[2]) - int(cyan[0]) > 100
    read = read_picture(tmp_path / "profiled.tif")
    assert read.remarks == ()
    assert np.ptp(read.image[12, 12].astype(int)) <= 3
    assert 160 < read.image[12, 12, 0] < 220


def test_grey_with_alpha_and_a_profile(tmp_path: Path) -> None:
    source = PillowImage.new("LA", (8, 8), (90, 0))
    source.putpixel((0, 0), (90, 255))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source.save(tmp_path / "a.png", icc_profile=srgb)
    read = read_picture(tmp_path / "a.png")
    assert read.remarks == ()
    assert read.image[0, 0].tolist() == [90] * 3
    assert read.image[4, 4].tolist() == [255] * 3


def test_16_bit_colour_tiff(tmp_path: Path) -> None:
    pixels = np.empty((24, 40, 3), np.uint16)
    pixels[:, :20], pixels[:, 20:] = np.array(RED) * 257, np.array(GREEN) * 257
    cv2.imwrite(str(tmp_path / "a.tif"), pixels[..., ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), np.array(picture()))


def test_originals_are_left_alone(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png", icc_profile=wide_profile())
    before = (tmp_path / "a.png").read_bytes()
    read_image(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(("height", "width"), [(3000, 20), (20, 3000)])
def test_shrinking_is_what_reading_does(tmp_path: Path, height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    PillowImage.fromarray(image).save(tmp_path / "a.png")
    small = shrink_to_limit(image)
    assert max(small.shape) == MAX_SIDE_PX
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), small)
    assert shrink_to_limit(small) is small


@pytest.mark.parametrize("name", ["a.jpg", pytest.param("a.png", marks=pytest.mark.slow)])
def test_100_megapixels_are_read_small(tmp_path: Path, name: str) -> None:
    PillowImage.new("RGB", (10_000, 10_000), RED).save(tmp_path / name, compress_level=1)
    read = read_image(tmp_path / name)
    assert read.shape == (MAX_SIDE_PX, MAX_SIDE_PX, 3)
    assert near(read[7, 7], RED)


@pytest.mark.parametrize("side", [11_000, 60_000])
def test_larger_than_that_is_refused_before_decoding(tmp_path: Path, side: int) -> None:
    header = io.BytesIO()
    PillowImage.new("1", (8, 8)).save(header, "PNG")
    content = bytearray(header.getvalue())
    content[16:24] = struct.pack(">II", side, side)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(MediaError, match="expected at most 120 megapixels; make it smaller"):
        read_image(tmp_path / "a.png")


def test_video_instead_of_a_photo_whatever_its_name(tmp_path: Path) -> None:
    clip = Clip(frames=np.zeros((2, 16, 16, 3), np.uint8), fps=8)
    write_clip(tmp_path / "a.mp4", clip)
    (tmp_path / "a.mp4").rename(tmp_path / "a.jpg")
    with pytest.raises(MediaError, match="a video, expected a photo; save single frames as PNG"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("name", ["a.heic", "a.jpg"])
def test_heic_without_its_library_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / name).write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 40)
    with pytest.raises(
        MediaError, match=r"extra heic .* pip install 'facekit\[heic\]', or convert"
    ):
        read_image(tmp_path / name)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_heic_is_read_with_the_extra(tmp_path: Path, mode: str) -> None:
    heif = pytest.importorskip("pillow_heif", reason="needs the extra heic")
    heif.register_heif_opener()
    picture(64, 48).convert(mode).save(tmp_path / "a.heic", quality=95)
    read = read_image(tmp_path / "a.heic")
    assert read.shape == (48, 64, 3)
    assert near(read[24, 16], RED, 12)
    assert near(read[24, 56], GREEN, 12)
    content = (tmp_path / "a.heic").read_bytes()
    (tmp_path / "a.heic").write_bytes(content[: len(content) // 2])
    with pytest.raises(MediaError, match=r"a\.heic: (damaged or cut off|not a picture)"):
        read_image(tmp_path / "a.heic")


def test_avif_under_the_general_name_is_not_taken_for_heic(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    picture(64, 48).save(tmp_path / "a.avif")
    content = (tmp_path / "a.avif").read_bytes()
    assert b"mif1" in content[16:32]
    (tmp_path / "a.avif").write_bytes(content[:8] + b"mif1" + content[12:])
    assert read_image(tmp_path / "a.avif").shape == (48, 64, 3)


def test_avif_is_read(tmp_path: Path) -> None:
    PillowImage.new("RGB", (16, 12), (200, 30, 30)).save(tmp_path / "a.avif")
    pixels = read_image(tmp_path / "a.avif")
    assert pixels.shape == (12, 16, 3)
    assert abs(int(pixels[..., 0].mean()) - 200) < 8


def test_a_raw_file_is_not_taken_for_its_thumbnail(tmp_path: Path) -> None:
    PillowImage.new("RGB", (16, 12)).save(tmp_path / "a.dng", format="TIFF")
    with pytest.raises(MediaError, match="raw file, which is not read; convert it to JPEG or PNG"):
        read_image(tmp_path / "a.dng")
