"""Raises each error of the lower layers once and collects what it says."""

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from facekit.errors import FacekitError
from facekit.media.files import atomic_write, ensure_new, scan_photos
from facekit.media.images import read_image, write_image
from facekit.media.video import read_clip, write_clip
from facekit.recipe import load_recipe
from facekit.types import Clip
from facekit.weights import read_manifest, verify, write_manifest
from facekit.workflows.recipes import copy_recipe


def _refuse_to_write(path: Path, number: int) -> None:
    with atomic_write(path):
        raise OSError(number, "as the system says it")


def _altered(folder: Path) -> None:
    (folder / "a.safetensors").write_bytes(b"x")
    write_manifest(folder, licence="Apache-2.0", commands={})
    (folder / "a.safetensors").write_bytes(b"y")
    verify(folder)


def _cases(tmp: Path) -> dict[str, Callable[[], object]]:
    frames = np.zeros((1, 15, 15, 3), np.uint8)
    for name in ("empty.png", "empty.mp4"):
        (tmp / name).touch()
    (tmp / "note.jpg").write_text("a note")
    (tmp / "mine.toml").write_text("[lora]\nrnak = 3\n[train]\nsteps = -1\n")
    (tmp / "folder").mkdir(exist_ok=True)
    (tmp / "weights").mkdir(exist_ok=True)
    still = PillowImage.new("RGB", (8, 8))
    other = PillowImage.new("RGB", (8, 8), "red")
    still.save(tmp / "moving.gif", save_all=True, append_images=[other])
    write_clip(tmp / "clip.mp4", Clip(frames=np.zeros((1, 16, 16, 3), np.uint8), fps=8))
    return {
        "photo: empty": lambda: read_image(tmp / "empty.png"),
        "photo: missing": lambda: read_image(tmp / "none.png"),
        "photo: folder": lambda: read_image(tmp / "folder"),
        "photo: not a picture": lambda: read_image(tmp / "note.jpg"),
        "photo: animated": lambda: read_image(tmp / "moving.gif"),
        "photo: a video": lambda: read_image(tmp / "clip.mp4"),
        "photo: written as": lambda: write_image(tmp / "a.tga", frames[0]),
        "photos: no such path": lambda: scan_photos([tmp / "none"]),
        "photos: none in the folder": lambda: scan_photos([tmp / "folder"]),
        "clip: missing": lambda: read_clip(tmp / "none.mp4"),
        "clip: empty": lambda: read_clip(tmp / "empty.mp4"),
        "clip: odd size": lambda: write_clip(tmp / "a.mp4", Clip(frames=frames, fps=8)),
        "out: file exists": lambda: ensure_new(tmp / "note.jpg"),
        "out: folder exists": lambda: ensure_new(tmp),
        "out: full disk": lambda: _refuse_to_write(tmp / "a.bin", errno.ENOSPC),
        "out: no permission": lambda: _refuse_to_write(tmp / "a.bin", errno.EACCES),
        "out: otherwise": lambda: _refuse_to_write(tmp / "a.bin", errno.EIO),
        "recipe: mistakes": lambda: load_recipe(tmp / "mine.toml"),
        "recipe: unknown": lambda: load_recipe("toon/trian"),
        "recipe: copied to": lambda: copy_recipe("toon/train", tmp / "mine.txt"),
        "weights: no manifest": lambda: read_manifest(tmp / "folder"),
        "weights: altered": lambda: _altered(tmp / "weights"),
    }


def messages(tmp: Path) -> str:
    """Every message under its case, with the temporary folder left out."""
    said = []
    for name, provoke in _cases(tmp).items():
        try:
            provoke()
        except FacekitError as error:
            text = str(error).replace(f"{tmp}/", "").replace(str(tmp), "FOLDER")
            said.append(f"{name} ({type(error).__name__}, {error.exit_code})\n{text}")
        else:
            raise AssertionError(f"{name}: nothing was raised")
    return "\n\n".join(said) + "\n"
