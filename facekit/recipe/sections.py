"""What a recipe may say: every key, its default, its range, and what it means.

A default stands here and nowhere else. Numbers are probabilities, ratios and counts unless the
name carries a unit. Config is data: nothing here opens a file or picks a device. The sections that
sample and judge clips are in `judging.py`, those of the loop in `training.py`.
"""

import warnings
from typing import Literal, Self

from pydantic import Field, model_validator

from facekit.recipe.judging import GatesSection, SampleSection, ValidateSection
from facekit.recipe.training import ClipsSection, MemorySection, NoiseSection, TrainSection
from facekit.recipe.values import Level, Probability, Section, Weight

__all__ = [
    "LEAST_DETECTION_SCORE",
    "BaseSection",
    "CaptionsSection",
    "DropoutSection",
    "EncoderSection",
    "IdentitySection",
    "LoraSection",
    "LossSection",
    "PhotosSection",
    "Recipe",
]

LEAST_DETECTION_SCORE = 0.35
"""Detectors tell of no face that they are less sure of."""


class BaseSection(Section):
    """The backbone that the character is trained on."""

    name: str = Field(default="toon", min_length=1)
    """A registered backbone."""
    source: str | None = None
    """A folder or repository that replaces the backbone's own weights."""


class EncoderSection(Section):
    """The face encoders. The one that trains never reports."""

    train: str = Field(default="toon-a", min_length=1)
    """Conditions the adapter and feeds the identity loss."""
    report: str = Field(default="toon-b", min_length=1)
    """Measures the finished clips."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.train == self.report:
            raise ValueError(
                f"train and report are both {self.train!r}, expected two different encoders"
                " (set the other key as well)"
            )
        return self


class IdentitySection(Section):
    """The identity branch of the adapter."""

    level: Level = "L2"
    """L0 enrols without training, L1 tunes the tokens, L2 tunes tokens and LoRA, none leaves
    the branch away."""
    num_tokens: int = Field(default=16, ge=1, le=256)
    """Identity tokens per character, or per photo when pooled by concat."""
    pool: Literal["mean", "concat"] = "mean"
    """One set of tokens from the quality-weighted mean of the photos, or one set per photo."""
    max_photos: int = Field(default=5, ge=1, le=16)
    """Photos used by concat: those that show most between them, which `facekit check` calls best
    views."""
    lr: float = Field(default=1e-3, gt=0)
    """Learning rate of the tokens."""
    strength: float = Field(default=1.0, ge=0, le=4)
    """Strength of the branch in training and validation. It goes into the character file; the
    strength of a shot multiplies it, and the LoRA's, so that 1 is what was validated."""
    sigma_window: tuple[Probability, Probability] = (0.0, 1.0)
    """Noise levels, low and high, between which the branch is on."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.sigma_window
        if low >= high:
            raise ValueError(f"sigma_window is [{low}, {high}], expected low below high")
        return self


class LoraSection(Section):
    """The LoRA of the character, through peft; levels L2 and none train one."""

    rank: int = Field(default=16, ge=1, le=512)
    """Inner size of the update."""
    alpha: float = Field(default=16.0, gt=0)
    """The update is scaled by alpha / rank."""
    lr: float = Field(default=1e-4, gt=0)
    """Learning rate of the update."""
    targets: tuple[str, ...] = ()
    """Module names inside attention blocks; empty takes the backbone's own list."""
    expert: Literal["low", "high"] = "low"
    """Which network carries it where a backbone has two: the one for little noise or for much."""


class PhotosSection(Section):
    """Which photos will do."""

    holdout: int = Field(default=2, ge=0)
    """Photos never trained on: they choose the checkpoint and score the result."""
    min_usable: int = Field(default=4, ge=1)
    """Fewer usable photos than this are refused."""
    min_face_px: int = Field(default=16, ge=1)
    """Shorter side of the face box."""
    min_visible: Probability = 0.7
    """Part of the face box inside the picture."""
    people: Literal["choose", "refuse"] = "choose"
    """What to do with a photo of several people: cut it to the one that agrees with the other
    photos, or set it aside."""
    frames_per_clip: int = Field(default=8, ge=1, le=64)
    """Frames of one clip that are used as photos, at most: sharp ones, unlike each other."""
    max_yaw_deg: float = Field(default=75.0, gt=0, le=180)
    """Faces turned further than this are set aside."""
    max_pitch_deg: float = Field(default=35.0, gt=0, le=180)
    """Faces that look further up or down than the middle one of the set are set aside."""
    min_detection_score: float = Field(default=0.5, ge=LEAST_DETECTION_SCORE, le=1)
    """Below it, there is no face. Detectors themselves tell of none below 0.35."""
    min_sharpness: float = Field(default=0.2, ge=0)
    """Variance of the Laplacian over the variance of brightness, on the aligned crop."""
    min_exposure: Probability = 0.08
    """Mean brightness of the face, 0..1."""
    max_exposure: Probability = 0.97
    """Mean brightness of the face, 0..1."""
    max_burnt: Probability = 0.25
    """Part of the face that may be burnt out."""
    max_black: Probability = 0.45
    """Part of the face that may be black."""
    max_border: Probability = 0.05
    """Part of the picture that may be bars of one colour, as of a screenshot."""
    max_posterised: Probability = 0.9
    """Part of the picture that may consist of six values of each colour channel."""
    max_covered_gain: float | None = Field(default=None, gt=0, le=2)
    """How much more a face may agree with the others once one region is covered in all, as a share
    of their own agreement; above it, something hides that region. Absent means the encoder's own.
    """
    min_same_person: float | None = Field(default=None, ge=-1, le=1)
    """Similarity to the mean of the other photos; below it, it is somebody else. Absent means the
    encoder's own, for numbers of different encoders mean different things."""
    duplicate_distance: int = Field(default=4, ge=0, le=64)
    """Differing bits of a 64-bit picture hash, up to which two photos are the same."""


class CaptionsSection(Section):
    """What is said of a photo that has no text beside it."""

    model: str | None = Field(default=None, min_length=1)
    """Writes those captions: florence-2, blip, or a folder that holds a model of one of these
    kinds. Absent means shot size and trigger alone."""


class LossSection(Section):
    """The terms of the loss. A weight of 0 switches its term off."""

    flow: Weight = 1.0
    """Flow matching."""
    face_mask_probability: Probability = 0.5
    """Share of samples whose flow loss is the mean over the face alone."""
    identity: Weight = 0.1
    """One minus the similarity of the estimated clean picture to another photo."""
    identity_max_sigma: Probability = 0.5
    """Noise level above which the estimate is too poor for the identity loss."""
    preservation: Weight = 1.0
    """Distance to the base model on the class prompt."""
    preservation_probability: Probability = 0.25
    """Share of steps that compute it."""
    contrastive: Weight = 0.0
    """Away from a bank of other faces."""


class DropoutSection(Section):
    """Conditions dropped during training, per sample."""

    identity: Probability = 0.1
    """Identity alone."""
    text: Probability = 0.1
    """Text alone."""
    both: Probability = 0.05
    """Both together."""

    @model_validator(mode="after")
    def _total(self) -> Self:
        total = self.identity + self.text + self.both
        if total > 1:
            raise ValueError(f"identity + text + both is {total:g}, expected at most 1")
        return self


with warnings.catch_warnings():  # pydantic's deprecated BaseModel.validate loses its name here
    warnings.simplefilter("ignore", UserWarning)

    class Recipe(Section):
        """One run, described completely."""

        description: str = ""
        """One line for ``facekit recipe ls``."""
        base: BaseSection = BaseSection()
        encoder: EncoderSection = EncoderSection()
        identity: IdentitySection = IdentitySection()
        lora: LoraSection = LoraSection()
        photos: PhotosSection = PhotosSection()
        captions: CaptionsSection = CaptionsSection()
        clips: ClipsSection = ClipsSection()
        train: TrainSection = TrainSection()
        noise: NoiseSection = NoiseSection()
        memory: MemorySection = MemorySection()
        loss: LossSection = LossSection()
        dropout: DropoutSection = DropoutSection()
        validate: ValidateSection = ValidateSection()  # type: ignore[assignment]
        sample: SampleSection = SampleSection()
        gates: GatesSection = GatesSection()

        @model_validator(mode="after")
        def _agree(self) -> Self:
            level, steps = self.identity.level, self.train.steps
            if level != "L0" and steps == 0:
                raise ValueError(
                    f"identity.level {level} trains and train.steps is 0, expected at least one"
                    " step (set train.steps as well, as in train.steps=300, or take a recipe that"
                    " trains, or identity.level L0 to enrol only)"
                )
            return self
