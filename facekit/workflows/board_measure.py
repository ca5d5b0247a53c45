"""Tries how fast this machine draws the sizes of a board."""

import time
from collections.abc import Sequence

import torch

from facekit.generation.sample import SampleSettings, quiet, run_pipeline
from facekit.generation.storyboard_shot import ShotPlan
from facekit.recipe import Recipe
from facekit.types import NoProgress, Progress, Shot
from facekit.workflows.backbone import load_backbone
from facekit.workflows.board_rates import Rate, record_rate
from facekit.workflows.device import device_text

__all__ = ["measure_rates"]

_MEASURED_STEPS = 2


def measure_rates(
    shots: Sequence[ShotPlan],
    recipe: Recipe,
    device: torch.device,
    progress: Progress | None = None,
) -> None:
    """Draw two steps of every size of a plan and keep how long they took.

    The first size is drawn once before, for the first clip of all takes longer.

    Raises:
        WeightsError: The backbone is not there.
        OutputError: The cache cannot be written.
    """
    backbone = load_backbone(recipe, device)
    bar = progress or NoProgress()
    sizes = {(shot.height, shot.width, n): shot for shot in shots for n in shot.frames.chunks}
    is_warm = False
    for (height, width, num_frames), shot in sizes.items():
        settings = SampleSettings(
            num_inference_steps=max(_MEASURED_STEPS, backbone.spec.min_inference_steps),
            guidance_scale=shot.guidance_scale,
            fps=backbone.spec.fps,
        )
        asked = Shot(
            name=shot.name,
            prompt=shot.prompt,
            seed=0,
            num_frames=num_frames,
            height=height,
            width=width,
            kind=shot.kind,
        )
        with quiet(backbone.pipe):
            if not is_warm:
                run_pipeline(backbone.pipe, [asked], backbone.spec, settings, bar)
                is_warm = True
            started = time.perf_counter()
            run_pipeline(backbone.pipe, [asked], backbone.spec, settings, bar)
            took_s = time.perf_counter() - started
        passes = settings.num_inference_steps * min(shot.passes, 2)
        record_rate(
            Rate(
                backbone=shot.backbone,
                device=device_text(device),
                height=height,
                width=width,
                num_frames=num_frames,
                seconds_per_pass=took_s / passes,
            )
        )
