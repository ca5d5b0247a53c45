"""Build the two toon face encoders: detectors and embedders, trained on the drawn corpus.

Shapes: B pictures or crops, C channels, H height, W width.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.errors import AlignmentError
from facekit.faces.align import (
    TEMPLATE_MARGIN,
    align_with,
    similarity_transform,
    template,
    transform_points,
)
from facekit.faces.toon import CROP_SIZE_PX
from facekit.faces.toon_nets import (
    EMBEDDING_DIM,
    STRIDE,
    DetectorNet,
    EmbedderNet,
    RefinerNet,
)
from facekit.toon.character import FACE_PARAMETERS, ToonCharacter
from facekit.toon.corpus import load_shard
from facekit.toon.crops import CropSource, augment, coarsen
from facekit.toon.fitting import CPU, Batch, FitSettings, fit
from facekit.types import Image

__all__ = ["Recogniser", "detector_losses", "train_detector", "train_embedder", "train_refiner"]

_SHARDS = ("1x1_1", "16x9_1", "9x16_1", "1x1_9", "16x9_9", "9x16_9")
_SEEDS = {"toon-a": 11, "toon-b": 23}


def train_detector(
    variant: str,
    corpus: Path,
    checkpoint_path: Path,
    *,
    steps: int,
    device: torch.device = CPU,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> DetectorNet:
    """Fit one detector on all aspects, at sizes from 0.83 to 1.5 times the drawn one; resumable."""
    torch.manual_seed(_SEEDS[variant])
    net = DetectorNet(variant)
    shards = [load_shard(corpus / name) for name in _SHARDS]

    def batch_of(step: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([_SEEDS[variant], step, 0xDE])
        shard = shards[int(rng.choice(len(shards), p=(0.62, 0.12, 0.12, 0.08, 0.03, 0.03)))]
        picks = np.sort(rng.integers(0, len(shard.images), 40))
        frame = int(rng.integers(0, shard.images.shape[1]))
        pixels = (
            torch.from_numpy(shard.images[picks, frame]).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        )
        truth = torch.from_numpy(shard.faces[picks, frame])
        zoom = (
            float(rng.choice((80.0, 96.0, 112.0, 128.0, 144.0), p=(0.3, 0.35, 0.15, 0.1, 0.1)))
            / 96.0
        )
        height, width = (round(side * zoom / 16.0) * 16 for side in pixels.shape[-2:])
        ratio = torch.tensor([width / pixels.shape[-1], height / pixels.shape[-2]])
        pixels = F.interpolate(
            pixels, size=(height, width), mode="bilinear", antialias=True, align_corners=False
        )
        truth = (truth.reshape(-1, 3, 7, 2) + 0.5) * ratio - 0.5
        return {"pixels": augment(pixels, rng).numpy(), "truth": truth.numpy()}

    def losses_of(step: int, batch: Batch) -> dict[str, Tensor]:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            maps = net(batch["pixels"])
        return detector_losses(maps.float(), batch["truth"])

    settings = FitSettings(steps=steps, lr=2e-3, warmup=100, ema=0.0, final=0.01, clip=5.0)
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


def detector_losses(maps_BCHW: Tensor, truth_BN72: Tensor) -> dict[str, Tensor]:
    """Return the focal loss of the centre map and the L1 losses of boxes and landmarks near them.

    Args:
        maps_BCHW: What `DetectorNet` returned.
        truth_BN72: Per picture up to three faces, each as 7 points: box corners, then landmarks;
            NaN where none.

    Source: focal loss of Zhou et al., Objects as Points (2019), equation 1, alpha 2 and beta 4.
    """
    batch, _, rows, columns = maps_BCHW.shape
    ys, xs = (
        (torch.arange(side, device=maps_BCHW.device).float() + 0.5) * STRIDE - 0.5
        for side in (rows, columns)
    )
    target = torch.zeros(batch, rows, columns, device=maps_BCHW.device)
    box_loss, point_loss, count = maps_BCHW.new_zeros(()), maps_BCHW.new_zeros(()), 0.0
    for slot in range(truth_BN72.shape[1]):
        face = truth_BN72[:, slot]
        present = torch.isfinite(face).all((1, 2))
        face = torch.nan_to_num(face, nan=-1e4)
        center = (face[:, 0] + face[:, 1]) / 2.0
        half_height = ((face[:, 1, 1] - face[:, 0, 1]) / 2.0).clamp(min=1.0)
        sigma = (half_height / 5.0).clamp(min=1.6)
        dx = xs[None, None, :] - center[:, 0, None, None]
        dy = ys[None, :, None] - center[:, 1, None, None]
        bump = (
            torch.exp(-(dx**2 + dy**2) / (2.0 * sigma[:, None, None] ** 2)) * present[:, None, None]
        )
        nearest = (dx.abs() <= STRIDE / 2) & (dy.abs() <= STRIDE / 2) & present[:, None, None]
        target = torch.maximum(target, torch.where(nearest, torch.ones_like(bump), bump * 0.98))
        near = (
            (dx.abs() <= 1.5 * STRIDE) & (dy.abs() <= 1.5 * STRIDE) & present[:, None, None]
        ).float()
        x, y = (
            xs[None, None, :].expand(batch, rows, columns),
            ys[None, :, None].expand(batch, rows, columns),
        )
        sides = torch.stack(
            [x - _at(face, 0, 0), y - _at(face, 0, 1), _at(face, 1, 0) - x, _at(face, 1, 1) - y], 1
        )
        logs = (sides.clamp(min=1.0) / 16.0).log()
        box_loss = box_loss + ((maps_BCHW[:, 1:5] - logs).abs().mean(1) * near).sum()
        grid = torch.stack([x, y], 1)[:, None]
        points = (face[:, 2:, :, None, None] - grid) / half_height[:, None, None, None, None]
        error = (maps_BCHW[:, 5:].reshape(batch, 5, 2, rows, columns) - points).abs().mean((1, 2))
        point_loss = point_loss + (error * near).sum()
        count += float(near.sum())
    logits = maps_BCHW[:, 0]
    positive = (target >= 0.999).float()
    probability = logits.sigmoid()
    focal = -(positive * (1 - probability) ** 2 * F.logsigmoid(logits))
    focal = focal - (1 - positive) * (1 - target) ** 4 * probability**2 * F.logsigmoid(-logits)
    return {
        "center": focal.sum() / max(1.0, float(positive.sum())),
        "box": box_loss / max(1.0, count),
        "points": 8.0 * point_loss / max(1.0, count),
    }


def train_refiner(
    variant: str,
    corpus: Path,
    checkpoint_path: Path,
    *,
    steps: int,
    device: torch.device = CPU,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> RefinerNet:
    """Fit the net that corrects a detector's landmarks, on ones wrong at random; resumable."""
    torch.manual_seed(_SEEDS[variant])
    net = RefinerNet(variant)
    shards = [load_shard(corpus / name) for name in _SHARDS]
    goal = template(CROP_SIZE_PX, TEMPLATE_MARGIN)

    def batch_of(step: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([_SEEDS[variant], step, 0x2F])
        crops: list[Image] = []
        offsets: list[np.ndarray] = []
        while len(crops) < 96:
            shard = shards[int(rng.choice(len(shards), p=(0.62, 0.12, 0.12, 0.08, 0.03, 0.03)))]
            index, frame = (
                int(rng.integers(len(shard.images))),
                int(rng.integers(shard.images.shape[1])),
            )
            points = np.asarray(shard.faces[index, frame, 0, 4:]).reshape(5, 2)
            if not np.isfinite(points).all():
                continue
            size = float(np.linalg.norm(points - points.mean(0), axis=1).mean())
            spread = float(rng.choice((0.04, 0.14)))
            rough = (
                points
                + rng.normal(0.0, spread * size, points.shape)
                + rng.normal(0.0, spread * size, 2)
            )
            try:
                transform = similarity_transform(
                    rough.astype(np.float32), CROP_SIZE_PX, TEMPLATE_MARGIN
                )
            except AlignmentError:
                continue
            crops.append(align_with(shard.images[index, frame], transform, CROP_SIZE_PX))
            offsets.append((transform_points(points, transform) - goal) * (10.0 / CROP_SIZE_PX))
        pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        return {
            "pixels": augment(pixels, rng).numpy(),
            "offsets": np.stack(offsets).astype(np.float32),
        }

    def losses_of(step: int, batch: Batch) -> dict[str, Tensor]:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            answers = net(batch["pixels"])
        return {"points": (answers.float() - batch["offsets"]).abs().mean()}

    settings = FitSettings(steps=steps, lr=2e-3, warmup=60, ema=0.0, final=0.01, clip=5.0)
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


class Recogniser(nn.Module):
    """An embedder with the head that only its training needs."""

    def __init__(self, variant: str) -> None:
        """Build both with random weights from the variant's seed."""
        super().__init__()
        torch.manual_seed(_SEEDS[variant])
        self.embedder = EmbedderNet(variant)
        self.parameters_head = nn.Linear(EMBEDDING_DIM, len(FACE_PARAMETERS) + 1)


def train_embedder(
    variant: str,
    corpus: Path,
    checkpoint_path: Path,
    *,
    num_characters: int,
    steps: int,
    device: torch.device = CPU,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> EmbedderNet:
    """Fit one embedder: crops of one character attract each other, others repel; resumable.

    The face parameters must be readable from the embedding too.

    Source: contrastive loss of Khosla et al., Supervised Contrastive Learning (2020), equation 2;
    the temperature was chosen here.
    """
    recogniser = Recogniser(variant)
    crops = CropSource([load_shard(corpus / name) for name in _SHARDS], num_characters)
    characters = [ToonCharacter.from_seed(seed) for seed in range(num_characters)]
    faces = torch.from_numpy(
        np.stack([np.append(c.face, 1.0 if c.has_freckles else -1.0) for c in characters])
    ).to(device, torch.float32)

    def batch_of(step: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([_SEEDS[variant], step, 0xE3])
        pixels, seeds = crops.sample(rng, num_characters=48, per_character=3)
        return {"pixels": augment(coarsen(pixels, rng), rng).numpy(), "labels": seeds}

    def losses_of(step: int, batch: Batch) -> dict[str, Tensor]:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            vectors = recogniser.embedder(batch["pixels"])
        vectors = vectors.float()
        labels = batch["labels"]
        temperature = 0.2 - 0.12 * min(1.0, step / (0.5 * steps))
        logits = vectors @ vectors.T / temperature
        itself = torch.eye(len(labels), dtype=torch.bool, device=device)
        logits = logits.masked_fill(itself, -1e4)
        same = (labels[:, None] == labels[None]).float().fill_diagonal_(0.0)
        contrast = -(same * logits.log_softmax(-1)).sum(-1) / same.sum(-1)
        regressed = recogniser.parameters_head(vectors * 8.0)
        return {
            "contrast": contrast.mean(),
            "parameters": 4.0 * F.mse_loss(regressed, faces[labels]),
        }

    settings = FitSettings(steps=steps, lr=2e-3, warmup=60, ema=0.0, final=0.01, clip=5.0)
    fit(
        recogniser,
        batch_of,
        losses_of,
        settings,
        checkpoint_path,
        device=device,
        on_progress=on_progress,
    )
    return recogniser.embedder


def _at(face_B72: Tensor, corner: int, axis: int) -> Tensor:
    return face_B72[:, corner, axis, None, None]
