"""The nets of the two drawn-face encoders: detector, landmark refiner and embedder, in two designs.

Shapes: B pictures or crops, C channels, H height, W width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["EMBEDDING_DIM", "STRIDE", "DetectorNet", "EmbedderNet", "RefinerNet"]

EMBEDDING_DIM = 128
STRIDE = 4
"""Pixels between neighbouring positions of the detector's output maps."""


class _ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm: the block of `toon-a`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(dim, dim, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(dim)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(dim)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        h = F.relu(self.norm1(self.conv1(x_BCHW)))
        return F.relu(x_BCHW + self.norm2(self.conv2(h)))


class _PointwiseBlock(nn.Module):
    """A depthwise 5x5 convolution and a two-layer pointwise network: the block of `toon-b`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
        self.norm = nn.GroupNorm(1, dim)
        self.widen = nn.Conv2d(dim, 3 * dim, 1)
        self.narrow = nn.Conv2d(3 * dim, dim, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        h: Tensor = self.narrow(F.gelu(self.widen(self.norm(self.depthwise(x_BCHW)))))
        return x_BCHW + h


def _block(variant: str, dim: int) -> nn.Module:
    return _ResidualBlock(dim) if variant == "toon-a" else _PointwiseBlock(dim)


class DetectorNet(nn.Module):
    """A convolutional detector: maps of score, box and landmarks at a quarter of the size."""

    def __init__(self, variant: str) -> None:
        """Build the net of "toon-a" or "toon-b" with random weights."""
        super().__init__()
        a, b, c = (32, 64, 96) if variant == "toon-a" else (40, 72, 112)
        self.stem = nn.Conv2d(48, a, 3, padding=1)
        self.level1 = _block(variant, a)
        self.down2 = nn.Conv2d(a, b, 2, stride=2)
        self.level2 = nn.Sequential(*(_block(variant, b) for _ in range(2)))
        self.down3 = nn.Conv2d(b, c, 2, stride=2)
        self.level3 = nn.Sequential(*(_block(variant, c) for _ in range(3)))
        self.up2 = nn.Conv2d(c, b, 1)
        self.mix2 = _block(variant, b)
        self.up1 = nn.Conv2d(b, a, 1)
        self.mix1 = _block(variant, a)
        self.head = nn.Conv2d(a, 64, 3, padding=1)
        self.out = nn.Conv2d(64, 15, 1)
        assert self.out.bias is not None
        with torch.no_grad():
            self.out.bias[0] = -4.0

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Map pictures in [-1, 1], sides multiples of 16, to (B, 15, H/4, W/4).

        Channel 0 is the logit of a face centre, 1-4 the log distances to left, top, right and
        bottom in units of 16 px, 5-14 the landmarks relative to the position in units of the face
        box's half height.
        """
        one = self.level1(F.relu(self.stem(F.pixel_unshuffle(pixels_BCHW, STRIDE))))
        two = self.level2(F.relu(self.down2(one)))
        three = self.level3(F.relu(self.down3(two)))
        two = self.mix2(two + F.interpolate(self.up2(three), scale_factor=2.0, mode="nearest"))
        one = self.mix1(one + F.interpolate(self.up1(two), scale_factor=2.0, mode="nearest"))
        maps: Tensor = self.out(F.relu(self.head(one)))
        return maps


class RefinerNet(nn.Module):
    """Corrects the five landmarks inside a crop that was aligned by rough ones."""

    def __init__(self, variant: str) -> None:
        """Build the net of "toon-a" or "toon-b" with random weights."""
        super().__init__()
        a, b = (48, 80) if variant == "toon-a" else (40, 88)
        self.stem = nn.Conv2d(12, a, 3, stride=2, padding=1)
        self.level1 = _block(variant, a)
        self.down = nn.Conv2d(a, b, 2, stride=2)
        self.level2 = nn.Sequential(*(_block(variant, b) for _ in range(2)))
        self.squeeze = nn.Conv2d(b, 24, 1)
        self.read = nn.Sequential(nn.Linear(24 * 64, 128), nn.ReLU(), nn.Linear(128, 10))

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Map crops (B, 3, 64, 64) in [-1, 1] to landmarks minus template (B, 5, 2).

        The unit is a tenth of the crop's side.
        """
        h = self.level1(F.relu(self.stem(F.pixel_unshuffle(pixels_BCHW, 2))))
        h = self.level2(F.relu(self.down(h)))
        offsets: Tensor = self.read(F.relu(self.squeeze(h)).flatten(1)).reshape(-1, 5, 2)
        return offsets


class EmbedderNet(nn.Module):
    """Aligned crops to unit vectors."""

    def __init__(self, variant: str) -> None:
        """Build the net of "toon-a" or "toon-b" with random weights."""
        super().__init__()
        a, b = (64, 128) if variant == "toon-a" else (72, 144)
        self.stem = nn.Conv2d(48, a, 3, padding=1)
        self.level1 = nn.Sequential(
            *(_block(variant, a) for _ in range(2 if variant == "toon-a" else 3))
        )
        self.down = nn.Conv2d(a, b, 2, stride=2)
        self.level2 = nn.Sequential(
            *(_block(variant, b) for _ in range(2 if variant == "toon-a" else 3))
        )
        self.squeeze = nn.Conv2d(b, 32, 1)
        self.norm = nn.BatchNorm1d(32 * 64) if variant == "toon-a" else nn.LayerNorm(32 * 64)
        self.project = nn.Linear(32 * 64, EMBEDDING_DIM)

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Map crops (B, 3, 64, 64) in [-1, 1] to unit vectors (B, 128)."""
        h = self.level1(F.relu(self.stem(F.pixel_unshuffle(pixels_BCHW, 4))))
        h = self.level2(F.relu(self.down(h)))
        features = self.norm(F.relu(self.squeeze(h)).flatten(1))
        return F.normalize(self.project(features).float(), dim=-1)
