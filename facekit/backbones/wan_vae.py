"""The autoencoder of the Wan family: frames to normalised latents and back.

Shapes: B batch, C channels, F frames, H height, W width.
"""

from typing import Any

import torch
from torch import Tensor

from facekit.errors import UsageError

__all__ = ["decode_chunks", "encode_frames"]


def encode_frames(vae: Any, frames_BCFHW: Tensor) -> Tensor:
    """Encode 4 n + 1 frames to ``(z - mean) / std``, z the mode of the posterior.

    Raises:
        UsageError: Another number of frames.
    """
    # The encoder walks in chunks of 1 + 4 n frames and drops what is left over.
    if frames_BCFHW.shape[2] % 4 != 1:
        raise UsageError(
            f"num_frames is {frames_BCFHW.shape[2]}, expected 4 * n + 1; drop the last frames"
        )
    latents = vae.encode(frames_BCFHW.to(vae.device, vae.dtype)).latent_dist.mode()
    mean, std = _latent_statistics(vae, latents)
    normalised: Tensor = (latents - mean) / std
    return normalised


def decode_chunks(vae: Any, latents: Tensor) -> Tensor:
    """Decode normalised latents chunk by chunk, as the autoencoder does.

    Source: AutoencoderKLWan._decode, diffusers 0.42.1 (Apache-2.0);
    tests/unit/backbones/test_wan.py compares with vae.decode.
    """
    latents = latents.to(vae.device, vae.dtype)
    mean, std = _latent_statistics(vae, latents)
    hidden = vae.post_quant_conv(latents * std + mean)
    vae.clear_cache()
    try:
        chunks = []
        for index in range(hidden.shape[2]):
            # The cursor into the cache of causal convolutions starts over with every chunk.
            chunks.append(
                vae.decoder(
                    hidden[:, :, index : index + 1],
                    feat_cache=vae._feat_map,
                    feat_idx=[0],
                    first_chunk=index == 0,
                )
            )
    finally:
        vae.clear_cache()
    frames = torch.cat(chunks, dim=2)
    if vae.config.patch_size is not None:
        from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify

        frames = unpatchify(frames, patch_size=vae.config.patch_size)
    decoded: Tensor = frames
    return decoded


def _latent_statistics(vae: Any, like: Tensor) -> tuple[Tensor, Tensor]:
    mean, std = (
        torch.tensor(numbers, device=like.device, dtype=like.dtype).view(1, -1, 1, 1, 1)
        for numbers in (vae.config.latents_mean, vae.config.latents_std)
    )
    return mean, std
