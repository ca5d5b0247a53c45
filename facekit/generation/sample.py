"""Shots to clips through the stock pipeline, batch by batch; a clip does not depend on its batch.

Shapes: B batch, F frames.
"""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

import numpy as np
import torch

from facekit.adapters.attach import Attachment
from facekit.adapters.conditioning import Conditioning
from facekit.backbones.spec import BackboneSpec
from facekit.errors import UsageError
from facekit.generation.shots import check_shots
from facekit.recipe import SampleSection
from facekit.types import Clip, NoProgress, Progress, Shot

__all__ = [
    "MAX_BATCH",
    "MAX_BATCH_PIXELS",
    "SampleSettings",
    "conditioned",
    "guidance_options",
    "plan_batches",
    "quiet",
    "run_pipeline",
    "sample",
]

MAX_BATCH = 4
MAX_BATCH_PIXELS = 2_000_000
"""Pixels of all frames of a batch; above it a batch saves no time and costs memory."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SampleSettings:
    """How clips are sampled."""

    num_inference_steps: int
    guidance_scale: float
    fps: float
    identity_guidance: float | None = None
    """Guidance of the identity by itself (three passes per step); None joins it with the text's."""

    def __post_init__(self) -> None:
        """Refuse guidance of the identity where the text is not guided."""
        if self.identity_guidance is not None and self.guidance_scale <= 1.0:
            raise UsageError(
                f"sample.identity_guidance is {self.identity_guidance:g} and sample.guidance_scale"
                f" {self.guidance_scale:g}, expected a guidance_scale above 1, for only then is"
                " there a pass without the prompt; raise it, or leave identity_guidance away"
            )

    def describe(self) -> str:
        """Write steps and guidance, for a plan."""
        told = f"{self.num_inference_steps} steps, guidance {self.guidance_scale:g}"
        if self.identity_guidance is not None:
            told += f", identity guidance {self.identity_guidance:g}"
        return told

    @classmethod
    def of(cls, spec: BackboneSpec, section: SampleSection | None = None) -> "SampleSettings":
        """Return what a recipe says, and what the backbone is made for where it says nothing.

        Raises:
            UsageError: The identity is guided and the text is not, or never in a pass of its own;
                or too few steps.
        """
        said = section or SampleSection()
        if said.identity_guidance is not None and not spec.family.guides_in_two_passes:
            raise UsageError(
                f"sample.identity_guidance is {said.identity_guidance:g}, expected none for"
                f" {spec.name}, which is told its guidance and has no pass without the prompt;"
                " leave it away"
            )
        steps, scale, fps = said.num_inference_steps, said.guidance_scale, said.fps
        if steps is not None and steps < spec.min_inference_steps:
            raise UsageError(
                f"sample.num_inference_steps is {steps}, expected {spec.min_inference_steps} or"
                f" more for {spec.name}, whose scheduler makes no numbers of fewer; raise it"
            )
        return cls(
            num_inference_steps=spec.num_inference_steps if steps is None else steps,
            guidance_scale=spec.guidance_scale if scale is None else scale,
            fps=spec.fps if fps is None else fps,
            identity_guidance=said.identity_guidance,
        )


def sample(
    pipe: Any,
    shots: Sequence[Shot],
    spec: BackboneSpec,
    settings: SampleSettings | None = None,
    *,
    attachment: Attachment | None = None,
    identities: Conditioning | Sequence[Conditioning] | None = None,
    max_batch: int = MAX_BATCH,
    progress: Progress | None = None,
    label: str = "shots",
    negative_prompt: str = "",
) -> Iterator[Clip]:
    """Generate one clip per shot.

    Args:
        pipe: A stock text-to-video pipeline of the backbone.
        shots: Prompts as the backbone understands them, `@name` replaced; sizes may differ.
        spec: The backbone.
        settings: Those of the backbone when None.
        attachment: What `attach` gave for this pipeline's transformer.
        identities: Who is in every shot; without them the attachment's own condition stands.
        max_batch: Most shots at once.
        progress: Told of every denoising step of every shot.
        label: What the progress is called.
        negative_prompt: What the pictures should not show, of all shots.

    Yields:
        Clips in the order of the shots, each as soon as it and those before it are done.

    Raises:
        UsageError: A shot that the backbone cannot draw, or identities without an attachment.
    """
    settings = settings or SampleSettings.of(spec)
    check_shots(shots, spec)
    conditioned(attachment, identities, settings)  # refused here, not when the first clip is asked
    bar = progress or NoProgress()
    max_batch = 1 if spec.family.one_at_a_time else max_batch
    return _clips(
        pipe, shots, spec, settings, attachment, identities, max_batch, bar, label, negative_prompt
    )


def _clips(
    pipe: Any,
    shots: Sequence[Shot],
    spec: BackboneSpec,
    settings: SampleSettings,
    attachment: Attachment | None,
    identities: Conditioning | Sequence[Conditioning] | None,
    max_batch: int,
    progress: Progress,
    label: str,
    negative_prompt: str,
) -> Iterator[Clip]:
    progress.start(len(shots) * settings.num_inference_steps, label)
    waiting: dict[int, Clip] = {}
    reached = 0
    for batch in plan_batches(shots, max_batch):
        chosen = [shots[index] for index in batch]
        with conditioned(attachment, identities, settings), quiet(pipe):
            clips = run_pipeline(
                pipe, chosen, spec, settings, progress, negative_prompt=negative_prompt
            )
        waiting.update(zip(batch, clips, strict=True))
        while reached in waiting:
            yield waiting.pop(reached)
            reached += 1
    progress.finish()


def plan_batches(shots: Sequence[Shot], max_batch: int = MAX_BATCH) -> list[list[int]]:
    """Group the places of shots of one size and length into batches, early shots first."""
    groups: dict[tuple[int, int, int], list[int]] = {}
    for index, shot in enumerate(shots):
        groups.setdefault((shot.num_frames, shot.height, shot.width), []).append(index)
    batches = []
    for (frames, height, width), places in groups.items():
        size = max(1, min(max_batch, MAX_BATCH_PIXELS // (frames * height * width)))
        batches += [places[start : start + size] for start in range(0, len(places), size)]
    return sorted(batches)


def conditioned(
    attachment: Attachment | None,
    identities: Conditioning | Sequence[Conditioning] | None,
    settings: SampleSettings,
) -> AbstractContextManager[Any]:
    """Return the scope in which the characters are in the picture; empty without any.

    Raises:
        UsageError: Identities without an attachment.
    """
    if identities is None:
        return nullcontext()
    if attachment is None:
        raise UsageError(
            "identities given without an attachment; call attach() on the pipeline first and pass "
            "its result"
        )
    return attachment.conditioned_on(identities, **guidance_options(settings))


def guidance_options(settings: SampleSettings) -> dict[str, Any]:
    """Return what the settings ask of ``Attachment.condition``: the same wherever is sampled."""
    if settings.identity_guidance is None:
        return {}
    return {
        "guidance": "three_way",
        "identity_guidance": settings.identity_guidance,
        "guidance_scale": settings.guidance_scale,
    }


def run_pipeline(
    pipe: Any,
    shots: Sequence[Shot],
    spec: BackboneSpec,
    settings: SampleSettings,
    progress: Progress,
    extra: Mapping[str, object] | None = None,
    negative_prompt: str = "",
) -> list[Clip]:
    """Call a stock pipeline once for shots of one size, each with the noise of its own seed.

    Args:
        pipe: The pipeline.
        shots: All of one size and length.
        spec: The backbone.
        settings: Steps and guidance.
        progress: Told of every step of every shot, or at the end by pipelines that report none.
        extra: Further arguments of the pipeline, such as the image that a clip continues; encoded
            prompts among them take the place of the shots' own.
        negative_prompt: What the pictures should not show.
    """
    first = shots[0]

    def step(_pipe: Any, _index: int, _timestep: Any, state: dict[str, Any]) -> dict[str, Any]:
        progress.advance(len(shots), first.name)
        return state

    arguments = dict(extra or {})
    if "prompt_embeds" not in arguments:
        arguments["prompt"] = [shot.prompt for shot in shots]
        arguments["negative_prompt"] = [negative_prompt] * len(shots)
    # Noise is drawn on the CPU, so that a seed means the same on every device.
    arguments["generator"] = [torch.Generator("cpu").manual_seed(shot.seed) for shot in shots]
    if spec.family.one_at_a_time:
        for name in ("prompt", "negative_prompt", "generator"):
            if name in arguments:
                (arguments[name],) = cast(list[object], arguments[name])
    reports = "callback_on_step_end" in inspect.signature(type(pipe).__call__).parameters
    if reports:
        arguments["callback_on_step_end"] = step
    options = spec.family.sampling_options(spec, settings.guidance_scale, settings.fps)
    with spec.family.sampling(pipe, settings.guidance_scale):
        output = pipe(
            height=first.height,
            width=first.width,
            num_frames=first.num_frames,
            num_inference_steps=settings.num_inference_steps,
            output_type="np",
            **{**options, **arguments},
        )
    if not reports:
        progress.advance(len(shots) * settings.num_inference_steps, first.name)
    frames_BFHWC = spec.family.frames_of(output)
    pixels = np.rint(np.clip(frames_BFHWC, 0.0, 1.0) * 255.0).astype(np.uint8)
    return [Clip(frames=np.ascontiguousarray(frames), fps=settings.fps) for frames in pixels]


@contextmanager
def quiet(pipe: Any) -> Iterator[None]:
    """Silence the pipeline's own progress bar inside the block."""
    before = getattr(pipe, "_progress_bar_config", {})
    pipe.set_progress_bar_config(**{**before, "disable": True})
    try:
        yield
    finally:
        pipe._progress_bar_config = before
