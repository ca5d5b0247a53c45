"""The probe: reads place, shot size, light, mood, hair and glasses from a picture.

It is trained on the drawn world only.

Shapes: B pictures, C channels, H height, W width.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.faces.protocols import FaceDetector
from facekit.resources import toon_dir
from facekit.toon.corpus import ATTRIBUTES, load_shard
from facekit.toon.fitting import CPU, Batch, FitSettings, fit
from facekit.types import Image
from facekit.weights import load_nets, verify_once

__all__ = [
    "FACE_ATTRIBUTES",
    "SCENE_ATTRIBUTES",
    "ProbeNet",
    "ToonProbe",
    "head_input",
    "load_probe",
    "scene_input",
    "train_probe",
]

SCENE_ATTRIBUTES = ("place", "shot_size", "light")
FACE_ATTRIBUTES = ("mood", "hair_style", "hair_color", "glasses")
_SCENE_SIDE_PX = 48
_HEAD_SIDE_PX = 64
_HEAD_SPAN = 1.9
"""Side of the head crop over the height of the face box: hair fits in."""


class ProbeNet(nn.Module):
    """Two small trunks, for the picture and for the head, with a linear layer per attribute."""

    def __init__(self) -> None:
        """Build the net with random weights."""
        super().__init__()
        self.scene = _trunk()
        self.head = _trunk()
        self.read_scene = nn.ModuleDict(
            {name: nn.Linear(96 * 5, len(ATTRIBUTES[name])) for name in SCENE_ATTRIBUTES}
        )
        self.read_head = nn.ModuleDict(
            {name: nn.Linear(96 * 17, len(ATTRIBUTES[name])) for name in FACE_ATTRIBUTES}
        )

    def forward(self, scenes_BCHW: Tensor, heads_BCHW: Tensor) -> dict[str, Tensor]:
        """Return logits for each attribute.

        Args:
            scenes_BCHW: Pictures of any aspect in [-1, 1].
            heads_BCHW: Heads, 64 x 64, in [-1, 1].
        """
        scene, head = _pool(self.scene(scenes_BCHW), 2), _pool(self.head(heads_BCHW), 4)
        logits = {name: layer(scene) for name, layer in self.read_scene.items()}
        return logits | {name: layer(head) for name, layer in self.read_head.items()}


class ToonProbe:
    """Reads the attributes that a prompt names from generated frames."""

    def __init__(self, net: ProbeNet, detector: FaceDetector) -> None:
        """Hold a trained net and a detector that finds the heads."""
        self._net = net.eval().requires_grad_(False)
        self._detector = detector

    @torch.no_grad()
    def read(self, frames: Sequence[Image]) -> list[dict[str, str | None]]:
        """Read every frame on its own.

        Returns:
            Per frame the value of each of place, shot_size, light, mood, hair_style, hair_color and
            glasses; the last four are None where no face is found.
        """
        found = self._detector.detect(frames)
        readings = []
        for frame, faces in zip(frames, found, strict=True):
            box = faces[0].box_xyxy_px if faces else None
            logits = self._net(scene_input(frame[None]), head_input(frame, box))
            reading: dict[str, str | None] = {
                name: ATTRIBUTES[name][int(values.argmax())] for name, values in logits.items()
            }
            if box is None:
                reading |= dict.fromkeys(FACE_ATTRIBUTES)
            readings.append(reading)
        return readings


def load_probe(detector: FaceDetector, weights_dir: Path | None = None) -> ToonProbe:
    """Load the shipped probe.

    Raises:
        WeightsMissing: Its file does not exist.
        ChecksumMismatch: It is not the recorded one, is damaged or holds other tensors.
    """
    net = ProbeNet()
    path = (weights_dir or toon_dir()) / "probe.safetensors"
    verify_once(path.parent, below=path.name)
    load_nets(path, {"": net})
    return ToonProbe(net, detector)


def scene_input(images: np.ndarray) -> Tensor:
    """Shrink pictures uint8 (N, H, W, 3) to a short side of 48 px, in [-1, 1]."""
    pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    scale = _SCENE_SIDE_PX / min(pixels.shape[-2:])
    size = tuple(round(side * scale / 4) * 4 for side in pixels.shape[-2:])
    return F.interpolate(pixels, size=size, mode="bilinear", antialias=True, align_corners=False)


def head_input(image: Image, box_xyxy_px: np.ndarray | None) -> Tensor:
    """Cut the head around a face box, with room for hair, as (1, 3, 64, 64) in [-1, 1].

    Without a box it is black.
    """
    if box_xyxy_px is None:
        return torch.full((1, 3, _HEAD_SIDE_PX, _HEAD_SIDE_PX), -1.0)
    left, top, right, bottom = (float(v) for v in box_xyxy_px)
    scale = _HEAD_SIDE_PX / max(4.0, (bottom - top) * _HEAD_SPAN)
    x, y = (left + right) / 2.0, top + 0.42 * (bottom - top)
    matrix = np.array(
        [[scale, 0, _HEAD_SIDE_PX / 2 - scale * x], [0, scale, _HEAD_SIDE_PX / 2 - scale * y]],
        np.float32,
    )
    crop = cv2.warpAffine(image, matrix, (_HEAD_SIDE_PX, _HEAD_SIDE_PX), flags=cv2.INTER_LINEAR)
    return torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 127.5 - 1.0


def train_probe(
    corpus: Path,
    checkpoint_path: Path,
    *,
    steps: int,
    seed: int = 5,
    device: torch.device = CPU,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> ProbeNet:
    """Fit the probe on pictures of all aspects; resumable."""
    torch.manual_seed(seed)
    net = ProbeNet()
    shards = [load_shard(corpus / name) for name in ("1x1_1", "16x9_1", "9x16_1", "1x1_9")]
    order = list(ATTRIBUTES)

    def batch_of(step: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([seed, step, 0x9E])
        shard = shards[int(rng.choice(len(shards), p=(0.6, 0.13, 0.13, 0.14)))]
        picks = np.sort(rng.integers(0, len(shard.images), 96))
        frame = int(rng.integers(shard.images.shape[1]))
        images = shard.images[picks, frame]
        heads = []
        for image, row in zip(images, shard.faces[picks, frame, 0], strict=True):
            box = row[:4] + rng.normal(0.0, 0.05, 4).astype(np.float32) * (row[3] - row[1])
            heads.append(head_input(image, box if np.isfinite(box).all() else None))
        # With several people in the picture only scene and light are asked for.
        alone = shard.seeds[picks, 1] < 0
        labels = {
            name: np.where(
                alone | (name in SCENE_ATTRIBUTES), shard.attributes[picks, order.index(name)], -1
            )
            for name in (*SCENE_ATTRIBUTES, *FACE_ATTRIBUTES)
        }
        return labels | {
            "scenes": _vary(scene_input(images), rng).numpy(),
            "heads": _vary(torch.cat(heads), rng).numpy(),
        }

    def losses_of(step: int, batch: Batch) -> dict[str, Tensor]:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = net(batch["scenes"], batch["heads"])
        return {
            name: F.cross_entropy(values.float(), batch[name], ignore_index=-1)
            for name, values in logits.items()
        }

    settings = FitSettings(steps=steps, lr=2e-3, warmup=60, final=0.01, clip=5.0)
    fit(
        net,
        batch_of,
        losses_of,
        settings,
        checkpoint_path,
        device=device,
        on_progress=on_progress,
    )
    return net


def _trunk() -> nn.Sequential:
    layers: list[nn.Module] = []
    for inside, outside, stride in ((3, 32, 2), (32, 64, 2), (64, 64, 1), (64, 96, 2), (96, 96, 1)):
        layers += [
            nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


def _pool(features_BCHW: Tensor, grid: int) -> Tensor:
    """Average over the whole map and over each cell of a grid."""
    cells = F.adaptive_avg_pool2d(features_BCHW, grid).flatten(1)
    return torch.cat([F.adaptive_avg_pool2d(features_BCHW, 1).flatten(1), cells], dim=1)


def _vary(pixels_BCHW: Tensor, rng: np.random.Generator) -> Tensor:
    batch = len(pixels_BCHW)
    gain = torch.from_numpy(rng.normal(1.0, 0.06, (batch, 3, 1, 1))).float()
    noise = torch.from_numpy(rng.standard_normal(pixels_BCHW.shape, np.float32))
    softness = torch.from_numpy(np.maximum(0.0, rng.uniform(-0.5, 0.9, (batch, 1, 1, 1)))).float()
    blurred = F.avg_pool2d(F.pad(pixels_BCHW, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return (pixels_BCHW + softness * (blurred - pixels_BCHW)) * gain + 0.05 * noise
