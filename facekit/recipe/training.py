"""What a recipe says about the loop: its steps, its noise, clips, and the memory that it takes.

As in `sections.py`, a default stands here and nowhere else.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from facekit.recipe.values import Probability, Section

__all__ = ["ClipsSection", "MemorySection", "NoiseSection", "TrainSection"]


class TrainSection(Section):
    """The loop."""

    steps: int = Field(default=300, ge=0)
    """Optimiser steps; level L0 takes none, the others at least one."""
    minutes: float | None = Field(default=None, gt=0)
    """Stop after this much time, even before the last step."""
    batch_size: int = Field(default=8, ge=1)
    """Samples per step, over all processes."""
    seed: int = Field(default=0, ge=0)
    """Decides batches, noise and initial values."""
    num_frames: int = Field(default=1, ge=1)
    """Frames per training sample of a photo, which is repeated when more than one."""
    optimizer: Literal["adamw", "adamw_8bit", "adamw_schedule_free"] = "adamw"
    """AdamW; the same with moments of 8 bits (pip install 'facekit[quant]'); or schedule-free,
    where an average of the weights is what is kept."""
    lr_schedule: Literal["constant", "linear", "cosine"] = "constant"
    """What the learning rate does after the warm-up; the others reach 0 after the last step."""
    grad_clip: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Of AdamW."""
    warmup: int = Field(default=10, ge=0)
    """Steps until the learning rate is reached."""
    checkpoint_every: int = Field(default=50, ge=1)
    """Steps between checkpoints."""
    ema: Probability = 0.0
    """Decay of the moving average of the weights, which is what is kept; 0 keeps the last ones."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """In which the backbone computes; what is trained stays float32."""

    @model_validator(mode="after")
    def _one_average(self) -> Self:
        if self.optimizer == "adamw_schedule_free":
            if self.ema > 0:
                raise ValueError(
                    f"ema is {self.ema:g} and optimizer adamw_schedule_free, which keeps an average"
                    " of its own, expected one of them; set ema to 0"
                )
            if self.lr_schedule != "constant":
                raise ValueError(
                    f"lr_schedule is {self.lr_schedule} and optimizer adamw_schedule_free, expected"
                    " a constant rate; set lr_schedule to constant, or take another optimizer"
                )
        return self


class ClipsSection(Section):
    """What clips give to learn from, beside photos."""

    num_frames: int = Field(default=0, ge=0)
    """Frames per training sample of a clip; 0 takes clips for photos alone."""
    per_clip: int = Field(default=2, ge=1, le=64)
    """Samples cut out of one clip, at most, evenly over its length."""
    fps: float | None = Field(default=None, gt=0)
    """Frames per second that clips are brought to; absent means the backbone's own."""
    share: Probability = 0.5
    """Share of the tokens learned from that clips give, where there are any."""


class NoiseSection(Section):
    """The noise levels that are trained: 0 is clean and 1 is noise."""

    density: Literal["logit_normal", "uniform"] = "logit_normal"
    """How they are spread before the shift."""
    mean: float = Field(default=0.0, ge=-5, le=5)
    """Of the normal distribution behind logit_normal; above 0 favours noise."""
    std: float = Field(default=1.0, gt=0, le=5)
    """Of the same."""
    shift: float | None = Field(default=None, gt=0)
    """Towards noise, as in flow-match schedulers; absent means the backbone's own."""


class MemorySection(Section):
    """What is given up to fit a smaller graphics card."""

    base_weights: Literal["float32", "bfloat16", "float8", "int8", "nf4"] = "float32"
    """How the frozen weights of the adapted network are held. With float8 they are stored in 8 bits
    and computed with in train.precision; int8 and nf4 are quantised (pip install 'facekit[quant]').
    What is trained is always float32."""
    checkpointing_every: int = Field(default=0, ge=0)
    """Gradient checkpointing: 0 keeps all activations, 1 recomputes those of every block, 2 of
    every second block, and so on. Less memory, more time."""
    offloaded_blocks: int = Field(default=0, ge=0)
    """Blocks of the network whose weights wait in main memory until they are computed with."""
