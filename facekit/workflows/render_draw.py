"""Draws takes of planned shots and measures them; one loaded backbone, one take after the other.

Shapes: F frames, L latent tokens' grid.
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage

import facekit
from facekit.adapters.character import Character, attach_characters, load_character
from facekit.errors import NoFaceFound
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import load_faces
from facekit.generation.continuation import continuation_pipeline, continue_clip, join_clips
from facekit.generation.finding import find_regions, left_to_right, regions_of_faces
from facekit.generation.regions import Region, box_region, make_masks, parse_region
from facekit.generation.sample import (
    MAX_BATCH,
    MAX_BATCH_PIXELS,
    SampleSettings,
    guidance_options,
    sample,
)
from facekit.generation.storyboard_shot import ShotPlan
from facekit.generation.units import chunk_seed, take_name, take_seed
from facekit.media.images import read_image
from facekit.media.video import read_clip
from facekit.recipe import Recipe
from facekit.types import Clip, FloatArray, Image, Progress, Shot
from facekit.workflows.backbone import Backbone, backbone_spec, load_backbone
from facekit.workflows.board_rates import Rate, record_rate
from facekit.workflows.device import device_text
from facekit.workflows.render_files import IDENTITY_SUFFIX, read_json, write_json
from facekit.workflows.render_jobs import MadeTake, TakeJob
from facekit.workflows.render_judge import Judge, JudgePlan, middles
from facekit.workflows.takes import is_done, write_take

__all__ = ["Studio", "batch_limit", "is_there", "shown_frames"]


class Studio:
    """A backbone, its cast and whoever judges, loaded as they are needed.

    Args:
        recipe: Names the backbone and the face model that looks for regions.
        device: Where it computes.
        judge: What takes are judged by; without photos nothing is measured.
        backbone: When it is loaded already.
        faces: The face model that looks for regions, when it is loaded already.
        judging: The reporting encoder, when it is loaded already.
    """

    def __init__(
        self,
        recipe: Recipe,
        device: torch.device,
        judge: JudgePlan,
        *,
        backbone: Backbone | None = None,
        faces: FaceVendor | None = None,
        judging: FaceVendor | None = None,
    ) -> None:
        self.device = device
        self._recipe, self._backbone, self._faces = recipe, backbone, faces
        self._judge = Judge(judge, device, judging) if judge.photos else None
        self._judge_digest = judge.digest
        self._characters: dict[Path, Character] = {}

    def make(self, jobs: Sequence[TakeJob], progress: Progress) -> list[MadeTake]:
        """Draw and measure takes of one batch key; what is there already is kept.

        Raises:
            OutputError: The folder cannot be written, or the disk is full.
            MediaError: What a shot goes on from cannot be read.
            AdapterError: A character does not fit the backbone.
        """
        begun = time.perf_counter()
        todo = [job for job in jobs if not is_there(job)]
        draw_s = self._draw(todo, progress) if todo else 0.0
        for job in jobs:
            self._measure(job)
        other_s = max(0.0, time.perf_counter() - begun - draw_s)
        return [
            MadeTake(
                job=job,
                draw_s=draw_s / len(todo) if job in todo else 0.0,
                other_s=other_s / len(jobs),
            )
            for job in jobs
        ]

    def _load(self) -> Backbone:
        if self._backbone is None:
            self._backbone = load_backbone(self._recipe, self.device)
        return self._backbone

    def _finder(self) -> FaceVendor:
        if self._faces is None:
            self._faces = load_faces(self._recipe.encoder.train).to(self.device)
        return self._faces

    def _character(self, path: Path) -> Character:
        return self._characters.setdefault(path, load_character(path))

    def _draw(self, jobs: Sequence[TakeJob], progress: Progress) -> float:
        backbone, shot = self._load(), jobs[0].shot
        settings = SampleSettings(
            num_inference_steps=shot.num_inference_steps,
            guidance_scale=shot.guidance_scale,
            identity_guidance=shot.identity_guidance,
            fps=shot.native_fps,
        )
        begun = time.perf_counter()
        try:
            start = _start(jobs[0])
            regions = self._regions(jobs[0], start, settings, progress)
        except NoFaceFound as error:
            _write_void(jobs[0], str(error))
            return time.perf_counter() - begun
        clips = self._chunks(jobs, start, regions, settings, progress)
        took_s = time.perf_counter() - begun
        each_s = took_s / len(jobs)
        for job, clip in zip(jobs, clips, strict=True):
            record: dict[str, object] = {
                "backbone": backbone.spec.name,
                "sampling": dataclasses.asdict(settings),
                "facekit": facekit.__version__,
                "resolved_prompt": job.shot.prompt,
                "negative_prompt": shot.negative_prompt,
                "cast": [person.to_json() for person in job.shot.characters],
                "regions": {name: region.text for name, region in regions.items()},
                "chunks": list(shot.frames.chunks),
                "goes_on_from": None if job.before is None else job.before.as_posix(),
                "starts_from": _pinned(shot),
                "draw_s": round(each_s, 3),
                "device": device_text(self.device),
                "fingerprint": job.fingerprint,
            }
            write_take(job.takes_dir, _shot_of(job, clip.num_frames), clip, record)
        self._keep_rate(shot, each_s)
        return took_s

    def _keep_rate(self, shot: ShotPlan, each_s: float) -> None:
        volume = sum(shot.frames.chunks)
        for num_frames in set(shot.frames.chunks):
            passes = shot.num_inference_steps * shot.passes
            record_rate(
                Rate(
                    backbone=shot.backbone,
                    device=device_text(self.device),
                    height=shot.height,
                    width=shot.width,
                    num_frames=num_frames,
                    seconds_per_pass=each_s * num_frames / volume / passes,
                )
            )

    def _chunks(
        self,
        jobs: Sequence[TakeJob],
        start: Image | None,
        regions: Mapping[str, Region],
        settings: SampleSettings,
        progress: Progress,
    ) -> list[Clip]:
        """Draw takes chunk by chunk; a batch of several takes has one chunk."""
        backbone, shot = self._load(), jobs[0].shot
        pipe, spec = backbone.pipe, backbone.spec
        pieces: list[Clip] = []
        clips: list[Clip] = []
        for index, num_frames in enumerate(shot.frames.chunks):
            asked = [
                dataclasses.replace(
                    _shot_of(job, num_frames),
                    name=job.name,
                    prompt=job.shot.prompt,
                    seed=chunk_seed(take_seed(job.shot, job.number), index),
                )
                for job in jobs
            ]
            here = regions if index == 0 else {x: _at_its_end(y) for x, y in regions.items()}
            with ExitStack() as stack:
                if shot.characters:
                    masks = make_masks(here, asked[0], spec, check=False) if here else {}
                    attachment = attach_characters(
                        pipe,
                        [self._character(person.file) for person in shot.characters],
                        masks_LHW=[masks.get(person.id) for person in shot.characters],
                        **guidance_options(settings),
                    )
                    stack.callback(attachment.detach)
                    first = sum(shot.frames.chunks[:index]) - index
                    attachment.set_strengths(
                        [_simple(x.strengths(first, num_frames)) for x in shot.characters]
                    )
                if index == 0 and start is None:
                    clips = list(
                        sample(
                            pipe,
                            asked,
                            spec,
                            settings,
                            progress=progress,
                            label=jobs[0].name,
                            negative_prompt=shot.negative_prompt,
                        )
                    )
                else:
                    before = pieces[-1] if pieces else Clip(frames=_one(start), fps=settings.fps)
                    clips = [
                        continue_clip(
                            continuation_pipeline(pipe),
                            before,
                            asked[0],
                            spec,
                            settings,
                            progress=progress,
                            negative_prompt=shot.negative_prompt,
                        )
                    ]
            pieces.append(clips[0])
        return clips if len(pieces) == 1 else [join_clips(pieces)]

    def _regions(
        self, job: TakeJob, start: Image | None, settings: SampleSettings, progress: Progress
    ) -> dict[str, Region]:
        """Where everybody is; of a shot that begins with a picture, where they stand in it."""
        shot = job.shot
        found: dict[str, Region] = {}
        for person in shot.characters:
            if person.mask is not None:
                found[person.id] = parse_region(str(person.mask))
            elif person.box is not None:
                found[person.id] = box_region([person.box])
        if not any(person.region == "auto" for person in shot.characters):
            return found
        names = [person.id for person in shot.characters]
        if start is not None:
            order = left_to_right(shot.written_prompt, names)
            clip = Clip(frames=_one(start), fps=settings.fps)
            return regions_of_faces(clip, order, self._finder(), job.name)
        backbone = self._load()
        asked = dataclasses.replace(
            _shot_of(job, shot.frames.chunks[0]), prompt=shot.written_prompt
        )
        return find_regions(
            backbone.pipe,
            asked,
            shot.prompt,
            names,
            backbone.spec,
            settings,
            self._finder(),
            progress=progress,
        )

    def _measure(self, job: TakeJob) -> None:
        """Write who is in a take, unless that is there, measured in this very way."""
        path = job.takes_dir / f"{take_name(job.number)}{IDENTITY_SUFFIX}"
        there = read_json(path) or {}
        known = (there.get("fingerprint"), there.get("judge"))
        if known == (job.fingerprint, self._judge_digest):
            return
        content: dict[str, object] = {
            "fingerprint": job.fingerprint,
            "judge": self._judge_digest,
            "figures": None,
        }
        clip_path = job.takes_dir / f"{take_name(job.number)}.mp4"
        record = read_json(clip_path.with_suffix(".json")) or {}
        if self._judge is not None and clip_path.is_file():
            clip, first = shown_frames(read_clip(clip_path), job.shot)
            report, figures = self._judge.measure(
                clip, job.shot, self._masks(job, record, clip), job.shot.start_frame - first
            )
            content = {**report.to_json(), **content, "figures": figures.to_json()}
            content["floor"] = round(self._judge.floor, 4)
            present = [person.id for person in job.shot.characters]
            content["missing"] = [name for name in present if name in report.missing]
            for key in ("verdict", "reasons"):
                content.pop(key, None)  # the gates of the shot say that
            write_json(
                path.with_name(f"{take_name(job.number)}.faces.json"),
                {"encoder": self._judge.encoder, "faces": middles(report, present)},
            )
        if "void" in record:
            content["void"] = record["void"]
        write_json(path, content)

    def _masks(
        self, job: TakeJob, record: Mapping[str, object], clip: Clip
    ) -> dict[str, FloatArray]:
        told = record.get("regions")
        if not isinstance(told, Mapping) or len(told) < 2:
            return {}
        regions = {str(name): parse_region(str(text)) for name, text in told.items()}
        spec = backbone_spec(self._recipe)
        masks = make_masks(regions, _shot_of(job, clip.num_frames), spec, check=False)
        return {name: mask.numpy() for name, mask in masks.items()}


def is_there(job: TakeJob) -> bool:
    """Whether a take is whole and made as the job says, or known to be impossible."""
    if is_done(job.takes_dir, _shot_of(job, 1), job.fingerprint):
        return True
    record = read_json(job.takes_dir / f"{take_name(job.number)}.json") or {}
    return "void" in record and record.get("fingerprint") == job.fingerprint


def shown_frames(clip: Clip, shot: ShotPlan) -> tuple[Clip, int]:
    """Cut a take to the drawn frames that are delivered.

    Returns:
        The part, and how many delivered frames come before the cut where both rates are the same.
    """
    shown = shot.frames.source_frames()
    part = clip.frames[shown[0] : shown[-1] + 1]
    return Clip(frames=np.ascontiguousarray(part), fps=clip.fps), shot.frames.head


def _pinned(shot: ShotPlan) -> str | None:
    """The picture that a board begins a shot with."""
    pin = shot.first_frame
    return None if pin is None or pin.image is None else str(pin.image)


def _start(job: TakeJob) -> Image | None:
    """The picture that a shot begins with; None where it is drawn from nothing."""
    shot = job.shot
    pin = shot.extends or shot.first_frame
    if pin is None:
        return None
    if job.before is not None:
        frames = read_clip(job.before).frames
        return np.ascontiguousarray(frames[min(pin.frame, len(frames) - 1)])
    assert pin.image is not None
    return _fitted(read_image(pin.image), shot.height, shot.width)


def _fitted(image: Image, height: int, width: int) -> Image:
    """Scale a picture to cover the shot; what hangs over is cut off evenly."""
    scale = min(image.shape[0] / height, image.shape[1] / width)
    high, wide = height * scale, width * scale
    top, left = (image.shape[0] - high) / 2, (image.shape[1] - wide) / 2
    fitted = PillowImage.fromarray(image).resize(
        (width, height), PillowImage.Resampling.LANCZOS, box=(left, top, left + wide, top + high)
    )
    return np.asarray(fitted)


def _write_void(job: TakeJob, why: str) -> None:
    write_json(
        job.takes_dir / f"{take_name(job.number)}.json",
        {"void": why, "fingerprint": job.fingerprint},
    )


def _shot_of(job: TakeJob, num_frames: int) -> Shot:
    return Shot(
        name=take_name(job.number),
        prompt=job.shot.written_prompt,
        seed=take_seed(job.shot, job.number),
        num_frames=num_frames,
        height=job.shot.height,
        width=job.shot.width,
        kind=job.shot.kind,
    )


def _at_its_end(region: Region) -> Region:
    """Where a region that moves has come to; the next chunk stays there."""
    if len(region.boxes) < 2:
        return region
    return box_region(region.boxes[-1:], softness=region.softness)


def _simple(strengths: Sequence[float]) -> float | tuple[float, ...]:
    """One number where the strength does not change."""
    return strengths[0] if len(set(strengths)) == 1 else tuple(strengths)


def _one(image: Image | None) -> Image:
    assert image is not None
    return image[None]


def batch_limit(shot: ShotPlan) -> int:
    """How many takes of this size are drawn at once."""
    volume = shot.height * shot.width * max(shot.frames.chunks)
    return max(1, min(MAX_BATCH, MAX_BATCH_PIXELS // volume))
