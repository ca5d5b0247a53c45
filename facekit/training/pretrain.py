"""Build the toon backbone together with its base identity adapter, on cached latents.

One network learns with and without identity: in a part of the samples nobody is named by an
embedding, so the backbone alone draws what the prompt says; in the others the identity branch says
whose face it is, always from other pictures than the one that is drawn.

Shapes: B batch, D embedding, P photos, S text positions.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from torch import Tensor

from facekit.adapters.attach import attach
from facekit.adapters.conditioning import Conditioning
from facekit.backbones.noise import NUM_TRAIN_TIMESTEPS
from facekit.backbones.wan import TOON
from facekit.toon.fitting import CPU, Batch, FitSettings, fit
from facekit.toon.text import MAX_TOKENS
from facekit.training.denoiser import attention_kernels, autocast
from facekit.training.latents import LatentShard
from facekit.training.toon_model import PaddingProcessor, ToonModel, padding_bias
from facekit.training.truth_heads import landmark_targets

__all__ = ["STOCK_TEXT_LENGTH", "train_backbone"]

STOCK_TEXT_LENGTH = 512
"""Padding of stock pipelines; half of the samples are trained as if padded to it."""

_IDENTITY_DROPOUT = 0.4
_TEXT_DROPOUT = 0.1
_FIRST_FRAME_GIVEN = 0.35
_READ_AT = 2
"""Block whose output the truth heads read: as many blocks again are left to draw what it knows."""
_SIGMA_LOGIT = (0.4, 1.1)
"""Mean and deviation of the noise level's logit: layout and faces are decided at high noise."""
_PLAIN_FACE_SHARE = 3.0
"""How much likelier a picture is drawn that shows one face, near and not turned far."""
_TOKEN_PX = 16
"""Side of what one token covers: 8 px a latent, 2 x 2 latents a token."""
_FACE_WEIGHT = 5.0
_TRUTH_WEIGHTS = {"face_identity": 0.1, "face_attributes": 0.03, "face_landmarks": 1.0}


def train_backbone(
    shards: dict[str, LatentShard],
    model: ToonModel,
    checkpoint_path: Path,
    *,
    steps: int,
    tokens_per_step: int,
    clip_share: float = 0.35,
    pictures_first: float = 0.6,
    seed: int = 0,
    device: torch.device = CPU,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Fit backbone and base adapter; resumable.

    Args:
        shards: Cached shards by name, such as "1x1_1" for square pictures and "16x9_9" for wide
            clips of nine frames.
        model: What is trained.
        checkpoint_path: Where training state is kept.
        steps: Optimiser steps over all sittings.
        tokens_per_step: Latent tokens in a batch, whatever its shape.
        clip_share: Share of the steps that see clips, once they do.
        pictures_first: Part of the steps that see pictures only: per token, they teach most.
        seed: Seed of the sampling.
        device: Where it is fitted, and where the model is on return.
        on_progress: Called with (done, total).
    """
    padding = PaddingProcessor()
    for block in model.transformer.blocks:
        block.attn2.set_processor(padding)
    attachment = attach(model.adapter, model.transformer, TOON)
    captured: list[Tensor] = []
    model.transformer.blocks[_READ_AT].register_forward_hook(
        lambda module, args, output: captured.append(output)
    )
    photos = _photos_by_character(shards)
    odds = {name: _odds(shard) for name, shard in shards.items()}
    names = list(shards)
    clips = np.array([not name.endswith("_1") for name in names])
    sizes = np.array(
        [len(shards[name].latents) * shards[name].latents.shape[2] for name in names], np.float64
    )

    def batch_of(step: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([seed, step, 0xB0])
        share = clip_share if step >= pictures_first * steps else 0.0
        shares = np.where(
            clips,
            share * sizes / max(1.0, sizes[clips].sum()),
            (1 - share) * sizes / sizes[~clips].sum(),
        )
        name = names[int(rng.choice(len(names), p=shares / shares.sum()))]
        return _sample_batch(
            shards[name],
            odds[name],
            photos,
            rng,
            tokens_per_step,
            model.adapter.config.embedding_dim,
        )

    def losses_of(step: int, drawn: Batch) -> dict[str, Tensor]:
        batch = _with_noise(drawn)
        captured.clear()
        with autocast(device, "bfloat16"), attention_kernels(device, "bfloat16"):
            text, lengths = model.encode_ids(batch["token_ids"])
            padding.bias_B11S = padding_bias(lengths, batch["pad_to"])
            tokens = model.adapter.tokens(batch["photos"], batch["photo_weights"])
            with attachment.conditioned_on(
                Conditioning(identity=tokens, present_B=batch["present"])
            ):
                velocity = model.transformer(
                    hidden_states=batch["noisy"],
                    timestep=batch["timestep"],
                    encoder_hidden_states=text,
                    return_dict=False,
                )[0]
        error = (velocity.float() - batch["velocity"]).square().mean(1)
        weight = batch["weight"]
        losses = {"flow": (error * weight).sum() / weight.sum()}
        truths = model.heads.losses(
            captured[0],
            face_tokens_BN=batch["token_mask"],
            embeddings_BD=batch["target"],
            attributes_B8=batch["attributes"],
            landmarks_BN10=batch["landmarks"],
            near_BN=batch["near"],
        )
        losses |= {name: _TRUTH_WEIGHTS[name] * value for name, value in truths.items()}
        return losses

    def is_muon(name: str) -> bool:
        inside = name.startswith(
            ("transformer.blocks", "adapter.projector.blocks", "text_encoder.encoder.block")
        )
        return inside and name.endswith("weight") and "relative_attention_bias" not in name

    settings = FitSettings(
        steps=steps, lr=1.5e-3, muon_lr=0.02, warmup=150, final=0.02, ema=0.998, checkpoint_s=180.0
    )
    fit(
        model,
        batch_of,
        losses_of,
        settings,
        checkpoint_path,
        device=device,
        muon=is_muon,
        on_progress=on_progress,
    )
    attachment.detach()
    for block in model.transformer.blocks:
        block.attn2.set_processor(WanAttnProcessor())


def _photos_by_character(shards: dict[str, LatentShard]) -> dict[int, np.ndarray]:
    """Collect, for each character, the embeddings (P, D) of pictures with a large enough face."""
    found: dict[int, list[np.ndarray]] = {}
    for shard in shards.values():
        for row in np.nonzero(shard.is_photo)[0]:
            found.setdefault(int(shard.seeds[row]), []).append(
                shard.embeddings[row].astype(np.float32)
            )
    return {seed: np.stack(rows) for seed, rows in found.items()}


def _odds(shard: LatentShard) -> np.ndarray:
    """Return the probability (N,) of each sample of a shard."""
    left, right, nose = (shard.faces[:, 0, 0, 4 + 2 * i : 6 + 2 * i] for i in range(3))
    with np.errstate(invalid="ignore", divide="ignore"):
        eyes_px = np.linalg.norm(right - left, axis=1)
        turned = np.abs(nose[:, 0] - (left[:, 0] + right[:, 0]) / 2.0) / eyes_px
        plain = shard.is_photo & (turned < 0.1)
    odds: np.ndarray = np.where(plain, _PLAIN_FACE_SHARE, 1.0)
    return np.asarray(odds / odds.sum())


def _sample_batch(
    shard: LatentShard,
    odds: np.ndarray,
    photos: dict[int, np.ndarray],
    rng: np.random.Generator,
    tokens_per_step: int,
    dim: int,
) -> dict[str, np.ndarray]:
    """Draw samples of a shard and everything that chance decides; names as in `_with_noise`."""
    frames, height, width = shard.latents.shape[2:]
    count = max(1, tokens_per_step // (frames * (height // 2) * (width // 2)))
    picks = np.sort(rng.choice(len(shard.latents), count, p=odds))
    clean = shard.latents[picks]
    noise = rng.standard_normal(clean.shape, np.float32)
    sigma = 1.0 / (1.0 + np.exp(-rng.normal(*_SIGMA_LOGIT, count)))
    per_frame = np.repeat(sigma[:, None], frames, 1).astype(np.float32)
    if frames > 1:
        per_frame[rng.random(count) < _FIRST_FRAME_GIVEN, 0] = 0.0
    embeddings, weights, present = (
        np.zeros((count, 5, dim), np.float32),
        np.zeros((count, 5), np.float32),
        np.zeros(count, np.float32),
    )
    embeddings[:, :, 0], weights[:, 0] = 1.0, 1.0
    for slot, row in enumerate(picks):
        gallery = photos.get(int(shard.seeds[row]))
        if gallery is None or rng.random() < _IDENTITY_DROPOUT:
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
    unnamed = rng.random(count) < _TEXT_DROPOUT
    ids[unnamed] = 0
    ids[unnamed, 0] = 1
    return {
        "clean": clean,
        "noise": noise,
        "sigmas": per_frame,
        "masks": shard.masks[picks],
        "faces": shard.faces[picks],
        "target": shard.embeddings[picks].astype(np.float32),
        "attributes": shard.attributes[picks],
        "photos": embeddings,
        "photo_weights": weights,
        "present": present,
        "token_ids": ids,
        "pad_to": np.where(rng.random(count) < 0.5, MAX_TOKENS, STOCK_TEXT_LENGTH),
    }


def _with_noise(drawn: Batch) -> dict[str, Tensor]:
    """Turn what was drawn into what the model sees and what it must say.

    Args:
        drawn: Of `_sample_batch`: `clean` latents float16 (B, 16, T, h, w) and `noise` as large,
            `sigmas` (B, T), `masks` uint8 (B, h, w), `faces` (B, T, 3, 14), `token_ids` (B, S),
            `photos` (B, P, D) with `photo_weights` (B, P), `present` (B,); `target`, `attributes`
            and `pad_to` as the losses take them.

    Returns:
        The same, with `noisy` latents and their `velocity`, the `timestep` of each token, the
        `weight` of each latent position, the share of each token that is face (`token_mask`), and
        `landmarks` and `near` of `landmark_targets`.
    """
    clean, noise = drawn["clean"].float(), drawn["noise"]
    count, _, frames, height, width = clean.shape
    rows, columns = height // 2, width // 2
    sigmas = drawn["sigmas"][:, None, :, None, None]
    timestep = (drawn["sigmas"] * NUM_TRAIN_TIMESTEPS)[:, :, None].expand(-1, -1, rows * columns)
    mask = drawn["masks"].float() / 255.0
    weight = 1.0 + _FACE_WEIGHT * mask[:, None].expand(-1, frames, -1, -1)
    weight = weight * (sigmas[:, 0] > 0).float()
    token_mask = F.avg_pool2d(mask[:, None], 2)[:, 0].flatten(1)
    unmasked = token_mask.new_zeros(count, (frames - 1) * token_mask.shape[1])
    landmarks, near = landmark_targets(drawn["faces"], rows, columns, _TOKEN_PX)
    return {
        **drawn,
        "noisy": (1.0 - sigmas) * clean + sigmas * noise,
        "velocity": noise - clean,
        "timestep": timestep.flatten(1),
        "weight": weight,
        "token_mask": torch.cat([token_mask, unmasked], 1),
        "landmarks": landmarks,
        "near": near,
    }
