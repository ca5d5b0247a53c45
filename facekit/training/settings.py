"""What a training run needs to know, gathered from the recipe's sections and nothing else."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from facekit.recipe import Recipe

__all__ = ["Dropout", "LossWeights", "Precision", "TrainSettings"]

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """The terms of the loss; 0 switches a term off, and then it costs nothing."""

    flow: float = 1.0
    face_mask_probability: float = 0.5
    identity: float = 0.1
    identity_max_sigma: float = 0.5
    preservation: float = 1.0
    preservation_probability: float = 0.25
    contrastive: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout:
    """Probabilities, per sample, of hiding a condition."""

    identity: float = 0.1
    text: float = 0.1
    both: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """One run of the loop."""

    level: Literal["L0", "L1", "L2", "none"] = "L2"
    steps: int = 300
    minutes: float | None = None
    """Time to spend. It becomes a number of steps (at most `steps`) once, at the start, so that a
    resumed run does as many as one that never stopped."""
    batch_size: int = 8
    seed: int = 0
    num_frames: int = 1
    token_lr: float = 1e-3
    lora_lr: float = 1e-4
    weight_decay: float = 1e-4
    warmup: int = 10
    grad_clip: float = 1.0
    ema: float = 0.0
    """Decay of the averaged weights that are validated and kept; 0 keeps the weights themselves."""
    checkpoint_every: int = 50
    validate_every: int = 100
    gradient_checkpointing: bool = False
    precision: Precision = "float32"
    """Of the backbone's arithmetic; what is trained is always float32."""
    pool: Literal["mean", "concat"] = "mean"
    max_photos: int = 5
    strength: float = 1.0
    sigma_window: tuple[float, float] = (0.0, 1.0)
    weights: LossWeights = dataclasses.field(default_factory=LossWeights)
    dropout: Dropout = dataclasses.field(default_factory=Dropout)

    @property
    def has_identity(self) -> bool:
        """Whether the identity branch takes part."""
        return self.level != "none"

    @property
    def trains_tokens(self) -> bool:
        """Whether the identity tokens are tuned."""
        return self.level in ("L1", "L2")

    @property
    def trains_lora(self) -> bool:
        """Whether a LoRA is trained."""
        return self.level in ("L2", "none")

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> "TrainSettings":
        """Gather the settings of a recipe."""
        train, loss, dropout, identity = recipe.train, recipe.loss, recipe.dropout, recipe.identity
        level = identity.level
        if level == "L2" and not recipe.lora.enabled:
            level = "L1"
        return cls(
            level=level,
            steps=train.steps,
            minutes=train.minutes,
            batch_size=train.batch_size,
            seed=train.seed,
            num_frames=train.num_frames,
            token_lr=identity.lr,
            lora_lr=recipe.lora.lr,
            weight_decay=train.weight_decay,
            warmup=train.warmup,
            grad_clip=train.grad_clip,
            ema=train.ema,
            checkpoint_every=train.checkpoint_every,
            validate_every=recipe.validate.every,
            gradient_checkpointing=train.gradient_checkpointing,
            precision=train.precision,
            pool=identity.pool,
            max_photos=identity.max_photos,
            strength=identity.strength,
            sigma_window=identity.sigma_window,
            weights=LossWeights(
                flow=loss.flow,
                face_mask_probability=loss.face_mask_probability,
                identity=loss.identity,
                identity_max_sigma=loss.identity_max_sigma,
                preservation=loss.preservation,
                preservation_probability=loss.preservation_probability,
                contrastive=loss.contrastive,
            ),
            dropout=Dropout(identity=dropout.identity, text=dropout.text, both=dropout.both),
        )
