"""What a training run needs to know, gathered from the recipe's sections and nothing else.

Defaults stand in those sections alone.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from facekit.adapters.lora import LoraSettings
from facekit.backbones.spec import BackboneSpec
from facekit.recipe import ClipsSection, MemorySection, NoiseSection, Recipe
from facekit.training.adamw import OptimizerKind
from facekit.training.optimizer import LrSchedule

__all__ = ["Dropout", "LossWeights", "Precision", "TrainSettings", "lora_settings"]

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """The terms of the loss; 0 switches a term off, and then it costs nothing."""

    flow: float
    face_mask_probability: float
    identity: float
    identity_max_sigma: float
    preservation: float
    preservation_probability: float
    contrastive: float

    @property
    def decodes(self) -> bool:
        """Whether a term looks at pixels, so that the autoencoder takes part."""
        return self.identity > 0 or self.contrastive > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout:
    """Probabilities, per sample, of hiding a condition."""

    identity: float
    text: float
    both: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """One run of the loop."""

    level: Literal["L0", "L1", "L2", "none"]
    steps: int
    minutes: float | None
    """Time to spend. It becomes a number of steps (at most `steps`) once, at the start, so that a
    resumed run does as many as one that never stopped."""
    batch_size: int
    seed: int
    num_frames: int
    token_lr: float
    lora_lr: float
    weight_decay: float
    warmup: int
    grad_clip: float
    ema: float
    """Decay of the averaged weights that are validated and kept; 0 keeps the weights themselves."""
    checkpoint_every: int
    validate_every: int
    optimizer: OptimizerKind
    lr_schedule: LrSchedule
    loss_levels: int
    precision: Precision
    """Of the backbone's arithmetic; what is trained is always float32."""
    pool: Literal["mean", "concat"]
    max_photos: int
    strength: float
    sigma_window: tuple[float, float]
    weights: LossWeights
    dropout: Dropout
    clips: ClipsSection
    noise: NoiseSection
    memory: MemorySection

    def to_json(self) -> Mapping[str, Any]:
        """The same as plain data."""
        sections = {name: getattr(self, name) for name in ("clips", "noise", "memory")}
        plain = {name: section.model_dump(mode="json") for name, section in sections.items()}
        return {**asdict(self), **plain}

    @property
    def has_identity(self) -> bool:
        """Whether the identity branch takes part."""
        return self.level != "none"

    @property
    def trains(self) -> bool:
        """Whether there is anything to learn."""
        return self.level != "L0"

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
        return cls(
            level=identity.level,
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
            optimizer=train.optimizer,
            lr_schedule=train.lr_schedule,
            loss_levels=recipe.validate.loss_levels,
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
            clips=recipe.clips,
            noise=recipe.noise,
            memory=recipe.memory,
        )


def lora_settings(recipe: Recipe, spec: BackboneSpec) -> LoraSettings | None:
    """The LoRA that a recipe trains on a backbone; None where its level trains none."""
    if not TrainSettings.from_recipe(recipe).trains_lora:
        return None
    return LoraSettings(
        rank=recipe.lora.rank,
        alpha=recipe.lora.alpha,
        targets=recipe.lora.targets or spec.lora_targets,
        expert=recipe.lora.expert,
    )
