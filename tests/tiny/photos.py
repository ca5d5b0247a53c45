"""A folder of photos with one of every problem."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PillowImage

from facekit.types import Image
from tests.tiny.faces import BLUE, GREEN, RED, draw_photo

GOOD = tuple(f"good_{index}.png" for index in range(6))


def write(path: Path, image: Image) -> Path:
    PillowImage.fromarray(image).save(path)
    return path


def good_photos(folder: Path, count: int = 6) -> list[Path]:
    """Photos of one character that differ in background, place, size, turn and light."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write(
            folder / GOOD[index],
            draw_photo(
                RED,
                seed=index,
                diameter_px=30 + 5 * index,
                centre=(0.4 + 0.03 * index, 0.5),
                turn=(0.0, -0.5, 0.5, 0.1, -0.2, 0.3)[index],
                light=(1.0, 0.8, 0.9, 0.6, 1.0, 0.7)[index],
            ),
        )
        for index in range(count)
    ]


def bad_photos(folder: Path) -> dict[str, str]:
    """One photo per problem: file name -> the code that it must get."""
    folder.mkdir(parents=True, exist_ok=True)
    good = draw_photo(RED, seed=0, diameter_px=30, centre=(0.4, 0.5))
    two = draw_photo(BLUE, seed=20, size=(96, 176), centre=(0.2, 0.5))
    two = draw_photo(GREEN, size=(96, 176), centre=(0.8, 0.5), canvas=two)
    write(folder / "copy.png", cv2.resize(good, (80, 80), interpolation=cv2.INTER_AREA))
    write(folder / "empty_room.png", draw_photo(None, seed=21))
    write(folder / "two.png", two)
    write(folder / "small.png", draw_photo(RED, seed=22, diameter_px=12))
    write(folder / "blurred.png", cv2.GaussianBlur(draw_photo(RED, seed=23), (0, 0), 3.0))
    write(folder / "dark.png", draw_photo(RED, seed=24, light=0.15))
    write(folder / "stranger.png", draw_photo(BLUE, seed=25))
    (folder / "zero.jpg").write_bytes(b"")
    (folder / "notes.jpg").write_text("not a picture")
    cut = (folder / "two.png").read_bytes()
    (folder / "truncated.png").write_bytes(cut[: len(cut) // 2])
    (folder / "film.mp4").write_bytes(b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 40)
    (folder / "live.mov").write_bytes(b"\0\0\0\x08abcd")
    thumbnail = PillowImage.fromarray(good).resize((160, 120))
    thumbnail.save(folder / "camera.nef", format="TIFF")
    frames = [PillowImage.fromarray(np.full((8, 8, 3), v, np.uint8)) for v in (0, 200)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    return {
        "copy.png": "duplicate",
        "empty_room.png": "no_face",
        "two.png": "several_faces",
        "small.png": "too_small",
        "blurred.png": "blurred",
        "dark.png": "too_dark",
        "stranger.png": "wrong_person",
        "zero.jpg": "unreadable",
        "notes.jpg": "unreadable",
        "truncated.png": "unreadable",
        "film.mp4": "video",
        "phone.heic": "unreadable",
        "live.mov": "video",
        "camera.nef": "unreadable",
        "moving.gif": "unreadable",
    }
