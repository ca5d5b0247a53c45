"""A face parser in one convolution."""

import torch
from torch import Tensor, nn

from facekit.faces.facexlib import BiSeNetParser


class RedIsSkin(nn.Module):
    """Labels like BiSeNet's: skin where red outweighs blue, hair where it is the other way."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(3, 19, 1)
        with torch.no_grad():
            self.weigh.weight.zero_()
            self.weigh.bias.zero_()
            self.weigh.weight[1, :, 0, 0] = torch.tensor([9.0, 0.0, -9.0])
            self.weigh.weight[17, :, 0, 0] = torch.tensor([-9.0, 0.0, 9.0])

    def forward(self, pixels_BCHW: Tensor) -> tuple[Tensor]:
        return (self.weigh(pixels_BCHW),)


def tiny_parser(digest: str = "b" * 64) -> BiSeNetParser:
    """The real class around this net."""
    return BiSeNetParser(RedIsSkin(), digest=digest, licence="MIT")
