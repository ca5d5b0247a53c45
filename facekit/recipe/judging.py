"""What a recipe says about clips: how they are sampled, and what judges them.

As in `sections.py`, a default stands here and nowhere else.
"""

from typing import Self

from pydantic import Field, field_serializer, field_validator, model_validator

from facekit.recipe.values import Aspect, Probability, Section

__all__ = ["OFF", "GatesSection", "SampleSection", "ValidateSection"]

OFF = "off"
"""What a recipe writes for a gate that is switched off."""


class ValidateSection(Section):
    """Clips sampled during training; the checkpoint with the best held-out likeness wins.

    Step 0, before any update, is judged too. With an identity branch it is what enrolment (L0)
    gives, and it wins when no later checkpoint beats it.
    """

    every: int = Field(default=100, ge=0)
    """Steps between validations; 0 validates only at the start and at the end."""
    prompts: tuple[str, ...] = (
        "close-up of {character} in the kitchen, neutral, standing still, soft light",
        "medium shot of {character} in the park, happy, standing still, soft light",
    )
    """``{character}`` stands for the trigger."""
    seeds: tuple[int, ...] = (11, 12)
    """Each prompt is sampled with each seed."""
    aspects: tuple[Aspect, ...] = Field(default=("1:1", "16:9", "9:16"), min_length=1)
    """Width to height; the clips, prompts x seeds, take turns at these."""
    num_frames: int = Field(default=1, ge=1)
    """Frames per validation clip."""
    loss_levels: int = Field(default=0, ge=0, le=32)
    """Noise levels, spread evenly over what training draws, at which the loss of held-out photos is
    measured with the same noise every time; 0 measures none."""

    @field_validator("prompts", "seeds")
    @classmethod
    def _each_once(cls, given: tuple[object, ...]) -> tuple[object, ...]:
        if not given:
            raise ValueError("is empty, expected at least one")
        if any(isinstance(one, str) and not one.strip() for one in given):
            raise ValueError("holds an empty text, expected what each clip shows")
        if twice := sorted({str(one) for one in given if given.count(one) > 1}):
            raise ValueError(f"holds {', '.join(twice)} more than once, expected each once")
        return given


class SampleSection(Section):
    """How clips are sampled when the command does not say."""

    num_inference_steps: int | None = Field(default=None, ge=1)
    """Denoising steps; absent means the backbone's own."""
    guidance_scale: float | None = Field(default=None, ge=0)
    """Classifier-free guidance of the text; 1 switches it off; absent means the backbone's own."""
    identity_guidance: float | None = Field(default=None, ge=0)
    """Own guidance of the identity (three-way guidance); absent means two-way. It needs an identity
    branch and a guidance_scale above 1."""
    num_frames: int = Field(default=9, ge=1)
    """Frames per clip."""
    fps: float | None = Field(default=None, gt=0)
    """Playing speed; absent means the backbone's own."""
    aspect: Aspect = "1:1"
    """Width to height."""

    @model_validator(mode="after")
    def _guided(self) -> Self:
        scale = self.guidance_scale
        if self.identity_guidance is not None and scale is not None and scale <= 1:
            raise ValueError(
                f"identity_guidance is {self.identity_guidance:g} and guidance_scale {scale:g},"
                " expected a guidance_scale above 1, or no identity_guidance"
            )
        return self


class GatesSection(Section):
    """Pass marks of an evaluation. What could not be measured neither passes nor fails.

    Gates against the truth need clips drawn of the character itself, which only the toon world has.
    `"off"` switches a gate off: it is told as off and does not count.
    """

    min_likeness_ratio: float | None = Field(default=0.85, ge=0, le=1)
    """Held-out likeness over the photos' own likeness to each other."""
    min_xmin: float | None = Field(default=0.45, ge=-1, le=1)
    """Similarity of the two least alike shots, of those that show the person."""
    min_xmin_ratio: float | None = Field(default=0.75, ge=0)
    """Similarity of the two least alike of all shots, over that of the drawn truth."""
    min_shots_counted: Probability | None = 0.5
    """Shots that show the person: at least half of the photos' own likeness."""
    max_m_cp: float | None = Field(default=0.15, ge=-1, le=1)
    """Copying of the conditioning photo."""
    max_m_cp_over_truth: float | None = Field(default=0.15, ge=-1, le=1)
    """Copying of the conditioning photo, less that of the drawn truth."""
    min_coverage: Probability | None = 0.9
    """Frames with a usable face, on shots that demand one."""
    max_drift: float | None = Field(default=0.05, ge=0)
    """Likeness lost between the first and the last quarter of a clip."""
    max_prompt_drop: Probability | None = 0.03
    """Prompt adherence lost against the base."""
    min_motion_ratio: float | None = Field(default=0.75, ge=0)
    """Motion over the motion of the base on the same seeds."""

    @field_validator("*", mode="before")
    @classmethod
    def _switched_off(cls, given: object) -> object:
        return None if given == OFF else given

    @field_serializer("*", when_used="json")
    def _tell_off(self, mark: float | None) -> float | str:
        return OFF if mark is None else mark
