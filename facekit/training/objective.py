"""One step's losses and their gradients.

Shapes: B samples, C latent channels, F latent frames, H and W latent height and width, P photos, D
embedding, K identity tokens, N negatives.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from facekit.adapters.attach import Attachment
from facekit.adapters.conditioning import Conditioning
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import lora_disabled
from facekit.backbones.family import Text
from facekit.errors import TrainingError
from facekit.faces.align import align_tensor
from facekit.faces.protocols import IdentityEncoder
from facekit.training import losses
from facekit.training.batches import Batch
from facekit.training.denoiser import Denoiser, attention_kernels, autocast
from facekit.training.settings import TrainSettings

__all__ = ["IdentityTokens", "Objective", "StepLosses", "shift_tokens"]


class IdentityTokens(nn.Module):
    """What is learned about one character: a shift of the tokens that its photos project to."""

    def __init__(self, num_tokens: int, token_dim: int) -> None:
        super().__init__()
        self.shift_1KC = nn.Parameter(torch.zeros(1, num_tokens, token_dim))

    def forward(self, tokens_BKC: Tensor) -> Tensor:
        """Shift projected tokens; several photos in a row are each shifted alike."""
        return shift_tokens(tokens_BKC, self.shift_1KC)


def shift_tokens(tokens_BKC: Tensor, shift_1KC: Tensor) -> Tensor:
    """Add the learned shift to the tokens of every photo."""
    photos = tokens_BKC.shape[1] // shift_1KC.shape[1]
    return tokens_BKC + shift_1KC.repeat(1, photos, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLosses:
    """Each term before its weight; None where the step did not compute it."""

    total: float
    flow: float | None = None
    identity: float | None = None
    likeness: float | None = None
    """Mean similarity of the decoded estimates, not part of the loss."""
    preservation: float | None = None
    contrastive: float | None = None
    judged: int = 0
    """Samples that `likeness` is the mean of."""

    def to_json(self) -> dict[str, float]:
        """The terms that were computed."""
        names = ("total", "flow", "identity", "likeness", "preservation", "contrastive")
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


class Objective:
    """Computes the losses of a batch and adds their gradients.

    Args:
        denoiser: The backbone, frozen but for its LoRA.
        settings: Weights and noise levels.
        encoder: The training encoder.
        adapter: The frozen base identity adapter; None without an identity branch.
        attachment: Of that adapter.
        tokens: What is learned about the identity; None when nothing is.
        others_ND: Embeddings of other people, for the contrastive term.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        settings: TrainSettings,
        encoder: IdentityEncoder,
        *,
        adapter: IdentityAdapter | None = None,
        attachment: Attachment | None = None,
        tokens: IdentityTokens | None = None,
        others_ND: Tensor | None = None,
    ) -> None:
        if settings.weights.contrastive > 0 and others_ND is None:
            raise TrainingError(
                "loss.contrastive is above 0 and there are no other faces to compare with,"
                " expected a bank of embeddings; set loss.contrastive to 0 or pass others"
            )
        self.denoiser = denoiser
        self.settings = settings
        self.encoder = encoder
        self.adapter = adapter
        self.attachment = attachment
        self.tokens = tokens
        self.others_ND = others_ND

    def backward(self, batch: Batch) -> StepLosses:
        """Add the gradients of one batch to what is trained."""
        with attention_kernels(batch.latents_BCFHW.device, self.settings.precision):
            flow = self._flow_and_identity(batch)
            preservation = self._preservation(batch) if batch.preserve else None
        total = flow.total
        if preservation is not None:
            total += self.settings.weights.preservation * preservation
        return StepLosses(
            total=total,
            flow=flow.flow,
            identity=flow.identity,
            likeness=flow.likeness,
            contrastive=flow.contrastive,
            preservation=preservation,
            judged=flow.judged,
        )

    def num_decoded(self, batch: Batch) -> int:
        """How many samples of a batch the identity loss looks at."""
        return len(self._low_noise(batch))

    def _flow_and_identity(self, batch: Batch) -> StepLosses:
        weights = self.settings.weights
        sigma_B = batch.sigma_B
        process = self.denoiser.process
        noisy = process.add_noise(batch.latents_BCFHW, batch.noise_BCFHW, sigma_B)
        # The condition stands during backward too: checkpointed blocks run again there.
        with self._conditioned(batch):
            prediction = self._predict(noisy, sigma_B, batch.text)
            target = process.target(batch.latents_BCFHW, batch.noise_BCFHW, sigma_B)
            flow = losses.flow_loss(prediction, target, batch.masks_BFHW, batch.masked_B)
            loss = weights.flow * flow
            identity = contrastive = likeness = None
            chosen = self._low_noise(batch)
            if len(chosen):
                estimate = process.predict_clean(noisy[chosen], prediction[chosen], sigma_B[chosen])
                frames = [batch.face_frames[index] for index in chosen]
                embedding_BD = self._embed(estimate, frames, batch.transforms_B23[chosen])
                gain_B = losses.low_noise_gain(sigma_B[chosen], weights.identity_max_sigma)
                reference_BD = batch.reference_BD[chosen]
                cosine_B = functional.cosine_similarity(embedding_BD, reference_BD)
                likeness = float(cosine_B.detach().mean())
                count = len(sigma_B)
                if weights.identity > 0:
                    identity = losses.identity_loss(cosine_B, gain_B, count)
                    loss = loss + weights.identity * identity
                if weights.contrastive > 0 and self.others_ND is not None:
                    contrastive = losses.contrastive_loss(
                        embedding_BD, reference_BD, self.others_ND, gain_B, count
                    )
                    loss = loss + weights.contrastive * contrastive
            if loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
        return StepLosses(
            total=float(loss.detach()),
            flow=float(flow.detach()) if weights.flow > 0 else None,
            identity=None if identity is None else float(identity.detach()),
            likeness=likeness,
            contrastive=None if contrastive is None else float(contrastive.detach()),
            judged=len(chosen),
        )

    def _preservation(self, batch: Batch) -> float:
        """Pull the class prompt back to the base model; the identity takes no part."""
        noisy = self.denoiser.process.add_noise(
            batch.latents_BCFHW, batch.noise_BCFHW, batch.sigma_B
        )
        nobody = self.attachment.disabled() if self.attachment else nullcontext()
        with nobody:
            with torch.no_grad(), lora_disabled(self.denoiser.network):
                base = self._predict(noisy, batch.sigma_B, batch.class_text)
            prediction = self._predict(noisy, batch.sigma_B, batch.class_text)
            loss = losses.preservation_loss(prediction, base)
            (self.settings.weights.preservation * loss).backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _predict(self, noisy: Tensor, sigma_B: Tensor, text: Text) -> Tensor:
        with autocast(noisy.device, self.settings.precision):
            return self.denoiser.predict(noisy, sigma_B, text).float()

    def _embed(
        self, latents_BCFHW: Tensor, frames: Sequence[int], transforms_B23: Tensor
    ) -> Tensor:
        """Decode one latent frame of each sample, align it as its picture is, and embed it."""
        one_BCFHW = torch.stack(
            [latents[:, at : at + 1] for latents, at in zip(latents_BCFHW, frames, strict=True)]
        )
        with autocast(latents_BCFHW.device, self.settings.precision):
            pixels_BCFHW = self.denoiser.decode(one_BCFHW).float()
        crops = align_tensor(pixels_BCFHW[:, :, 0], transforms_B23, self.encoder.crop_size_px)
        return self.encoder.embed(crops).float()

    def _low_noise(self, batch: Batch) -> list[int]:
        """Samples whose estimate is worth decoding; the caption alone cannot say who it is."""
        weights = self.settings.weights
        if not weights.decodes:
            return []
        known = batch.present_B > 0 if self.settings.has_identity else batch.named_B
        good = known & (batch.sigma_B < weights.identity_max_sigma)
        return [int(index) for index in good.nonzero().flatten()]

    def _conditioned(self, batch: Batch) -> Any:
        if self.adapter is None or self.attachment is None:
            return nullcontext()
        with torch.no_grad():
            tokens_BKC = self.adapter.tokens(batch.embeddings_BPD, batch.weights_BP)
        if self.tokens is not None:
            tokens_BKC = self.tokens(tokens_BKC)
        present_B: Tensor | None = batch.present_B
        if self.adapter.null is not None:
            null = self.adapter.null_tokens(len(batch.present_B))
            here = batch.present_B.view(-1, 1, 1)
            copies = tokens_BKC.shape[1] // null.shape[1]
            tokens_BKC = here * tokens_BKC + (1 - here) * null.repeat(1, copies, 1)
            present_B = None
        return self.attachment.conditioned_on(
            Conditioning(
                identity=self.adapter.fold(tokens_BKC),
                strength=self.settings.strength,
                window=self.settings.sigma_window,
                present_B=present_B,
            )
        )
