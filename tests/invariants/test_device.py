"""Training, sampling and encoding give the same on another device than the CPU.

The device is pretended (`tests.tiny.far_device`): the computations are those of the CPU, and a
tensor that was left there is an error. CUDA itself has not been run.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facekit.adapters.character import Character, attach_characters, load_character
from facekit.backbones.wan import TOON
from facekit.faces.align import align
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import load_faces
from facekit.generation.continuation import continuation_pipeline, continue_clip
from facekit.generation.sample import SampleSettings, sample
from facekit.media.images import read_image
from facekit.media.video import read_clip
from facekit.recipe import MemorySection, load_recipe
from facekit.resources import datasets_dir
from facekit.training.metrics import read_metrics
from facekit.training.train_character import TrainingResult
from facekit.training.trainer import METRICS_FILE
from facekit.types import FaceCrop, NoProgress, Shot
from facekit.workflows import device
from facekit.workflows.backbone import load_backbone
from facekit.workflows.shoot import plan_shoot, run_shoot
from facekit.workflows.train import plan_train, run_train
from tests.tiny.backbones import tiny_character, tiny_pipe
from tests.tiny.far_device import FAR, far_device
from tests.tiny.photos import good_photos
from tests.tiny.training import RECIPE_SETTINGS, TinyFaces, TinyRun, tiny_adapter

SETTINGS = SampleSettings(num_inference_steps=2, guidance_scale=2.0, fps=8.0, identity_guidance=3.0)
SHOT = Shot(name="a", prompt="a woman", seed=3, num_frames=5, height=32, width=48, kind="close-up")


def test_the_pretence_can_fail() -> None:
    with far_device(), pytest.raises(AssertionError, match=r"\[\(2,\)\] on the CPU"):
        torch.zeros(2) + torch.zeros(2, device=FAR)


def losses(run: TinyRun) -> list[dict[str, float]]:
    """Every number of the log but the times."""
    rows = read_metrics(run.out_dir / METRICS_FILE)
    timed = ("step_s", "speed/")
    return [
        {k: x for k, x in row.items() if not k.startswith(timed) and x is not None} for row in rows
    ]


class _Stops(NoProgress):
    def advance(self, n: int = 1, info: str = "") -> None:
        if info:
            raise KeyboardInterrupt


def _run(run: TinyRun, options: dict[str, Any], learned_null: bool) -> TrainingResult:
    if learned_null:
        run.adapter = tiny_adapter(run.pipe, learned_null=True)
    run.pipe.set_progress_bar_config(disable=True)
    run.pipe.to(run.device)
    run.faces.to(run.device)
    if run.adapter is not None:
        run.adapter.to(run.device)
    with pytest.raises(KeyboardInterrupt):
        run(**options, progress=_Stops())
    return run(**options)


class _Placed(TinyRun):
    """A run on a device."""

    def __init__(self, out_dir: Path, device: torch.device, **changes: Any) -> None:
        super().__init__(out_dir, **changes)
        self.device = device


WEIGHTS = dataclasses.replace(
    RECIPE_SETTINGS.weights,
    identity_max_sigma=0.95,
    preservation_probability=1.0,
    contrastive=0.1,
)


@pytest.mark.parametrize(
    ("changes", "learned_null"),
    [
        ({"ema": 0.9, "memory": MemorySection(checkpointing_every=1)}, True),
        pytest.param(
            {"level": "none", "memory": MemorySection(offloaded_blocks=2)},
            False,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_training_and_going_on(tmp_path: Path, changes: dict[str, Any], learned_null: bool) -> None:
    others = torch.nn.functional.normalize(torch.randn(6, 8), dim=-1)
    options: dict[str, Any] = {
        "others_ND": others,
        "guidance": {"guidance": "three_way", "identity_guidance": 3.0, "guidance_scale": 2.0},
    }
    changes = {"steps": 2, "validate_every": 0, "weights": WEIGHTS, **changes}
    near = _Placed(tmp_path / "near", torch.device("cpu"), **changes)
    expected = _run(near, options, learned_null)
    with far_device():
        far = _Placed(tmp_path / "far", FAR, **changes)
        found = _run(far, options, learned_null)
        assert found.tokens_KC is None or found.tokens_KC.device.type == "cpu"
        assert all(tensor.device.type == "cpu" for tensor in (found.lora or {}).values())
    assert (found.best_step, found.steps) == (expected.best_step, 2)
    for one, other in zip(losses(near), losses(far), strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-5)


SMALL = (
    "photos.min_same_person=-1",
    "photos.duplicate_distance=0",
    "train.steps=1",
    'validate.prompts=["{character}"]',
    "sample.num_inference_steps=1",
)


@pytest.mark.slow
def test_photos_to_shots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way, with a device that was asked for by name."""
    good_photos(tmp_path / "photos")
    recipe = load_recipe("tiny/train", SMALL)
    pictures = []
    for name in ("cpu", "meta"):
        monkeypatch.setattr(device, "_is_here", lambda found: True)
        monkeypatch.setattr(device, "_KINDS", ("cpu", "meta"))
        with far_device():
            out = tmp_path / name
            plan = plan_train(
                [tmp_path / "photos"], name="mira", recipe=recipe, out=out, device=name
            )
            assert plan.device == torch.device(name)
            made = run_train(plan, NoProgress(), faces=TinyFaces())
            shots = plan_shoot(
                ["close-up of @mira"], character=str(made.adapter), out=out, device=name
            )
            (clip,) = run_shoot(shots, NoProgress()).clips
        assert made.likeness is not None
        pictures.append(read_clip(clip).frames.astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 4
    files = [load_character(tmp_path / name / "mira").file for name in ("cpu", "meta")]
    tensors = [file.identity.keys["blocks.0.attn2"] for file in files if file.identity]
    torch.testing.assert_close(*tensors)


def test_the_backbone_and_its_adapter_go_there() -> None:
    with far_device():
        backbone = load_backbone(load_recipe("tiny/train"), FAR)
        assert {backbone.pipe.transformer.device, backbone.pipe.vae.device} == {FAR}


def test_continuing_a_clip() -> None:
    pieces = []
    for where in (torch.device("cpu"), FAR):
        with far_device():
            pipe = tiny_pipe()
            file = tiny_character(pipe)
            pipe.to(where)
            options = {"guidance": "three_way", "identity_guidance": 3.0, "guidance_scale": 2.0}
            mira = Character(file=file, source="mira")
            with attach_characters(pipe, mira, **options):  # type: ignore[arg-type]
                (first,) = sample(pipe, [SHOT], TOON, SETTINGS)
                again = continuation_pipeline(pipe)
                pieces.append(continue_clip(again, first, SHOT, TOON, SETTINGS).frames.astype(int))
    assert np.abs(pieces[0] - pieces[1]).max() <= 1


@pytest.mark.parametrize("name", ["toon-a", "toon-b"])
def test_the_embedded_encoders(name: str) -> None:
    near: FaceVendor = load_faces(name)
    images = [read_image(path) for path in sorted((datasets_dir() / "toon_ines").glob("*.png"))[:2]]
    faces = near.detect(images)
    crops: list[FaceCrop] = [
        align(image, found[0], size_px=near.crop_size_px, margin=near.crop_margin)
        for image, found in zip(images, faces, strict=True)
    ]
    pixels = torch.from_numpy(np.stack([crop.pixels for crop in crops])).permute(0, 3, 1, 2)
    with far_device():
        far = near.to(FAR)
        assert near.to(torch.device("cpu")) is near
        found = far.detect(images)
        vectors = far.encode(crops)
        picture = (pixels / 127.5 - 1).to(FAR).requires_grad_()
        embedded = far.embed(picture)
        embedded[:, 0].sum().backward()
        assert picture.grad is not None
        assert picture.grad.device == FAR
    for one, other in zip(faces, found, strict=True):
        assert np.allclose(one[0].landmarks_px, other[0].landmarks_px, atol=0.05)
    assert np.allclose(near.encode(crops), vectors, atol=1e-5)
    assert (near.name, near.digest) == (far.name, far.digest)
