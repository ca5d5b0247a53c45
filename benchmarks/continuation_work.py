"""The units of the long shots: a character, one shot of it, and what the encoder says of that."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judge_photos import NUM_JUDGES, NUM_PHOTOS, draw_photo
from benchmarks.likeness_work import load_clips, save_clips
from facekit.adapters.character import Character, load_character
from facekit.digests import json_digest
from facekit.evaluation.metrics import mean_or_none, photo_similarities
from facekit.evaluation.tracks import track_frames
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import load_faces
from facekit.generation.chain import draw_chain
from facekit.generation.chunks import Chained, Drawn, LongShot, Unit, chunk_frames
from facekit.generation.continuation import continuation_pipeline, continue_clip
from facekit.generation.hand_over import ChainRule
from facekit.generation.sample import SampleSettings, sample
from facekit.identity.gallery import build_gallery
from facekit.media.images import pixel_digest, read_image
from facekit.media.video import write_clip
from facekit.recipe import load_recipe
from facekit.toon import HELD_OUT_SEED, ToonCharacter
from facekit.types import Clip, NoProgress, Shot
from facekit.workflows.api import attach
from facekit.workflows.backbone import Backbone, load_backbone
from facekit.workflows.frame_likeness import Likeness, make_likeness
from facekit.workflows.toon_truth import phrase_of
from facekit.workflows.train import plan_train, run_train

FIRST_SEED = HELD_OUT_SEED + 40_000
_PHOTOS_SALT = 0xC0
NAME = "hero"
PLAIN = ChainRule(min_share=0.0, window=1, redraws=0, colours=0.0, soften_px=0.0, guidance=1.0)
WAYS: Mapping[str, str] = {
    "facekit": "facekit's chain",
    "identity": "identity branch, last frame",
    "plain": "last frame alone",
}
SCENES = (
    ("1:1", "close-up of {} in the kitchen, happy, talking, warm light"),
    ("16:9", "medium shot of {} in the park, neutral, turning the head, soft light"),
    ("9:16", "close-up of {} in the forest, neutral, standing still, soft light"),
    ("1:1", "medium shot of {} in the office, sad, nodding, soft light"),
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A character, and photos that nothing was made from."""

    seed: int
    character: Character
    likeness: Likeness
    held_out: np.ndarray
    ceiling: float


class Bench:
    """Backbone and encoders, loaded once."""

    def __init__(self, work: Path, settings: Sequence[str], seconds: float) -> None:
        self.work = work
        self.recipe = load_recipe(overrides=["identity.level=L0", *settings])
        self.backbone: Backbone = load_backbone(self.recipe)
        self.spec, self.pipe = self.backbone.spec, self.backbone.pipe
        self.continued = continuation_pipeline(self.pipe)
        self.settings = SampleSettings.of(self.spec, self.recipe.sample)
        self.train_faces = load_faces(self.recipe.encoder.train)
        self.report_faces: FaceVendor = load_faces(self.recipe.encoder.report)
        self.num_frames = round(seconds * self.settings.fps)

    def clip_path(self, shot: str, way: str) -> Path:
        """Where a finished long shot lies."""
        return self.work / "clips" / f"{shot}-{way}.mp4"

    def subject(self, index: int) -> Subject:
        """Draw photos of a held-out character, enrol it, and embed photos that judge."""
        seed = FIRST_SEED + index
        toon = ToonCharacter.from_seed(seed)
        photos = self.work / "photos" / str(seed)
        mine = [
            draw_photo(toon, seed, number, photos, _PHOTOS_SALT) for number in range(NUM_PHOTOS)
        ]
        judges = self.work / "judges" / str(seed)
        theirs = [
            draw_photo(toon, seed, NUM_PHOTOS + number, judges, _PHOTOS_SALT)
            for number in range(NUM_JUDGES)
        ]
        folder = self.work / "characters" / str(seed)
        if not (folder / NAME / "adapter.safetensors").is_file():
            plan = plan_train(
                [photos], name=NAME, recipe=self.recipe, out=folder, trigger=phrase_of(toon)
            )
            run_train(plan, NoProgress(), faces=self.train_faces, backbone=self.backbone)
        character = load_character(folder / NAME)
        likeness = make_likeness(character, self.backbone.device, self.train_faces)
        assert likeness is not None, "an enrolled character has a gallery"
        own, held_out = (
            build_gallery(
                [read_image(path) for path in paths],
                [str(path) for path in paths],
                self.report_faces,
                among=True,
            ).vectors
            for paths in (mine, theirs)
        )
        return Subject(
            seed=seed,
            character=character,
            likeness=likeness,
            held_out=held_out,
            ceiling=float((own @ held_out.T).mean()),
        )

    def run(self, way: str, subject: Subject, index: int, seed: int) -> dict[str, Any]:
        """Draw one long shot one way and measure it with the reporting encoder."""
        aspect, text = SCENES[index % len(SCENES)]
        height, width = self.spec.sizes[aspect]
        shot = Shot(
            name=f"{subject.seed}-s{seed}",
            prompt=text.format(subject.character.trigger),
            seed=1_000 * seed + index,
            num_frames=self.num_frames,
            height=height,
            width=width,
            kind=text.split(" of ")[0],
        )
        rule = PLAIN
        if way == "facekit":
            rule = ChainRule(min_same_person=subject.likeness.min_same_person)
        asked = LongShot(
            seed=shot.seed,
            num_frames=shot.num_frames,
            chunk_frames=chunk_frames(self.spec),
            needs_face=True,
        )
        with attach(self.pipe, subject.character) as attached:

            def draw_unit(unit: Unit) -> Drawn:
                attached.set_strength(0.0 if way == "plain" and unit.index > 0 else 1.0)
                clip = self._unit(way, shot, unit, rule)
                scores = subject.likeness.score(clip.frames) if way == "facekit" else None
                return Drawn(clip=clip, scores_F=scores)

            locate = subject.likeness.locate if way == "facekit" else None
            chained = draw_chain(asked, rule, self.spec.frame_multiple, draw_unit, locate)
        write_clip(self.clip_path(shot.name, way), chained.clip)
        return self._measured(way, shot, chained, subject)

    def _unit(self, way: str, shot: Shot, unit: Unit, rule: ChainRule) -> Clip:
        """Draw a unit, or read what an earlier sitting has drawn."""
        scale = self.settings.guidance_scale
        scale = scale if unit.index == 0 else rule.guided(scale)
        settings = dataclasses.replace(self.settings, guidance_scale=scale)
        piece = dataclasses.replace(shot, seed=unit.seed, num_frames=unit.num_frames)
        content = {
            "shot": dataclasses.asdict(piece),
            "settings": dataclasses.asdict(settings),
            "start": None if unit.start is None else pixel_digest(unit.start),
            "without": way == "plain" and unit.index > 0,
            "backbone": self.backbone.parts_digest,
        }
        path = self.work / "units" / f"{json_digest(content)}.npz"
        stored = load_clips(path)
        if stored is not None:
            return stored[0]
        if unit.start is None:
            clip = next(sample(self.pipe, [piece], self.spec, settings))
        else:
            before = Clip(frames=unit.start[None], fps=settings.fps)
            clip = continue_clip(self.continued, before, piece, self.spec, settings)
        save_clips(path, [clip])
        return clip

    def _measured(self, way: str, shot: Shot, done: Chained, subject: Subject) -> dict[str, Any]:
        track = track_frames(tuple(done.clip.frames), self.report_faces)
        likeness = photo_similarities(track.embeddings_FD, subject.held_out)
        # A face that is gone is a face that was lost: these shots demand one.
        likeness = np.where(track.is_scored, likeness, np.nan)
        likeness = np.where(track.is_missing, 0.0, likeness)
        chunks = [
            mean_or_none(likeness[chunk.first_frame : chunk.first_frame + chunk.num_frames])
            for chunk in done.chunks
        ]
        start, end = chunks[0], mean_or_none(likeness[-(done.clip.num_frames // 4) :])
        steps = np.abs(np.diff(done.clip.frames.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
        seams = [chunk.first_frame - 1 for chunk in done.chunks[1:]]
        return {
            "way": way,
            "shot": shot.name,
            "prompt": shot.prompt,
            "frames": done.clip.num_frames,
            "stopped": done.stopped or None,
            "drawn_frames": done.drawn_frames,
            "redrawn": sum(len(chunk.redrawn) for chunk in done.chunks),
            "ceiling": subject.ceiling,
            "likeness_per_chunk": chunks,
            "likeness_per_second": _per_second(likeness, done.clip.fps),
            "start": start,
            "end": end,
            "loss": None if not start or end is None else 1.0 - end / start,
            "motion": float(steps.mean()),
            "seam_step": mean_or_none(steps[seams]),
            "inside_step": mean_or_none(np.delete(steps, seams)),
            "anchored": sum(chunk.anchored for chunk in done.chunks),
        }


def _per_second(likeness: np.ndarray, fps: float) -> list[float | None]:
    step = round(fps)
    return [
        mean_or_none(likeness[first : first + step])
        for first in range(0, len(likeness) - step + 1, step)
    ]
