"""Who is in the benchmark of several characters: held-out characters, and the shots of a group."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from benchmarks.judge_photos import NUM_JUDGES, NUM_PHOTOS, draw_photo
from facekit.adapters.character import Character, load_character
from facekit.faces.protocols import FaceVendor
from facekit.generation.sample import SampleSettings
from facekit.identity.gallery import build_gallery
from facekit.media.images import read_image
from facekit.recipe import Recipe, recipe_digest
from facekit.toon import ToonCharacter
from facekit.toon.character import HELD_OUT_SEED
from facekit.toon.scene import LIGHTS, MOODS, PLACES
from facekit.types import Progress, Shot
from facekit.workflows.backbone import Backbone
from facekit.workflows.toon_truth import phrase_of
from facekit.workflows.train import plan_train, run_train

FIRST_SEED = HELD_OUT_SEED + 30_000
FIRST_SHOT_SEED = 7000
SEED_STEP = 1000
"""From one take of a shot to the next."""
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
        own = [read_image(self._photo(folder, number)) for number in range(NUM_PHOTOS)]
        names = [f"{self.name} {number}" for number in range(NUM_PHOTOS)]
        self.own_ND = build_gallery(own, names, bench.train_faces, among=True).vectors
        """Its own photos by the encoder that trains, which chooses among takes."""

    def _photo(self, folder: Path, number: int) -> Path:
        return draw_photo(self.toon, self.seed, number, folder)


def group_shots(bench: Bench, names: Sequence[str], take: int = 0) -> tuple[Shot, ...]:
    """The shots of a group, named from left to right; equal for every way of making them.

    Takes differ by their seeds alone. Each group has seeds of its own, for a seed decides where
    figures stand and how heads are held: four for all would be four pictures.
    """
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
                seed=FIRST_SHOT_SEED + len(PLACES) * int(names[0][1:]) + index + SEED_STEP * take,
                num_frames=bench.num_frames,
                height=height,
                width=width,
                kind="medium shot",
            )
        )
    return tuple(shots)
