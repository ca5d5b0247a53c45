"""The ways to train that `benchmarks.training` compares, each as an iterator over its steps."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.floor_loop import floor_steps
from benchmarks.training_shapes import EMBEDDING_DIM, Work, photos, pipeline
from facekit.adapters.attach import attach
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import LoraSettings, add_lora, lora_state, remove_lora
from facekit.faces.toon import load_toon_faces
from facekit.recipe import MemorySection, Recipe
from facekit.training.batches import make_batch
from facekit.training.checkpoint import TrainState
from facekit.training.denoiser import Denoiser
from facekit.training.encoded import EncodedPhotos
from facekit.training.metrics import MetricsLog, read_metrics
from facekit.training.objective import IdentityTokens, Objective
from facekit.training.optimizer import Group, Optimizer
from facekit.training.scopes import checkpointed, frozen, with_lora
from facekit.training.settings import Dropout, TrainSettings
from facekit.training.trainer import Trainer
from facekit.types import NoProgress

__all__ = ["IDENTITY_EVERY", "ROWS", "Bench"]

ROWS = ("floor", "lora", "lora_identity", "lora_identity_loss")
IDENTITY_EVERY = 4
Steps = Iterator[tuple[float, float]]
"""The flow loss and the gradient norm of the LoRA, of the first step at least."""


class Bench:
    """One shape on one device, and the ways to train on it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.device = torch.device(options.device)
        self.bfloat16 = options.dtype == "bfloat16"
        dtype = torch.bfloat16 if self.bfloat16 else torch.float32
        self.work: Work = pipeline(
            options.shape, self.device, dtype, frames=options.frames, size=options.size
        )
        self.photos: EncodedPhotos = photos(self.work, self.device)
        self.lora = LoraSettings(rank=options.rank, alpha=float(options.rank))
        network, spec = self.work.network, self.work.spec
        network.requires_grad_(False)
        add_lora(network, spec, self.lora, seed=0)
        self.start = lora_state(network)
        remove_lora(network)
        self.adapter = IdentityAdapter.from_transformer(
            network, spec, embedding_dim=EMBEDDING_DIM
        ).to(self.device)
        # A branch with exactly no effect would teach its tokens nothing, and training stops then;
        # with this little the first step is still the bare loop's.
        for _, branch in self.adapter.branches():
            torch.nn.init.normal_(branch.to_v.weight, std=1e-4)
        self.settings = self._settings()

    def _settings(self) -> TrainSettings:
        """A plain LoRA: no masks, no dropout, no second loss, so that all rows do the same."""
        options, own = self.options, TrainSettings.from_recipe(Recipe())
        return replace(
            own,
            level="none",
            steps=10**6,
            batch_size=options.batch_size,
            lora_lr=options.lr,
            warmup=0,
            ema=0.0,
            seed=0,
            weight_decay=0.01,
            checkpoint_every=10**6,
            validate_every=0,
            precision="bfloat16" if self.bfloat16 else "float32",
            memory=MemorySection(checkpointing_every=int(options.checkpointing)),
            dropout=Dropout(identity=0.0, text=0.0, both=0.0),
            weights=replace(own.weights, face_mask_probability=0.0, identity=0.0, preservation=0.0),
        )

    def steps(self, row: str) -> Steps:
        """Set a row up and train for as long as somebody asks."""
        return self._floor() if row == "floor" else self._facekit(row)

    def _floor(self) -> Steps:
        work, spec = self.work, self.work.spec
        shift = spec.family.shift(work.pipe)
        batch = make_batch(0, self.settings, self.photos, shift)
        per_token = work.tokens if work.pipe.config.get("expand_timesteps") else 0
        texts = self.photos.texts["encoder_hidden_states"][1:]
        told = batch.text["encoder_hidden_states"]
        with ExitStack() as stack:
            if self.options.checkpointing:
                stack.enter_context(checkpointed(work.network))
            steps = floor_steps(
                work.network,
                torch.stack(self.photos.latents),
                texts,
                rank=self.lora.rank,
                targets=list(spec.lora_targets),
                batch=self.settings.batch_size,
                lr=self.settings.lora_lr,
                clip=self.settings.grad_clip,
                shift=shift,
                time_per_token=per_token,
                start=self.start,
                first=(batch.latents_BCFHW, batch.noise_BCFHW, batch.sigma_B, told),
                bfloat16=self.bfloat16,
            )
            yield from stack.enter_context(closing(steps))

    def _facekit(self, row: str) -> Steps:
        """Step by step what `facekit train` does, its log included."""
        work, settings = self.work, self.settings
        denoiser = Denoiser(pipe=work.pipe, spec=work.spec)
        adapter = self.adapter if row != "lora" else None
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            stack.enter_context(frozen(work.network, work.pipe.vae, adapter))
            attachment = tokens = None
            groups = []
            if adapter is not None:
                settings = replace(settings, level="L2")
                attachment = stack.enter_context(
                    attach(adapter, work.network, work.spec, pipe=work.pipe)
                )
                tokens = IdentityTokens(adapter.config.num_tokens, adapter.config.token_dim)
                tokens = tokens.to(self.device)
                shift = {"tokens.shift": tokens.shift_1KC}
                groups.append(Group(name="tokens", parameters=shift, lr=settings.token_lr))
            learned = stack.enter_context(with_lora(work.network, work.spec, self.lora, settings))
            groups.append(
                Group(
                    name="lora",
                    parameters=learned,
                    lr=settings.lora_lr,
                    weight_decay=settings.weight_decay,
                )
            )
            if settings.memory.checkpointing_every:
                stack.enter_context(checkpointed(work.network))
            faces: Any = load_toon_faces("toon-a").to(self.device) if "loss" in row else None
            objective = Objective(
                denoiser, settings, faces, adapter=adapter, attachment=attachment, tokens=tokens
            )
            optimizer = Optimizer(tuple(groups), warmup=0, grad_clip=settings.grad_clip, ema=0.0)
            trainer = Trainer(
                objective,
                optimizer,
                self.photos,
                settings,
                shift=denoiser.shift,
                out_dir=folder,
                run_digest="",
                progress=NoProgress(),
            )
            log = stack.enter_context(MetricsLog(trainer.metrics_path, -1))
            asks = replace(settings.weights, identity=0.1, identity_max_sigma=1.0)
            state = TrainState(step=0, total_steps=settings.steps)
            while True:
                judged = "loss" in row and state.step % IDENTITY_EVERY == IDENTITY_EVERY - 1
                objective.settings = replace(settings, weights=asks) if judged else settings
                state, _ = trainer._one_step(state, log)
                seen = read_metrics(trainer.metrics_path)[0] if state.step == 1 else {}
                yield seen.get("loss/flow", 0.0), seen.get("grad_norm/lora", 0.0)
