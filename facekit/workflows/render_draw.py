"""Draws takes of planned shots and measures them; one loaded backbone, one take after the other."""

import dataclasses
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

import facekit
from facekit.adapters.character import Character, attach_characters
from facekit.errors import FaceError
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import load_faces
from facekit.generation.regions import Region, make_masks
from facekit.generation.sample import SampleSettings, guidance_options, sample
from facekit.generation.storyboard_shot import ShotPlan
from facekit.recipe import Recipe
from facekit.types import Clip, Image, Progress
from facekit.workflows.backbone import Backbone, backbone_spec, load_backbone
from facekit.workflows.board_rates import Rate, record_rate
from facekit.workflows.device import device_text
from facekit.workflows.frame_likeness import Likeness, make_cast_likeness, make_likeness
from facekit.workflows.preset_files import load_any
from facekit.workflows.render_chain import draw_chained, simple_strength
from facekit.workflows.render_jobs import MadeTake, TakeJob
from facekit.workflows.render_judge import JudgePlan
from facekit.workflows.render_log import log_take
from facekit.workflows.render_measure import TakeMeasurer
from facekit.workflows.render_regions import regions_of, told_regions
from facekit.workflows.render_takes import (
    chunks_dir,
    first_picture,
    is_there,
    pinned_picture,
    shot_of,
    write_void,
)
from facekit.workflows.takes import write_take

__all__ = ["Studio"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Drawn:
    clip: Clip
    draw_s: float
    """Time in the sampler, that of earlier sittings too."""
    fresh_s: float
    """Of that, the time of this sitting."""
    num_frames: int
    """Frames that were drawn for it, those that are dropped too."""
    told: Mapping[str, object]
    """What the record says beside what all records say."""
    void: str = ""
    """Why it cannot be used."""


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
        self._measurer = TakeMeasurer(judge, backbone_spec(recipe), device, judging)
        self._characters: dict[Path, Character] = {}
        self._judges: dict[tuple[object, ...], Likeness | None] = {}

    def make(self, jobs: Sequence[TakeJob], progress: Progress) -> list[MadeTake]:
        """Draw and measure takes of one batch key; what is there already is kept.

        Raises:
            OutputError: The folder cannot be written, or the disk is full.
            MediaError: What a shot goes on from cannot be read.
            AdapterError: A character does not fit the backbone.
        """
        begun = time.perf_counter()
        self._measurer.load()
        todo = [job for job in jobs if not is_there(job)]
        if todo:
            self._load()
        load_s = time.perf_counter() - begun
        for job in todo:
            log_take(job, "begun")
        draw_s = self._draw(todo, progress) if todo else 0.0
        for job in jobs:
            self._measurer.measure(job)
        took_s = time.perf_counter() - begun
        for job in todo:
            log_take(job, "made", draw_s=draw_s / len(todo), took_s=took_s / len(jobs))
        return [
            MadeTake(
                job=job,
                draw_s=draw_s / len(todo) if job in todo else 0.0,
                other_s=max(0.0, took_s - draw_s) / len(jobs),
                load_s=load_s / len(jobs),
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
        if path not in self._characters:
            self._characters[path] = load_any(path)
        return self._characters[path]

    def _draw(self, jobs: Sequence[TakeJob], progress: Progress) -> float:
        """Draw takes and write them; returns the time in the sampler."""
        backbone, shot = self._load(), jobs[0].shot
        settings = SampleSettings(
            num_inference_steps=shot.num_inference_steps,
            guidance_scale=shot.guidance_scale,
            identity_guidance=shot.identity_guidance,
            fps=shot.native_fps,
        )
        begun = time.perf_counter()
        try:
            picture = first_picture(jobs[0])
            looked = time.perf_counter()
            regions = regions_of(jobs[0], picture, settings, backbone, self._finder, progress)
            look_s = time.perf_counter() - looked  # mostly a first pass of the sampler
            if picture is None and not shot.hands_on:
                takes = self._at_once(jobs, regions, settings, progress)
            else:
                takes = [self._chained(jobs[0], picture, regions, settings, progress)]
        except FaceError as error:
            took_s = time.perf_counter() - begun
            write_void(jobs[0], str(error), {"draw_s": round(took_s, 3)})
            return took_s
        for job, made in zip(jobs, takes, strict=True):
            record: dict[str, object] = {
                "backbone": backbone.spec.name,
                "sampling": dataclasses.asdict(settings),
                "facekit": facekit.__version__,
                "resolved_prompt": job.shot.prompt,
                "negative_prompt": shot.negative_prompt,
                "cast": job.cast_json(),
                "regions": told_regions(regions, shot, made.clip.num_frames),
                "chunks": list(shot.frames.chunks),
                "goes_on_from": None if job.before is None else job.before.as_posix(),
                "starts_from": pinned_picture(job.shot),
                "draw_s": round(made.draw_s + look_s / len(jobs), 3),
                "device": device_text(self.device),
                "fingerprint": job.fingerprint,
                **made.told,
            }
            if made.void:
                write_void(job, made.void, record)
            else:
                write_take(job.takes_dir, shot_of(job, made.clip.num_frames), made.clip, record)
            shutil.rmtree(chunks_dir(job), ignore_errors=True)
        self._keep_rate(shot, takes[0])
        return look_s + sum(made.fresh_s for made in takes)

    def _keep_rate(self, shot: ShotPlan, made: _Drawn) -> None:
        for num_frames in set(shot.frames.chunks):
            passes = shot.num_inference_steps * shot.passes
            record_rate(
                Rate(
                    backbone=shot.backbone,
                    device=device_text(self.device),
                    height=shot.height,
                    width=shot.width,
                    num_frames=num_frames,
                    seconds_per_pass=made.draw_s * num_frames / made.num_frames / passes,
                )
            )

    def _at_once(
        self,
        jobs: Sequence[TakeJob],
        regions: Mapping[str, Region],
        settings: SampleSettings,
        progress: Progress,
    ) -> list[_Drawn]:
        """Draw takes of one chunk, all of them in one batch."""
        backbone, shot = self._load(), jobs[0].shot
        (num_frames,) = shot.frames.chunks
        asked = [
            dataclasses.replace(shot_of(job, num_frames), name=job.name, prompt=job.shot.prompt)
            for job in jobs
        ]
        begun = time.perf_counter()
        with ExitStack() as stack:
            if shot.characters:
                masks = make_masks(regions, asked[0], backbone.spec, check=False) if regions else {}
                attachment = attach_characters(
                    backbone.pipe,
                    [self._character(person.file) for person in shot.characters],
                    masks_LHW=[masks.get(person.id) for person in shot.characters],
                    **guidance_options(settings),
                )
                stack.callback(attachment.detach)
                words = list(zip(*(job.shot.regional_prompts for job in jobs), strict=True))
                if regions and words and attachment.takes_regional_prompts:
                    attachment.set_regional_prompts(words)
                attachment.set_strengths(
                    [simple_strength(x.strengths(0, num_frames)) for x in shot.characters]
                )
            clips = list(
                sample(
                    backbone.pipe,
                    asked,
                    backbone.spec,
                    settings,
                    progress=progress,
                    label=jobs[0].name,
                    negative_prompt=shot.negative_prompt,
                )
            )
        each_s = (time.perf_counter() - begun) / len(jobs)
        return [
            _Drawn(clip=clip, draw_s=each_s, fresh_s=each_s, num_frames=num_frames, told={})
            for clip in clips
        ]

    def _chained(
        self,
        job: TakeJob,
        picture: Image | None,
        regions: Mapping[str, Region],
        settings: SampleSettings,
        progress: Progress,
    ) -> _Drawn:
        """Draw a take of several chunks, or one that goes on from a frame."""
        backbone = self._load()
        likeness = self._likeness(job.shot) if job.shot.hands_on else None
        made = draw_chained(
            job,
            backbone.pipe,
            backbone.spec,
            [self._character(person.file) for person in job.shot.characters],
            regions,
            settings,
            likeness,
            picture,
            progress,
        )
        stopped = made.chained.stopped
        return _Drawn(
            clip=made.chained.clip,
            draw_s=made.draw_s,
            fresh_s=made.fresh_s,
            num_frames=made.chained.drawn_frames,
            told={"chain": made.record} if job.shot.hands_on else {},
            void=f"the chain stopped {stopped}" if stopped else "",
        )

    def _likeness(self, shot: ShotPlan) -> Likeness | None:
        """Who looks at the frames that are handed on; None where nobody is to be seen."""
        people = [person for person in shot.characters if not person.is_absent]
        key = tuple((person.file, person.face_required) for person in people)
        if key not in self._judges:
            characters = [self._character(person.file) for person in people]
            names = {one.file.header.encoder for one in characters}
            own = self._finder() if self._recipe.encoder.train in names else None
            if len(characters) == 1:
                found = make_likeness(characters[0], self.device, own)
            else:
                needed = [person.face_required for person in people]
                found = make_cast_likeness(characters, needed, self.device, own)
            self._judges[key] = found
        return self._judges[key]
