"""Crops for the training of the toon face encoders, and how pictures are varied in it.

Shapes: B pictures or crops, C channels, H height, W width.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.align import TEMPLATE_MARGIN, align_with, similarity_transform
from facekit.faces.toon import CROP_SIZE_PX
from facekit.toon.corpus import Shard

__all__ = ["CropSource", "augment", "coarsen"]


class CropSource:
    """Cuts aligned crops of chosen characters, their landmarks as wrong as a detector's."""

    def __init__(self, shards: list[Shard], num_characters: int) -> None:
        """Note where each character is the first figure."""
        self._shards = shards
        self._places: list[list[tuple[int, int]]] = [[] for _ in range(num_characters)]
        for number, shard in enumerate(shards):
            for index, seed in enumerate(np.asarray(shard.seeds[:, 0])):
                if 0 <= seed < num_characters:
                    self._places[seed].append((number, index))

    def sample(
        self, rng: np.random.Generator, *, num_characters: int, per_character: int
    ) -> tuple[Tensor, np.ndarray]:
        """Cut crops at random.

        Returns:
            Crops (N, 3, 64, 64) in [-1, 1] and int64 character seeds (N,), where N is
            num_characters * per_character.
        """
        crops, seeds = [], []
        for seed in rng.choice(len(self._places), num_characters, replace=False):
            for choice in rng.choice(len(self._places[seed]), per_character, replace=False):
                number, index = self._places[seed][choice]
                shard = self._shards[number]
                frame = int(rng.integers(shard.images.shape[1]))
                points = shard.faces[index, frame, 0, 4:].reshape(5, 2)
                eyes = float(np.linalg.norm(points[1] - points[0]))
                noisy = (
                    points
                    + rng.normal(0.0, 0.03 * max(4.0, eyes), points.shape)
                    + rng.normal(0.0, 0.02 * eyes, 2)
                )
                transform = similarity_transform(
                    noisy.astype(np.float32), CROP_SIZE_PX, TEMPLATE_MARGIN
                )
                crops.append(align_with(shard.images[index, frame], transform, CROP_SIZE_PX))
                seeds.append(int(seed))
        pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        return pixels, np.array(seeds, np.int64)


def coarsen(pixels_BCHW: Tensor, rng: np.random.Generator) -> Tensor:
    """Give half of the crops less detail, as distance and a video model's decoder do."""
    out = pixels_BCHW.clone()
    side = pixels_BCHW.shape[-1]
    for part in np.array_split(rng.permutation(len(out))[: len(out) // 2], 4):
        small = int(rng.integers(14, 44))
        shrunk = F.interpolate(
            out[part], size=(small, small), mode="bilinear", antialias=True, align_corners=False
        )
        out[part] = F.interpolate(shrunk, size=(side, side), mode="bicubic", align_corners=False)
    return out


def augment(pixels_BCHW: Tensor, rng: np.random.Generator) -> Tensor:
    """Vary gain, tint, blur and noise, as light and a video model's decoder do."""
    batch = len(pixels_BCHW)
    gain = torch.from_numpy(
        rng.normal(1.0, 0.10, (batch, 1, 1, 1)) * rng.normal(1.0, 0.05, (batch, 3, 1, 1))
    ).float()
    shift = torch.from_numpy(rng.normal(0.0, 0.05, (batch, 1, 1, 1))).float()
    out = (pixels_BCHW + 1.0) * gain - 1.0 + shift
    softness = torch.from_numpy(np.maximum(0.0, rng.uniform(-0.5, 0.9, (batch, 1, 1, 1)))).float()
    blurred = F.avg_pool2d(F.pad(out, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    out = out + softness * (blurred - out)
    noise = torch.from_numpy(rng.standard_normal(out.shape, np.float32))
    return out + noise * torch.from_numpy(rng.uniform(0.0, 0.08, (batch, 1, 1, 1))).float()
