"""A tiny character, backbone and face encoder for tests of training."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import LoraSettings
from facekit.backbones.spec import get_spec
from facekit.backbones.wan import TOON
from facekit.faces.align import align, template
from facekit.faces.protocols import PictureKind
from facekit.identity.photo_set import Photo, PhotoSet
from facekit.recipe import Recipe
from facekit.training.captions import Subject
from facekit.training.settings import TrainSettings
from facekit.training.train_character import TrainingResult, train_character
from facekit.training.trainer import Validation
from facekit.types import Face, FaceCrop, FloatArray, Image

CROP_PX = 16
DIM = 8


class TinyFaces:
    """A random net that honours the protocol; it finds the face where the tests always put it."""

    name = "tiny"
    dim = DIM
    digest = hashlib.sha256(b"tiny").hexdigest()
    licence = "Apache-2.0"
    min_same_person = 0.35
    max_covered_gain = 2.0  # random: a covered face says nothing
    made_for: PictureKind | None = None
    crop_size_px = CROP_PX
    crop_margin = 0.25

    def __init__(self) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            self.net = nn.Sequential(
                nn.Conv2d(3, 8, 4, stride=4), nn.Tanh(), nn.Flatten(), nn.Linear(8 * 16, DIM)
            ).requires_grad_(False)

    def to(self, device: torch.device) -> "TinyFaces":
        self.net = self.net.to(device)
        return self

    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        return [(face_in(image),) for image in images]

    @torch.no_grad()
    def encode(self, crops: Sequence[FaceCrop]) -> FloatArray:
        if not crops:
            return np.zeros((0, DIM), np.float32)
        pixels = np.stack([crop.pixels for crop in crops])
        near = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1
        return self.embed(near.to(next(self.net.parameters()).device)).cpu().numpy()

    def embed(self, pixels_BCHW: Tensor) -> Tensor:
        return nn.functional.normalize(self.net(pixels_BCHW), dim=-1)


def face_in(image: Image) -> Face:
    """A face in the middle, half as high as the picture."""
    height, width = image.shape[:2]
    side = min(height, width) * 0.5
    left, top = (width - side) / 2, (height - side) / 2
    marks = template(8) / 8 * side + np.array([left, top], np.float32)
    box = np.array([left, top, left + side, top + side], np.float32)
    return Face(box_xyxy_px=box, landmarks_px=marks.astype(np.float32), score=0.9)


def make_photo(index: int, faces: TinyFaces, shape: tuple[int, int] = (48, 48)) -> Photo:
    rng = np.random.default_rng(index)
    coarse = rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)
    image = np.kron(coarse, np.ones((shape[0] // 6, shape[1] // 6, 1), np.uint8))
    crop = align(image, face_in(image), size_px=CROP_PX, margin=0.25, source=f"{index}.png")
    return Photo(
        source=f"{index}.png",
        file=Path(f"{index}.png"),
        image=image,
        face=crop.face,
        crop=crop,
        embedding=faces.encode([crop])[0],
        quality=1.0 - 0.1 * index,
    )


def tiny_adapter(pipe: Any, **options: Any) -> IdentityAdapter:
    """A base adapter with an effect: one that was just built adds exactly nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        adapter = IdentityAdapter.from_transformer(
            pipe.transformer, TOON, embedding_dim=DIM, token_dim=16, num_tokens=4, **options
        )
        for _, branch in adapter.branches():
            nn.init.normal_(branch.to_v.weight, std=0.3)
    return adapter.eval()


RECIPE_SETTINGS = TrainSettings.from_recipe(Recipe())
"""What a recipe that says nothing decides: the settings themselves have no defaults."""

TINY_SETTINGS = replace(
    RECIPE_SETTINGS,
    level="L2",
    steps=6,
    batch_size=2,
    token_lr=1e-2,
    lora_lr=1e-2,
    warmup=1,
    checkpoint_every=2,
    validate_every=3,
    weights=replace(RECIPE_SETTINGS.weights, identity_max_sigma=0.9, preservation_probability=0.5),
)


class TinyRun:
    """Everything `train_character` takes, small."""

    def __init__(self, out_dir: Path, **changes: Any) -> None:
        self.settings = replace(TINY_SETTINGS, **changes)
        self.out_dir = out_dir
        self.faces = TinyFaces()
        photos = [make_photo(index, self.faces) for index in range(5)]
        self.photos = PhotoSet(
            train=tuple(photos[:4]), held_out=tuple(photos[4:]), encoder="tiny@0"
        )
        self.subject = Subject.from_name("mira")
        self.spec = replace(get_spec("toon"), sizes={"1:1": (32, 32), "16:9": (32, 64)})
        self.pipe: Any = self.spec.tiny()
        self.adapter: IdentityAdapter | None = tiny_adapter(self.pipe)
        self.lora: LoraSettings | None = LoraSettings(rank=2, alpha=2.0)
        self.digest = "d" * 64

    def __call__(self, **options: Any) -> TrainingResult:
        self.out_dir.mkdir(exist_ok=True)
        return train_character(
            self.settings,
            self.photos,
            self.subject,
            self.pipe,
            self.spec,
            self.faces,
            self.out_dir,
            digest=self.digest,
            adapter=self.adapter,
            lora=self.lora,
            **{"validate": self.validate, **options},
        )

    def validate(self, step: int) -> Validation:
        """A score that depends on the weights, by drawing one picture; training darkens it."""
        frames = self.pipe(
            prompt=["a mira person"],
            height=32,
            width=32,
            num_frames=1,
            num_inference_steps=1,
            guidance_scale=2.0,
            generator=torch.Generator().manual_seed(1),
            output_type="np",
            max_sequence_length=self.spec.max_sequence_length,
        ).frames
        mean = float(np.mean(frames))
        return Validation(score=1.0 - mean, details={"mean": mean})
