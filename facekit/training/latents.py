"""The drawn corpus as the backbone sees it: latents, embeddings, token ids and truth, cached.

Shapes: N samples, D embedding, S text positions, T latent frames, h and w latent rows and columns.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan

from facekit.faces.align import align_with, similarity_transform
from facekit.faces.protocols import IdentityEncoder
from facekit.toon.corpus import load_shard
from facekit.toon.text import MAX_TOKENS, new_tokenizer
from facekit.toon.vae import encode_mean, framewise, to_video
from facekit.types import Face, FaceCrop

__all__ = ["LatentShard", "cache_shard"]

_MIN_PHOTO_FACE_PX = 26.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LatentShard:
    """Cached inputs of one shard.

    Attributes:
        latents: float16 (N, 16, T, h, w), normalised.
        embeddings: float16 (N, D) of the first figure's face, NaN where there is none.
        masks: uint8 (N, h, w): face mask of the first figure.
        seeds: int64 (N,): the first figure's character, -1 where there is not exactly one figure.
        is_photo: bool (N,): whether its face is large enough to condition on.
        token_ids: int64 (N, 2, S).
        faces: float32 (N, T, 3, 14): boxes and landmarks as in the corpus, pixels, NaN where none.
        attributes: int64 (N, 8): as in the corpus, -1 where there is nothing to see.
    """

    latents: np.ndarray
    embeddings: np.ndarray
    masks: np.ndarray
    seeds: np.ndarray
    is_photo: np.ndarray
    token_ids: np.ndarray
    faces: np.ndarray
    attributes: np.ndarray


@torch.no_grad()
def cache_shard(
    corpus_folder: Path,
    cache_path: Path,
    vae: AutoencoderKLWan,
    encoder: IdentityEncoder,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> LatentShard:
    """Encode one shard of the corpus, or read it where it is cached.

    Args:
        corpus_folder: The shard.
        cache_path: Where it is cached.
        vae: Encodes the pictures, where it is.
        encoder: Encodes the faces; wherever it is.
        on_progress: Called with (done, total).
    """
    if cache_path.is_file():
        with np.load(cache_path) as arrays:
            return LatentShard(**{name: arrays[name] for name in arrays.files})
    shard = load_shard(corpus_folder)
    count, frames = shard.images.shape[:2]
    mean, std = (
        torch.tensor(values, device=vae.device).view(1, -1, 1, 1, 1)
        for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    latents, embeddings = [], np.full((count, encoder.dim), np.nan, np.float16)
    step = max(1, 64 // frames)
    for start in range(0, count, step):
        images = shard.images[start : start + step]
        video = to_video(torch.from_numpy(np.array(images)).to(vae.device))
        with framewise():
            latents.append(((encode_mean(vae, video) - mean) / std).half().cpu().numpy())
        crops, rows = [], []
        for row in range(start, min(start + step, count)):
            points = shard.faces[row, 0, 0]
            if np.isfinite(points).all():
                face = Face(
                    box_xyxy_px=points[:4], landmarks_px=points[4:].reshape(5, 2), score=1.0
                )
                transform = similarity_transform(
                    face.landmarks_px, encoder.crop_size_px, encoder.crop_margin
                )
                pixels = align_with(shard.images[row, 0], transform, encoder.crop_size_px)
                crops.append(FaceCrop(pixels=pixels, face=face, source=""))
                rows.append(row)
        if rows:
            embeddings[rows] = encoder.encode(crops)
        if start % (step * 50) == 0:
            on_progress(start, count)
    tokenizer = new_tokenizer()
    flat = [text for pair in shard.captions for text in pair]
    ids = tokenizer(
        flat, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="np"
    )["input_ids"]
    alone = (shard.seeds[:, 0] >= 0) & (shard.seeds[:, 1] < 0)
    heights = shard.faces[:, 0, 0, 3] - shard.faces[:, 0, 0, 1]
    stacked = np.concatenate(latents)
    stride = max(1, (frames - 1) // max(1, stacked.shape[2] - 1))
    result = LatentShard(
        latents=stacked,
        embeddings=embeddings,
        masks=np.asarray(shard.masks[:, 0]),
        seeds=np.where(alone, shard.seeds[:, 0], -1),
        is_photo=alone & (np.nan_to_num(heights) >= _MIN_PHOTO_FACE_PX),
        token_ids=ids.reshape(count, 2, MAX_TOKENS),
        faces=np.asarray(shard.faces[:, ::stride]),
        attributes=np.asarray(shard.attributes),
    )
    with cache_path.with_suffix(".part").open("wb") as file:
        np.savez(
            file,
            **{field.name: getattr(result, field.name) for field in dataclasses.fields(result)},
        )
    cache_path.with_suffix(".part").rename(cache_path)
    return result
