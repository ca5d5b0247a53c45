"""A training run with tensors that have no numbers: what a step holds and does.

The objective and the optimizer are those that train. Only face encoders, small beside a video
model, are left out.

Shapes: B samples, C latent channels, F latent frames, H and W latent height and width, P photos, D
embedding.
"""

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from facekit.adapters.attach import attach
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import LoraSettings, named_lora_parameters
from facekit.backbones.family import Text
from facekit.backbones.spec import BackboneSpec
from facekit.training.batches import Batch
from facekit.training.denoiser import Denoiser
from facekit.training.ledger import Ledger
from facekit.training.objective import IdentityTokens, Objective, StepLosses
from facekit.training.optimizer import Group, Optimizer
from facekit.training.scopes import checkpointed, frozen, pooled
from facekit.training.settings import TrainSettings
from facekit.training.sketch import Outline

__all__ = ["FakeRun", "Found", "Situation"]

_EMBEDDING = 512
_CROP_PX = 112


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a recipe does not say."""

    device: str = "cuda"
    """``cuda`` or ``cpu``. On the CPU nothing waits anywhere else."""
    num_views: int = 24
    """Pictures and windows of clips that are learned from."""
    num_tokens: int = 16
    """Identity tokens of a character."""
    validated_frames: int = 1
    """Frames of a clip that validation samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What steps held and did."""

    tokens: int
    """Of a step, those that the network sees."""
    flops: float
    """Of a mean step."""
    trained: float
    """Bytes of what learns and of what is kept of it, AdamW's moments included."""
    num_trained: float
    activations: float
    """The most bytes beside weights and what learns."""

    @classmethod
    def total(cls, parts: "list[Found]", weights: list[float]) -> "Found":
        """What the whole network takes, of what shorter ones took."""

        def of(name: str) -> float:
            return sum(
                weight * float(getattr(part, name))
                for part, weight in zip(parts, weights, strict=True)
            )

        names = ("flops", "trained", "num_trained", "activations")
        return cls(tokens=parts[0].tokens, **{name: of(name) for name in names})


class _Encoder:
    """Stands for a face encoder, which is small beside a video model."""

    crop_size_px = _CROP_PX
    crop_margin = 0.0
    dim = _EMBEDDING

    def embed(self, crops: Tensor) -> Tensor:
        return crops.flatten(1)[:, :_EMBEDDING]


class _Counted(Objective):
    """The objective of training, which tells what its terms cost."""

    ledger: Ledger
    flash = True
    """Whether attention never holds the matrix of all pairs, as on graphics cards."""
    predicting = 0
    embedding = 0

    def _flow_and_identity(self, batch: Batch) -> StepLosses:
        kinds = [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]
        with sdpa_kernel(kinds) if self.flash else nullcontext():
            return super()._flow_and_identity(batch)

    def _predict(self, noisy: Tensor, sigma_B: Tensor, text: Text) -> Tensor:
        before = self.ledger.flops
        prediction = super()._predict(noisy, sigma_B, text)
        self.predicting = self.ledger.flops - before
        return prediction

    def _embed(
        self, latents_BCFHW: Tensor, frames: Sequence[int], transforms_B23: Tensor
    ) -> Tensor:
        before = self.ledger.flops
        embedding = super()._embed(latents_BCFHW, frames, transforms_B23)
        # As much again in the backward pass: nothing of it is trained.
        self.embedding = 2 * (self.ledger.flops - before)
        return embedding


class FakeRun:
    """One backbone of fake tensors, and what is asked of it."""

    def __init__(
        self,
        spec: BackboneSpec,
        pipe: Any,
        made: Outline,
        settings: TrainSettings,
        lora: LoraSettings | None,
        situation: Situation,
        ledger: Ledger,
        low_noise: float,
    ) -> None:
        self.spec, self.made, self.settings, self.lora = spec, made, settings, lora
        self.situation, self.ledger = situation, ledger
        self.low_noise = low_noise  # share of samples that the identity loss looks at
        self.denoiser = Denoiser(pipe=pipe, spec=spec, expert=lora.expert if lora else "low")

    def encoded(self, num_frames: int = 0) -> tuple[tuple[int, ...], int]:
        """Shape of a view's latents (C, F, H, W), and bytes that encoding it takes beside weights.

        The largest of the backbone's sizes counts.
        """
        height, width = max(self.spec.sizes.values(), key=lambda size: size[0] * size[1])
        frames = torch.empty(1, 3, num_frames or self.settings.num_frames, height, width)
        before = self.ledger.live
        self.ledger.restart()
        with torch.no_grad():
            latents = self.denoiser.encode_video(frames)
        return tuple(latents.shape[1:]), self.ledger.peak - before

    def steps(self, latents: tuple[int, ...]) -> Found:
        """A step of photos, and one of clips where they are learned from; the larger one counts."""
        network, settings = self.denoiser.network, self.settings
        learning = {id(parameter) for parameter in named_lora_parameters(network).values()}
        held = [p for p in network.parameters() if id(p) not in learning]
        self.ledger.add((*held, *network.buffers()))
        with ExitStack() as stack:
            stack.enter_context(frozen(network, self.denoiser.pipe.vae))
            before = self.ledger.live
            objective, optimizer = self._objective(stack)
            if settings.memory.checkpointing_every:
                stack.enter_context(checkpointed(network, settings.memory.checkpointing_every))
            flops, most = self._step(objective, optimizer, latents, settings.batch_size)
            tokens = settings.batch_size * self._tokens(latents)
            num_frames = settings.clips.num_frames
            if num_frames:
                window, _ = self.encoded(num_frames)
                batch = max(1, round(settings.batch_size * prod(latents) / prod(window)))
                clip_flops, clip_most = self._step(objective, optimizer, window, batch)
                share = settings.clips.share
                flops = flops * (1 - share) + clip_flops * share
                most = max(most, clip_most)
                tokens = max(tokens, batch * self._tokens(window))
            trained = self.ledger.live - before
        return Found(
            tokens=tokens,
            flops=flops,
            trained=trained,
            num_trained=sum(p.numel() for p in optimizer.parameters.values()) if optimizer else 0,
            activations=most,
        )

    def _objective(self, stack: ExitStack) -> tuple[_Counted, Optimizer | None]:
        """As ``train_character`` puts it together."""
        settings, spec, denoiser = self.settings, self.spec, self.denoiser
        network = denoiser.network
        adapter = attachment = tokens = None
        groups = []
        if settings.has_identity:
            adapter = IdentityAdapter.from_transformer(
                network, spec, embedding_dim=_EMBEDDING, num_tokens=self.situation.num_tokens
            )
            stack.enter_context(frozen(adapter))
            stack.enter_context(pooled(adapter, settings))
            attachment = stack.enter_context(attach(adapter, network, spec, pipe=denoiser.pipe))
        if adapter is not None and settings.trains_tokens:
            tokens = IdentityTokens(adapter.config.num_tokens, adapter.config.token_dim)
            groups.append(Group(name="tokens", parameters={"t": tokens.shift_1KC}, lr=1e-3))
        if self.lora is not None and settings.trains_lora:
            named = named_lora_parameters(network)
            for parameter in named.values():
                # A copy, so that it counts as what learns, whatever it was before.
                parameter.data = parameter.data.to(torch.float32, copy=True)
                parameter.requires_grad_(True)
            groups.append(Group(name="lora", parameters=named, lr=settings.lora_lr))
        encoder: Any = _Encoder()
        objective = _Counted(
            denoiser,
            replace(settings, weights=replace(settings.weights, contrastive=0.0)),
            encoder,
            adapter=adapter,
            attachment=attachment,
            tokens=tokens,
        )
        objective.ledger = self.ledger
        objective.flash = self.situation.device != "cpu"
        if not groups:
            return objective, None
        optimizer = Optimizer(
            tuple(groups), warmup=1, grad_clip=settings.grad_clip, ema=settings.ema
        )
        return objective, optimizer

    def _step(
        self,
        objective: _Counted,
        optimizer: Optimizer | None,
        latents: tuple[int, ...],
        batch_size: int,
    ) -> tuple[float, int]:
        """Operations of a mean step, and the most bytes of one beside what is always there."""
        if optimizer is None:
            return 0.0, 0
        weights = self.settings.weights
        batch = self._batch(latents, batch_size)
        with torch.no_grad():  # what is made once for every size is made here
            objective._predict(batch.latents_BCFHW, batch.sigma_B, batch.text)
        before = self.ledger.live
        objective.embedding = 0
        self.ledger.restart()
        objective.backward(batch)
        peak = self.ledger.peak - before
        flops = float(self.ledger.flops - objective.embedding)
        if self.settings.trains_lora and weights.preservation > 0:
            # The same again without the identity loss, the base asked once more, beside gradients.
            flops += weights.preservation_probability * (flops + objective.predicting)
            peak += sum(4 * parameter.numel() for parameter in optimizer.parameters.values())
        flops += objective.embedding * self.low_noise
        optimizer.step(0, 1)
        return flops, peak

    def _batch(self, latents: tuple[int, ...], count: int) -> Batch:
        def text() -> dict[str, Tensor]:
            like = self.made.shapes.text
            return {name: torch.ones(count, *shape) for name, shape in like.items()}

        photos = self.settings.max_photos if self.settings.pool == "concat" else 3
        return Batch(
            latents_BCFHW=torch.ones(count, *latents),
            noise_BCFHW=torch.ones(count, *latents),
            sigma_B=torch.full((count,), 0.1),
            text=text(),
            class_text=text(),
            masks_BFHW=torch.ones(count, *latents[1:]),
            masked_B=torch.ones(count, dtype=torch.bool),
            embeddings_BPD=torch.ones(count, photos, _EMBEDDING),
            weights_BP=torch.ones(count, photos),
            present_B=torch.ones(count),
            named_B=torch.ones(count, dtype=torch.bool),
            reference_BD=torch.ones(count, _EMBEDDING),
            transforms_B23=torch.eye(2, 3).repeat(count, 1, 1),
            face_frames=(0,) * count,
            preserve=False,
        )

    def decoded(self, latents: tuple[int, ...]) -> int:
        """Bytes that decoding a clip of validation takes beside weights."""
        if self.situation.validated_frames != self.settings.num_frames:
            latents, _ = self.encoded(self.situation.validated_frames)
        before = self.ledger.live
        self.ledger.restart()
        with torch.no_grad():
            self.denoiser.decode(torch.empty(1, *latents))
        return self.ledger.peak - before

    def _tokens(self, latents: tuple[int, ...]) -> int:
        """Positions that the network sees of latents (C, F, H, W)."""
        config = self.made.network.config
        patch = config.get("patch_size") or 1
        if isinstance(patch, int):
            patch = (config.get("patch_size_t") or 1, patch, patch)
        return prod(latents[1:]) // prod(patch)
