"""Assemble the trained parts of the toon backbone into a stock diffusers pipeline on disk."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, WanPipeline

if TYPE_CHECKING:
    from diffusers import AutoencoderKLWan

    from facekit.training.pretrain import ToonModel

__all__ = ["save_backbone"]


def save_backbone(model: "ToonModel", vae: "AutoencoderKLWan", folder: Path) -> None:
    """Write text encoder, tokenizer, transformer, VAE and scheduler so that `WanPipeline.from_pretrained` loads them.

    Everything is fp16; the model is left as it is in memory but for its dtype.
    """
    pipeline = WanPipeline(
        tokenizer=model.tokenizer,
        text_encoder=model.text_encoder,
        vae=vae,
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=1.0),
        transformer=model.transformer,
        expand_timesteps=True,
    )
    pipeline.to(dtype=torch.float16)
    pipeline.save_pretrained(folder, safe_serialization=True)
