"""Where a UNet with motion modules attends to the text, and at which resolution."""

from collections.abc import Iterator

from torch import nn

__all__ = ["halvings", "spatial_sites"]

_LEVELS = 4
"""Resolutions of the UNet of Stable Diffusion 1.5; each halves the one before."""


def spatial_sites(network: nn.Module) -> Iterator[str]:
    """Yield the paths of the attentions to the text, not of the motion modules, as they are run."""
    for way in ("down_blocks", "mid_block", "up_blocks"):
        blocks = getattr(network, way, None)
        if blocks is None:
            return
        numbered = isinstance(blocks, nn.ModuleList)
        for index, block in enumerate(blocks if numbered else [blocks]):
            place = f"{way}.{index}" if numbered else way
            for one, attentions in enumerate(getattr(block, "attentions", ())):
                for other in range(len(attentions.transformer_blocks)):
                    yield f"{place}.attentions.{one}.transformer_blocks.{other}.attn2"


def halvings(site: str) -> int:
    """How often the picture has been halved where a site stands."""
    way, index, *_ = site.split(".")
    if way == "mid_block":
        return _LEVELS - 1
    return int(index) if way == "down_blocks" else _LEVELS - 1 - int(index)
