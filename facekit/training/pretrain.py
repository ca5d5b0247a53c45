"""Build the toon backbone together with its base identity adapter, on cached latents of the drawn corpus.

One network learns with and without identity: in a part of the samples nobody is named by an embedding, so the backbone
alone draws what the prompt says; in the others the identity branch says whose face it is, always from other pictures
than the one that is drawn.

Shapes: B batch, T latent frames, L tokens, K identity tokens, D embedding, P photos, S text positions.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from facekit.adapters.attach import attach
from facekit.adapters.conditioning import Conditioning
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.backbones.wan import TOON
from facekit.faces.align import align_with, similarity_transform
from facekit.faces.protocols import IdentityEncoder
from facekit.toon.corpus import load_shard
from facekit.toon.fitting import FitSettings, fit
from facekit.toon.text import MAX_TOKENS, TEXT_DIM, new_text_encoder, new_tokenizer
from facekit.toon.vae import encode_mean, framewise
from facekit.types import Face, FaceCrop

STOCK_TEXT_LENGTH = 512
"""Padding of stock pipelines; half of the samples are trained as if padded to it."""

IDENTITY_DROPOUT = 0.3
TEXT_DROPOUT = 0.1
FIRST_FRAME_GIVEN = 0.35
FACE_WEIGHT = 3.0
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
    """

    latents: np.ndarray
    embeddings: np.ndarray
    masks: np.ndarray
    seeds: np.ndarray
    is_photo: np.ndarray
    token_ids: np.ndarray


@torch.no_grad()
def cache_shard(
    corpus_folder: Path,
    cache_path: Path,
    vae: AutoencoderKLWan,
    encoder: IdentityEncoder,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> LatentShard:
    """Encode one shard of the corpus, or read it where it is cached."""
    if cache_path.is_file():
        with np.load(cache_path) as arrays:
            return LatentShard(**{name: arrays[name] for name in arrays.files})
    shard = load_shard(corpus_folder)
    count, frames = shard.images.shape[:2]
    mean = torch.tensor(vae.config.latents_mean).view(1, -1, 1, 1, 1)
    std = torch.tensor(vae.config.latents_std).view(1, -1, 1, 1, 1)
    latents, embeddings = [], np.full((count, encoder.dim), np.nan, np.float16)
    step = max(1, 64 // frames)
    for start in range(0, count, step):
        images = shard.images[start : start + step]
        video = torch.from_numpy(images).permute(0, 4, 1, 2, 3).float() / 127.5 - 1.0
        with framewise():
            latents.append(((encode_mean(vae, video) - mean) / std).half().numpy())
        crops, rows = [], []
        for row in range(start, min(start + step, count)):
            points = shard.faces[row, 0, 0]
            if np.isfinite(points).all():
                face = Face(box_xyxy_px=points[:4], landmarks_px=points[4:].reshape(5, 2), score=1.0)
                transform = similarity_transform(face.landmarks_px, encoder.crop_size_px, encoder.crop_margin)
                pixels = align_with(shard.images[row, 0], transform, encoder.crop_size_px)
                crops.append(FaceCrop(pixels=pixels, face=face, source=""))
                rows.append(row)
        if rows:
            embeddings[rows] = encoder.encode(crops)
        if start % (step * 50) == 0:
            on_progress(start, count)
    tokenizer = new_tokenizer()
    flat = [text for pair in shard.captions for text in pair]
    ids = tokenizer(flat, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="np")["input_ids"]
    alone = (shard.seeds[:, 0] >= 0) & (shard.seeds[:, 1] < 0)
    heights = shard.faces[:, 0, 0, 3] - shard.faces[:, 0, 0, 1]
    result = LatentShard(
        latents=np.concatenate(latents),
        embeddings=embeddings,
        masks=np.asarray(shard.masks[:, 0]),
        seeds=np.where(alone, shard.seeds[:, 0], -1),
        is_photo=alone & (np.nan_to_num(heights) >= _MIN_PHOTO_FACE_PX),
        token_ids=ids.reshape(count, 2, MAX_TOKENS),
    )
    with cache_path.with_suffix(".part").open("wb") as file:
        np.savez(file, **{field.name: getattr(result, field.name) for field in dataclasses.fields(result)})
    cache_path.with_suffix(".part").rename(cache_path)
    return result


class PaddingProcessor(WanAttnProcessor):
    """Text cross-attention that weighs padding as if there were more of it.

    Stock pipelines pad prompts to 512 with zero vectors, all alike; attending to n of them equals attending to one with
    log(n) added to its logit. Training with a few and a bias makes the backbone indifferent to how long the padding is.
    """

    def __init__(self) -> None:
        """Start without a bias: exactly the stock processor."""
        super().__init__()
        self.bias_B11S: Tensor | None = None

    def __call__(  # noqa: D102
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, *args: Any, **kwargs: Any
    ) -> Tensor:
        result: Tensor = super().__call__(attn, hidden_states, encoder_hidden_states, self.bias_B11S)
        return result


class ToonModel(nn.Module):
    """What is trained together: text encoder, transformer, base identity adapter, and a head that is dropped later."""

    def __init__(self, encoder_name: str, encoder_digest: str, embedding_dim: int, seed: int) -> None:
        """Build everything with random weights from one seed."""
        super().__init__()
        torch.manual_seed(seed)
        self.tokenizer = new_tokenizer()
        self.text_encoder = new_text_encoder(len(self.tokenizer))
        self.transformer = WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=4,
            attention_head_dim=64,
            in_channels=16,
            out_channels=16,
            text_dim=TEXT_DIM,
            freq_dim=256,
            ffn_dim=1024,
            num_layers=6,
            cross_attn_norm=True,
            qk_norm="rms_norm_across_heads",
            rope_max_seq_len=64,
        )
        self.adapter = IdentityAdapter.from_transformer(
            self.transformer, TOON, embedding_dim=embedding_dim, encoder=encoder_name, encoder_digest=encoder_digest
        )
        self.identity_head = nn.Sequential(nn.Linear(256, 256), nn.GELU(), nn.Linear(256, embedding_dim))

    def encode_ids(self, token_ids_BS: Tensor) -> tuple[Tensor, Tensor]:
        """Return text states with zeros at the padding, as stock pipelines make them, and the number of words."""
        mask = (token_ids_BS != 0).long()
        states = self.text_encoder(token_ids_BS, mask).last_hidden_state
        return states * mask[..., None], mask.sum(1)


def train_backbone(
    shards: dict[str, LatentShard],
    model: ToonModel,
    checkpoint_path: Path,
    *,
    steps: int,
    tokens_per_step: int = 3456,
    clip_share: float = 0.35,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Fit backbone and base adapter; resumable.

    Args:
        shards: Cached shards by name, such as "1x1_1" for square pictures and "16x9_9" for wide clips of nine frames.
        model: What is trained.
        checkpoint_path: Where training state is kept.
        steps: Optimiser steps over all sittings.
        tokens_per_step: Latent tokens in a batch, whatever its shape.
        clip_share: Share of the steps that see clips.
        seed: Seed of the sampling.
        on_progress: Called with (done, total).
    """
    padding = PaddingProcessor()
    for block in model.transformer.blocks:
        block.attn2.set_processor(padding)
    attachment = attach(model.adapter, model.transformer, TOON)
    captured: list[Tensor] = []
    model.transformer.blocks[3].register_forward_hook(lambda module, args, output: captured.append(output))
    photos = _photos_by_character(shards)
    names = list(shards)
    clips = np.array([not name.endswith("_1") for name in names])
    sizes = np.array([len(shards[name].latents) * shards[name].latents.shape[2] for name in names], np.float64)
    shares = np.where(clips, clip_share * sizes / max(1.0, sizes[clips].sum()), (1 - clip_share) * sizes / sizes[~clips].sum())

    def losses_of(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([seed, step, 0xB0])
        shard = shards[names[int(rng.choice(len(names), p=shares / shares.sum()))]]
        batch = _sample_batch(shard, photos, rng, tokens_per_step, model.adapter.config.embedding_dim)
        captured.clear()
        # On CPUs the fused attention's backward pass takes twice the time of the plain one at these lengths.
        with torch.autocast("cpu", dtype=torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            text, lengths = model.encode_ids(batch["token_ids"])
            padding.bias_B11S = _padding_bias(lengths, batch["pad_to"])
            tokens = model.adapter.tokens(batch["photos"], batch["photo_weights"])
            with attachment.conditioned_on(Conditioning(identity=tokens, present_B=batch["present"])):
                velocity = model.transformer(
                    hidden_states=batch["noisy"],
                    timestep=batch["timestep"],
                    encoder_hidden_states=text,
                    return_dict=False,
                )[0]
        error = (velocity.float() - batch["velocity"]).square().mean(1)
        weight = batch["weight"]
        losses = {"flow": (error * weight).sum() / weight.sum()}
        mask = batch["token_mask"]
        pooled = (captured[0].float() * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1e-3)
        known = (mask.sum(1) > 0.3) & torch.isfinite(batch["target"]).all(1)
        cosine = F.cosine_similarity(model.identity_head(pooled), torch.nan_to_num(batch["target"]), dim=-1)
        losses["face_head"] = 0.1 * ((1.0 - cosine) * known).sum() / known.sum().clamp(min=1)
        return losses

    def is_muon(name: str) -> bool:
        inside = name.startswith(("transformer.blocks", "adapter.projector.blocks", "text_encoder.encoder.block"))
        return inside and name.endswith("weight") and "relative_attention_bias" not in name

    settings = FitSettings(steps=steps, lr=1.5e-3, muon_lr=0.02, warmup=150, final=0.02, ema=0.999, checkpoint_s=180.0)
    fit(model, losses_of, settings, checkpoint_path, muon=is_muon, on_progress=on_progress)
    attachment.detach()
    for block in model.transformer.blocks:
        block.attn2.set_processor(WanAttnProcessor())


def _photos_by_character(shards: dict[str, LatentShard]) -> dict[int, np.ndarray]:
    """Collect, for each character, the embeddings (P, D) of the pictures that show its face large enough."""
    found: dict[int, list[np.ndarray]] = {}
    for shard in shards.values():
        for row in np.nonzero(shard.is_photo)[0]:
            found.setdefault(int(shard.seeds[row]), []).append(shard.embeddings[row].astype(np.float32))
    return {seed: np.stack(rows) for seed, rows in found.items()}


def _sample_batch(
    shard: LatentShard, photos: dict[int, np.ndarray], rng: np.random.Generator, tokens_per_step: int, dim: int
) -> dict[str, Tensor]:
    _, channels, frames, height, width = shard.latents.shape
    count = max(1, tokens_per_step // (frames * (height // 2) * (width // 2)))
    picks = np.sort(rng.integers(0, len(shard.latents), count))
    clean = torch.from_numpy(shard.latents[picks]).float()
    noise = torch.from_numpy(rng.standard_normal(clean.shape, np.float32))
    sigma = 1.0 / (1.0 + np.exp(-rng.normal(0.2, 1.1, count)))
    per_frame = np.repeat(sigma[:, None], frames, 1).astype(np.float32)
    if frames > 1:
        per_frame[rng.random(count) < FIRST_FRAME_GIVEN, 0] = 0.0
    sigmas = torch.from_numpy(per_frame)[:, None, :, None, None]
    timestep = torch.from_numpy(per_frame * 1000.0)[:, :, None].expand(-1, -1, height // 2 * (width // 2)).flatten(1)
    embeddings, weights, present = np.zeros((count, 5, dim), np.float32), np.zeros((count, 5), np.float32), np.zeros(count, np.float32)
    embeddings[:, :, 0], weights[:, 0] = 1.0, 1.0
    for slot, row in enumerate(picks):
        gallery = photos.get(int(shard.seeds[row]))
        if gallery is None or rng.random() < IDENTITY_DROPOUT:
            continue
        own = shard.embeddings[row].astype(np.float32)
        others = gallery[(gallery @ own) < 0.9999 * float(own @ own)]
        if len(others) == 0:
            continue
        number = min(int(rng.integers(1, 6)), len(others))
        embeddings[slot, :number] = others[rng.choice(len(others), number, replace=False)]
        weights[slot, :number], present[slot] = 1.0, 1.0
        weights[slot, number:] = 0.0
    ids = shard.token_ids[picks, rng.integers(0, 2, count)].copy()
    unnamed = rng.random(count) < TEXT_DROPOUT
    ids[unnamed] = 0
    ids[unnamed, 0] = 1
    mask = torch.from_numpy(shard.masks[picks]).float() / 255.0
    weight = 1.0 + FACE_WEIGHT * mask[:, None].expand(-1, frames, -1, -1)
    weight = weight * (sigmas[:, 0] > 0).float()
    token_mask = F.avg_pool2d(mask[:, None], 2)[:, 0].flatten(1)
    token_mask = torch.cat([token_mask, torch.zeros(count, (frames - 1) * token_mask.shape[1])], 1)
    return {
        "noisy": (1.0 - sigmas) * clean + sigmas * noise,
        "velocity": noise - clean,
        "timestep": timestep,
        "weight": weight,
        "token_mask": token_mask,
        "target": torch.from_numpy(shard.embeddings[picks].astype(np.float32)),
        "photos": torch.from_numpy(embeddings),
        "photo_weights": torch.from_numpy(weights),
        "present": torch.from_numpy(present),
        "token_ids": torch.from_numpy(ids),
        "pad_to": torch.from_numpy(np.where(rng.random(count) < 0.5, MAX_TOKENS, STOCK_TEXT_LENGTH)),
    }


def _padding_bias(lengths_B: Tensor, pad_to_B: Tensor) -> Tensor:
    padding = (MAX_TOKENS - lengths_B).clamp(min=1)
    extra = ((pad_to_B - lengths_B).float() / padding).clamp(min=1.0).log()
    is_padding = torch.arange(MAX_TOKENS)[None] >= lengths_B[:, None]
    return (extra[:, None] * is_padding)[:, None, None]
