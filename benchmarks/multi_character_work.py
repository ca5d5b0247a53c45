"""The units of the benchmark of several characters: one group in one way, sampled and measured."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.likeness_work import load_clips, save_clips
from benchmarks.multi_character_measure import PLACES_OF, measure_places
from facekit.adapters.character import Character, attach_characters, load_character
from facekit.digests import json_digest
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import encoder_id
from facekit.generation.named_regions import NAMED_REGIONS
from facekit.generation.regions import box_region
from facekit.generation.sample import SampleSettings, sample
from facekit.generation.shots import name_characters
from facekit.identity.gallery import build_gallery
from facekit.media.files import write_text
from facekit.media.images import read_image, write_image
from facekit.recipe import Recipe, recipe_digest
from facekit.toon import ToonCharacter, draw, draw_clip, sample_scene
from facekit.toon.character import HELD_OUT_SEED
from facekit.toon.scene import LIGHTS, MOODS, PLACES
from facekit.types import Clip, Progress, Shot
from facekit.workflows.backbone import Backbone
from facekit.workflows.cast_sampling import sample_cast
from facekit.workflows.casting import ShotCast
from facekit.workflows.toon_truth import as_clip, phrase_of
from facekit.workflows.train import plan_train, run_train

FIRST_SEED = HELD_OUT_SEED + 30_000
NUM_PHOTOS = 8
NUM_JUDGES = 6
"""Photos that the report encoder compares with, unseen by any character."""
WORDS_OF = {2: ("left", "right"), 3: ("left", "middle", "right")}
ASPECT_OF = {1: "1:1", 2: "1:1", 3: "16:9"}
"""Three medium shots do not fit into a square; two in a wide picture are drawn as three."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Everything that all units share."""

    work: Path
    recipe: Recipe
    backbone: Backbone
    train_faces: FaceVendor
    report_faces: FaceVendor
    shots: int
    num_frames: int
    progress: Progress

    @property
    def settings(self) -> SampleSettings:
        """How everything is sampled."""
        return SampleSettings.of(self.backbone.spec, self.recipe.sample)


class Subject:
    """One held-out character: its file, and the photos that judge it."""

    def __init__(self, bench: Bench, index: int) -> None:
        self.seed = FIRST_SEED + index
        self.name = f"c{index:02d}"
        self.toon = ToonCharacter.from_seed(self.seed)
        folder = bench.work / "photos" / self.name
        for number in range(NUM_PHOTOS):
            self._photo(folder, number)
        parent = bench.work / "characters" / recipe_digest(bench.recipe)[:12]
        plan = plan_train(
            [folder],
            name=self.name,
            recipe=bench.recipe,
            out=parent,
            trigger=phrase_of(self.toon),
        )
        made = run_train(plan, bench.progress, faces=bench.train_faces, backbone=bench.backbone)
        self.character: Character = load_character(made.adapter)
        judges = [
            read_image(self._photo(bench.work / "judges" / self.name, NUM_PHOTOS + number))
            for number in range(NUM_JUDGES)
        ]
        names = [f"{self.name} {number}" for number in range(NUM_JUDGES)]
        self.photos_ND = build_gallery(judges, names, bench.report_faces, among=True).vectors

    def _photo(self, folder: Path, number: int) -> Path:
        path = folder / f"{number:02d}.png"
        if not path.is_file():
            scene = sample_scene(
                (self.toon,),
                np.random.default_rng([self.seed, number, 0x9407]),
                shot_size="close-up" if number % 4 else "medium shot",
                max_yaw_deg=35.0,
            )
            write_image(path, draw(scene, with_masks=False).image)
        return path


def group_shots(bench: Bench, names: Sequence[str]) -> tuple[Shot, ...]:
    """The shots of a group, named from left to right; equal for every way of making them."""
    count = len(names)
    height, width = bench.backbone.spec.sizes[ASPECT_OF[count]]
    words = WORDS_OF.get(count, ("",))
    who = " and ".join(
        f"@{name}" + (f" on the {word}" if word else "")
        for name, word in zip(names, words, strict=True)
    )
    shots = []
    for index in range(bench.shots):
        place, mood = PLACES[index % len(PLACES)], MOODS[index % len(MOODS)]
        light = LIGHTS[(index // 2) % len(LIGHTS)]
        prompt = f"medium shot of {who} in the {place}, {mood}, standing still, {light}"
        shots.append(
            Shot(
                name=f"{'-'.join(names)}-{index:02d}",
                prompt=prompt,
                seed=7000 + index,
                num_frames=bench.num_frames,
                height=height,
                width=width,
                kind="medium shot",
            )
        )
    return tuple(shots)


def make_clips(bench: Bench, way: str, subjects: Sequence[Subject], present: int) -> list[Clip]:
    """Make the shots of a group in one way.

    Args:
        bench: What all share.
        way: "regions", "auto", "naive", "description" or "drawn".
        subjects: From left to right; prompts describe all of them.
        present: How many of them, from the left, are attached; the others are bystanders.
    """
    names = [subject.name for subject in subjects]
    shots = group_shots(bench, names)
    if way == "drawn":
        return [_drawn(subjects, shot) for shot in shots]
    phrases = {subject.name: subject.character.trigger for subject in subjects}
    prompts = [name_characters(shot.prompt, phrases) for shot in shots]
    there = tuple(subject.character for subject in subjects[:present])
    pipe, spec = bench.backbone.pipe, bench.backbone.spec
    if way == "naive":
        asked = [
            dataclasses.replace(shot, prompt=prompt)
            for shot, prompt in zip(shots, prompts, strict=True)
        ]
        with attach_characters(pipe, there):
            return list(sample(pipe, asked, spec, bench.settings, progress=bench.progress))
    cast = None
    if way != "description":
        boxes = [NAMED_REGIONS[name] for name in PLACES_OF.get(len(subjects), ())]
        regions = {
            name: box_region([box]) for name, box in zip(names[:present], boxes, strict=False)
        }
        is_auto = way == "auto"
        cast = ShotCast(characters=there, regions={} if is_auto else regions, is_auto=is_auto)
    taken = sample_cast(
        pipe,
        shots,
        prompts,
        cast,
        spec,
        bench.settings,
        faces=bench.train_faces,
        progress=bench.progress,
    )
    return [clip for clip, _ in taken]


def _drawn(subjects: Sequence[Subject], shot: Shot) -> Clip:
    """The characters themselves, as a shot asks for them: what could be reached at most."""
    scene = sample_scene(
        tuple(subject.toon for subject in subjects),
        np.random.default_rng([shot.seed, 0x7208]),
        aspect=ASPECT_OF[len(subjects)],
        shot_size="medium shot",
        max_yaw_deg=25.0,
    )
    if shot.num_frames > 1:
        return as_clip(draw_clip(scene, shot.num_frames))
    return as_clip([draw(scene)])


def run_unit(
    bench: Bench,
    way: str,
    subjects: Sequence[Subject],
    present: int | None = None,
    against: Sequence[Subject] | None = None,
) -> list[dict[str, Any]]:
    """Make and measure one group in one way, or read what an earlier run left.

    Args:
        bench: What all share.
        way: As for `make_clips`.
        subjects: From left to right.
        present: How many of them are attached; all when None.
        against: Whom faces are compared with; the subjects when None.

    Returns:
        One entry for each place of each shot, from left to right.
    """
    attached = len(subjects) if present is None else present
    cast = subjects if against is None else against
    path = unit_path(bench, way, subjects, attached, cast)
    if path.is_file():
        stored: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return stored
    clips_path = path.with_suffix(".npz")
    clips = load_clips(clips_path)
    if clips is None:
        clips = make_clips(bench, way, subjects, attached)
        save_clips(clips_path, clips)
    rows = [
        {"shot": number, **row}
        for number, clip in enumerate(clips)
        for row in measure_places(
            clip,
            {subject.name: subject.toon for subject in subjects},
            {subject.name: subject.photos_ND for subject in cast},
            bench.report_faces,
            bench.backbone.spec,
        )
    ]
    write_text(path, json.dumps(rows, indent=1, allow_nan=False) + "\n")
    return rows


def unit_path(
    bench: Bench,
    way: str,
    subjects: Sequence[Subject],
    present: int | None = None,
    against: Sequence[Subject] | None = None,
) -> Path:
    """Where a unit is kept; arguments as for `run_unit`. Its clips lie beside it as npz."""
    names = [subject.name for subject in subjects]
    content = {
        "way": way,
        "names": names,
        "present": len(subjects) if present is None else present,
        "against": [subject.name for subject in (subjects if against is None else against)],
        "shots": [dataclasses.asdict(shot) for shot in group_shots(bench, names)],
        "settings": dataclasses.asdict(bench.settings),
        "recipe": recipe_digest(bench.recipe),
        "backbone": bench.backbone.parts_digest,
        "report": encoder_id(bench.report_faces),
    }
    return bench.work / "units" / f"{json_digest(content)[:16]}.json"
