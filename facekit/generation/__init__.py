"""Shots in, clips out, through the stock pipelines."""

from facekit.generation.continuation import continuation_pipeline, continue_clip, join_clips
from facekit.generation.sample import SampleSettings, sample
from facekit.generation.shots import (
    check_shots,
    demo_shots,
    expected_attributes,
    name_characters,
    shot_from_prompt,
    slug,
)

__all__ = [
    "SampleSettings",
    "check_shots",
    "continuation_pipeline",
    "continue_clip",
    "demo_shots",
    "expected_attributes",
    "join_clips",
    "name_characters",
    "sample",
    "shot_from_prompt",
    "slug",
]
