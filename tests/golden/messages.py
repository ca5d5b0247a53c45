"""Raises the errors that people are likely to meet once and collects what they say."""

import contextlib
import errno
import os
import re
import sys
import unittest.mock
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from torch import nn

from facekit.adapters.attach import attach
from facekit.adapters.character import load_character
from facekit.adapters.made_for import check_backbone, check_encoder
from facekit.backbones.wan import TOON
from facekit.curation.inspecting import build_photo_set
from facekit.errors import FacekitError
from facekit.faces.vendors import load_faces
from facekit.identity.gallery import build_gallery
from facekit.media.archives import list_members
from facekit.media.files import atomic_write, ensure_new
from facekit.media.frames import read_frame, sample_frames
from facekit.media.images import read_image, write_image
from facekit.media.scan import scan_sources
from facekit.media.unpack import scan_photos
from facekit.media.video import read_clip, write_clip
from facekit.recipe import PhotosSection, load_recipe
from facekit.resources import recipes_dir
from facekit.toon.fitting import load_average, seed_checkpoint
from facekit.types import Clip
from facekit.weights import (
    WEIGHTS_VARIABLE,
    add_weights,
    catalogue_entry,
    locate,
    read_manifest,
    verify,
    write_manifest,
)
from facekit.workflows.build_toon import plan_build_toon
from facekit.workflows.characters import evaluation_recipe
from facekit.workflows.evaluate import plan_evaluate
from facekit.workflows.recipes import copy_recipe
from facekit.workflows.shoot import plan_shoot
from facekit.workflows.train import plan_train
from tests.golden.board_messages import board_cases
from tests.golden.lora_messages import lora_cases
from tests.golden.preset_messages import preset_cases
from tests.tiny.backbones import tiny_adapter, tiny_character, tiny_pipe
from tests.tiny.faces import BLUE, RED, DiscFaces, draw_photo


def _refuse_to_write(path: Path, number: int) -> None:
    with atomic_write(path):
        raise OSError(number, "as the system says it")


def _without_heif(path: Path) -> None:
    """Read a photo as where the extra `heic` is not installed."""
    with unittest.mock.patch.dict(sys.modules, {"pillow_heif": None}):
        read_image(path)


def _altered(folder: Path) -> None:
    (folder / "a.safetensors").write_bytes(b"x")
    write_manifest(folder, licence="Apache-2.0", commands={})
    (folder / "a.safetensors").write_bytes(b"y")
    verify(folder)


@contextlib.contextmanager
def _store_at(folder: Path) -> Iterator[None]:
    before = os.environ.get(WEIGHTS_VARIABLE)
    os.environ[WEIGHTS_VARIABLE] = str(folder)
    try:
        yield
    finally:
        del os.environ[WEIGHTS_VARIABLE]
        if before is not None:
            os.environ[WEIGHTS_VARIABLE] = before


Cases = dict[str, Callable[[], object]]


def _cases(tmp: Path) -> Cases:
    return {
        **_file_cases(tmp),
        **_recipe_cases(tmp),
        **_train_cases(tmp),
        **_character_cases(tmp),
        **_lab_cases(tmp),
        **_weights_cases(tmp),
        **lora_cases(tmp),
        **board_cases(tmp),
        **preset_cases(tmp),
    }


def _file_cases(tmp: Path) -> Cases:
    frames = np.zeros((1, 15, 15, 3), np.uint8)
    for name in ("empty.png", "empty.mp4"):
        (tmp / name).touch()
    (tmp / "note.jpg").write_text("a note")
    for name in ("phone.heic", "camera.nef"):
        (tmp / name).write_bytes(b"something")
    (tmp / "folder").mkdir(exist_ok=True)
    (tmp / "weights").mkdir(exist_ok=True)
    still = PillowImage.new("RGB", (8, 8))
    other = PillowImage.new("RGB", (8, 8), "red")
    still.save(tmp / "moving.gif", save_all=True, append_images=[other])
    write_clip(tmp / "clip.mp4", Clip(frames=np.zeros((1, 16, 16, 3), np.uint8), fps=8))
    (tmp / "clips").mkdir(exist_ok=True)
    (tmp / "clips" / "a.mp4").touch()
    (tmp / "more.rar").touch()
    return {
        "photo: empty": lambda: read_image(tmp / "empty.png"),
        "photo: missing": lambda: read_image(tmp / "none.png"),
        "photo: folder": lambda: read_image(tmp / "folder"),
        "photo: not a picture": lambda: read_image(tmp / "note.jpg"),
        "photo: animated": lambda: read_image(tmp / "moving.gif"),
        "photo: a video": lambda: read_image(tmp / "clip.mp4"),
        "photo: HEIC": lambda: _without_heif(tmp / "phone.heic"),
        "photo: raw": lambda: read_image(tmp / "camera.nef"),
        "photo: written as": lambda: write_image(tmp / "a.tga", frames[0]),
        "photos: no such path": lambda: scan_sources([tmp / "none"]),
        "photos: none in the folder": lambda: scan_sources([tmp / "folder"]),
        "photos: no match": lambda: scan_sources([tmp / "*.xyz"]),
        "photos: only others": lambda: scan_photos([tmp / "clips"]),
        "photos: an archive of another kind": lambda: scan_photos([tmp / "more.rar"]),
        "archive: no zip": lambda: list_members(tmp / "note.jpg"),
        "clip: no such frame": lambda: read_frame(tmp / "clip.mp4", 100),
        "clip: damaged": lambda: list(sample_frames(tmp / "note.jpg")),
        "clip: missing": lambda: read_clip(tmp / "none.mp4"),
        "clip: empty": lambda: read_clip(tmp / "empty.mp4"),
        "clip: odd size": lambda: write_clip(tmp / "a.mp4", Clip(frames=frames, fps=8)),
        "out: file exists": lambda: ensure_new(tmp / "note.jpg"),
        "out: folder exists": lambda: ensure_new(tmp),
        "out: full disk": lambda: _refuse_to_write(tmp / "a.bin", errno.ENOSPC),
        "out: no permission": lambda: _refuse_to_write(tmp / "a.bin", errno.EACCES),
        "out: otherwise": lambda: _refuse_to_write(tmp / "a.bin", errno.EIO),
        "weights: no manifest": lambda: read_manifest(tmp / "folder"),
        "weights: altered": lambda: _altered(tmp / "weights"),
    }


def _recipe_cases(tmp: Path) -> Cases:
    texts = {
        "mine": "[lora]\nrnak = 3\n[train]\nsteps = -1\n",
        "broken": "[lora\nrank = 3\n",
        "list": "extends = [1]\n",
        "far": 'extends = "near.toml"\n',
        "near": 'extends = "toon/train"\n',
    }
    for name, text in texts.items():
        (tmp / f"{name}.toml").write_text(text)
    return {
        "recipe: mistakes": lambda: load_recipe(tmp / "mine.toml"),
        "recipe: unknown": lambda: load_recipe("toon/trian"),
        "recipe: copied to": lambda: copy_recipe("toon/train", tmp / "mine.txt"),
        "recipe: not TOML": lambda: load_recipe(tmp / "broken.toml"),
        "recipe: extends no name": lambda: load_recipe(tmp / "list.toml"),
        "recipe: extends too far": lambda: load_recipe(tmp / "far.toml"),
        "recipe: --set without a value": lambda: load_recipe(overrides=["lora.rank"]),
        "recipe: one encoder for both": lambda: load_recipe(overrides=["encoder.report=toon-a"]),
    }


def _train_cases(tmp: Path) -> Cases:
    for name in ("other", "full"):
        (tmp / name / "mira").mkdir(parents=True, exist_ok=True)
    (tmp / "other" / "mira" / "recipe.toml").write_text("# of another run")
    (tmp / "full" / "mira" / "thesis.txt").touch()
    write_image(tmp / "photos" / "1.png", draw_photo(RED))
    both = draw_photo(RED, size=(96, 176), centre=(0.8, 0.5), diameter_px=40)
    both = draw_photo(BLUE, size=(96, 176), centre=(0.2, 0.5), diameter_px=40, canvas=both)

    def train(name: str = "mira", **options: object) -> object:
        photos, recipe = [tmp / "photos"], options.pop("recipe", load_recipe())
        return plan_train(photos, name=name, recipe=recipe, **options)  # type: ignore[arg-type]

    def refused() -> object:
        files = [tmp / "photos" / "1.png", tmp / "camera.nef"]
        return build_photo_set(scan_sources(files), PhotosSection(), DiscFaces())

    return {
        "train: name": lambda: train("mira smith"),
        "train: trigger": lambda: train(trigger=" "),
        "train: backbone": lambda: train(recipe=load_recipe(overrides=["base.name=tune"])),
        "train: frames": lambda: train(recipe=load_recipe(overrides=["train.num_frames=2"])),
        "train: encoder": lambda: train(recipe=load_recipe(overrides=["encoder.train=toon-c"])),
        "train: another recipe is there": lambda: train(out=tmp / "other"),
        "train: something else is there": lambda: train(out=tmp / "full"),
        "train: photos refused": refused,
        "faces: none": lambda: build_gallery([both * 0], ["a.png"], DiscFaces()),
        "faces: two people": lambda: build_gallery([both], ["a.png"], DiscFaces()),
        "faces: encoder": lambda: load_faces("toon-c"),
    }


def _character_cases(tmp: Path) -> Cases:
    pipe = tiny_pipe()
    made = tiny_character(pipe)
    made.save(tmp / "mira.safetensors")
    mira = str(tmp / "mira.safetensors")
    (tmp / "taken").mkdir(exist_ok=True)
    for suffix in ("mp4", "json"):
        (tmp / "taken" / f"01-a-park-s0.{suffix}").touch()
    attach(tiny_adapter(pipe.transformer, TOON), pipe.transformer, TOON)

    def shoot(prompt: str = "a park", **options: object) -> object:
        return plan_shoot([prompt], character=mira, **options)  # type: ignore[arg-type]

    def evaluate(clips: str, *settings: str) -> object:
        recipe = evaluation_recipe(mira, settings)
        return plan_evaluate([tmp / clips], character=mira, recipe=recipe)

    return {
        "shoot: no such character": lambda: plan_shoot(["a park"], character="mria"),
        "shoot: not a character": lambda: load_character(tmp / "note.jpg"),
        "shoot: aspect": lambda: shoot(aspect="2:1"),
        "shoot: unknown name": lambda: shoot("@tom in the park"),
        "shoot: nothing said": lambda: shoot(" "),
        "shoot: frames": lambda: shoot(num_frames=10),
        "shoot: a take is there": lambda: shoot(out=tmp / "taken"),
        "eval: no clips": lambda: evaluate("photos"),
        "eval: no photos": lambda: evaluate("clip.mp4"),
        "eval: one encoder for both": lambda: evaluate("clip.mp4", "encoder.report=toon-a"),
        "attach: another backbone": lambda: check_backbone("mira", made.header, "wan2_1_t2v_1_3b"),
        "attach: another encoder": lambda: check_encoder("mira", made.header, "toon-b"),
        "attach: twice": lambda: attach(
            tiny_adapter(pipe.transformer, TOON), pipe.transformer, TOON
        ),
        "attach: no file": lambda: load_character(tmp / "none.safetensors"),
    }


def _lab_cases(tmp: Path) -> Cases:
    return {
        "lab: part": lambda: plan_build_toon(parts=("vea",)),
        "lab: steps": lambda: plan_build_toon(parts=("vae", "probe"), steps=7),
        "lab: tokens": lambda: plan_build_toon(parts=("vae",), tokens=9),
        "lab: nothing to install": lambda: plan_build_toon(parts=("vae",), install=True),
        "lab: no checkpoint": lambda: load_average(nn.Linear(1, 1), tmp / "vae.pt"),
        "lab: a checkpoint": lambda: [
            seed_checkpoint(nn.Linear(1, 1), tmp / "probe.pt", step=0) for _ in range(2)
        ],
    }


def _weights_cases(tmp: Path) -> Cases:
    (tmp / "store" / "bisenet").mkdir(parents=True, exist_ok=True)
    (tmp / "store" / "bisenet" / "parsing_bisenet.pth").write_bytes(b"another")
    pack = catalogue_entry("buffalo_l")
    return {
        "weights: unknown": lambda: catalogue_entry("buffalo"),
        "weights: missing": lambda: locate("sface"),
        "weights: another file": lambda: locate("bisenet"),
        "weights: one file of a pack": lambda: add_weights(pack, tmp / "note.jpg"),
        "weights: half a pack": lambda: add_weights(pack, tmp / "folder"),
        "faces: pack": lambda: load_faces("insightface:buffalo"),
    }


def messages(tmp: Path) -> str:
    """Every message under its case, without folders and digests that differ from run to run."""
    said = []
    for name, provoke in _cases(tmp).items():
        try:
            with contextlib.chdir(tmp), _store_at(tmp / "store"):
                provoke()
        except FacekitError as error:
            text = str(error).replace(f"{tmp}/", "").replace(str(tmp), "FOLDER")
            text = text.replace(str(recipes_dir()), "RECIPES")
            text = re.sub(r"\b[0-9a-f]{12}\b", "0123456789ab", text)
            said.append(f"{name} ({type(error).__name__}, {error.exit_code})\n{text}")
        else:
            raise AssertionError(f"{name}: nothing was raised")
    return "\n\n".join(said) + "\n"
