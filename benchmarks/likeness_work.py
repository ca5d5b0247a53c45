"""The units of the comparison: one method on one character, trained, shot, measured and kept."""

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judge_photos import NUM_JUDGES, NUM_PHOTOS, draw_photo
from facekit.adapters.character import load_character
from facekit.curation.inspecting import build_photo_set
from facekit.digests import json_digest
from facekit.evaluation.scores import CharacterScores, Probe, Reference, Take
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import encoder_id
from facekit.generation.sample import SampleSettings, guidance_options, sample
from facekit.generation.shots import demo_shots, name_characters
from facekit.media.files import atomic_write, write_text
from facekit.media.scan import scan_sources
from facekit.recipe import Recipe, load_recipe, recipe_digest
from facekit.toon import ToonCharacter
from facekit.toon.character import HELD_OUT_SEED
from facekit.types import Clip, Progress, Shot
from facekit.workflows.api import attach
from facekit.workflows.backbone import Backbone
from facekit.workflows.measuring import Photos, build_reference, make_takes, measure, read_photos
from facekit.workflows.toon_truth import draw_shot, phrase_of
from facekit.workflows.train import plan_train, run_train

FIRST_SEED = HELD_OUT_SEED + 2_000
SWEEP_SEED = HELD_OUT_SEED + 9_000
NAME = "hero"
FIGURES = (
    "sim_held",
    "likeness_ratio",
    "xsim",
    "xmin",
    "shots_counted",
    "xmin_ratio",
    "m_cp",
    "m_cp_over_truth",
    "prompt_delta",
    "motion_ratio",
)
"""What the table holds of each method, besides its training time."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Everything that all units share."""

    work: Path
    recipe: Recipe
    backbone: Backbone
    train_faces: FaceVendor
    report_faces: FaceVendor
    probe: Probe | None
    prompts: int
    seeds: int
    num_frames: int
    budget_s: float
    progress: Progress
    trained_on: str = ""
    """Digest of the base adapter, so that units of another one are made again."""

    @property
    def shots(self) -> tuple[Shot, ...]:
        """Every prompt with every seed."""
        listed = demo_shots(
            NAME, self.backbone.spec, num_frames=self.num_frames, count=self.prompts
        )
        return tuple(
            dataclasses.replace(shot, name=f"{shot.name}-s{seed}", seed=1000 * seed + index)
            for seed in range(self.seeds)
            for index, shot in enumerate(listed)
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """One way to get a character into the shots."""

    key: str
    title: str
    recipe: Recipe | None
    """How it is trained; None trains nothing."""

    @property
    def is_drawn(self) -> bool:
        """Whether it is the drawn truth instead of a model's work."""
        return self.key == "truth"


def budgeted(overrides: Sequence[str], budget_s: float, source: str) -> Recipe:
    """Make a recipe whose only limit is the wall clock."""
    limits = ["train.steps=1000000", f"train.minutes={budget_s / 60:.6g}"]
    return load_recipe(source, [*limits, *overrides])


class Subject:
    """One held-out character: its photos, its reference and how prompts call it."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench = bench
        self.seed = seed
        self.toon = ToonCharacter.from_seed(seed)
        self.phrase = phrase_of(self.toon)
        self.photos_dir = bench.work / "photos" / str(seed)
        for index in range(NUM_PHOTOS):
            draw_photo(self.toon, seed, index, self.photos_dir)
        sources = scan_sources([self.photos_dir])
        self.photo_set = build_photo_set(
            sources,
            bench.recipe.photos,
            bench.train_faces,
            num_views=bench.recipe.identity.max_photos,
        )
        judges_dir = bench.work / "judges" / str(seed)
        self.photos: Photos = read_photos(
            [photo.file for photo in self.photo_set.train],
            [
                draw_photo(self.toon, seed, NUM_PHOTOS + index, judges_dir)
                for index in range(NUM_JUDGES)
            ],
        )
        self.reference: Reference = build_reference(self.photos, bench.report_faces)
        self._takes: dict[str, tuple[Take, ...]] = {}

    def prompts(self, phrase: str | None = None) -> tuple[str, ...]:
        """What the backbone reads of every shot."""
        phrases = {NAME: phrase or self.phrase}
        return tuple(name_characters(shot.prompt, phrases) for shot in self.bench.shots)

    def base_takes(self) -> tuple[Take, ...]:
        """The bare model with the description; sampled once for all methods."""
        return self._cached("base", lambda: _sampled(self.bench, self.prompts()))

    def truth_takes(self) -> tuple[Take, ...]:
        """The character itself, drawn."""
        return self._cached("truth", lambda: [draw_shot(self.toon, s) for s in self.bench.shots])

    def _cached(self, key: str, make: Any) -> tuple[Take, ...]:
        if key not in self._takes:
            path = self.bench.work / "clips" / key / f"{self.seed}-{_shots_digest(self.bench)}.npz"
            clips = load_clips(path)
            if clips is None:
                clips = make()
                save_clips(path, clips)
            self._takes[key] = make_takes(self.bench.shots, clips, self.bench.report_faces)
        return self._takes[key]


def run_unit(bench: Bench, method: Method, subject: Subject) -> dict[str, Any]:
    """Train, shoot and measure one method on one character, or read what an earlier run left."""
    folder = bench.work / "runs" / method.key / str(subject.seed)
    digest = _unit_digest(bench, method, subject)
    try:
        stored: dict[str, Any] = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        if stored["digest"] == digest:
            return stored
    except (OSError, ValueError, KeyError):
        pass  # not measured yet, or cut short: made again
    train_seconds, sample_seconds = 0.0, 0.0
    if method.recipe is None:
        takes = subject.truth_takes() if method.is_drawn else subject.base_takes()
        prompts = subject.prompts()
    else:
        adapter, train_seconds = train_unit(bench, method.recipe, subject, folder, digest)
        character = load_character(adapter)
        prompts = subject.prompts(character.trigger)
        began = time.monotonic()
        settings = SampleSettings.of(bench.backbone.spec, bench.recipe.sample)
        # A plain LoRA has no identity branch that could be guided by itself.
        options = guidance_options(settings) if character.file.identity else {}
        with attach(bench.backbone.pipe, character, **options):
            clips = _sampled(bench, prompts)
        sample_seconds = time.monotonic() - began
        save_clips(folder / "clips.npz", clips)
        takes = make_takes(bench.shots, clips, bench.report_faces)
    scores = _measured(bench, subject, takes, prompts)
    result = {
        "digest": digest,
        "method": method.key,
        "character": subject.seed,
        "train_seconds": train_seconds,
        "sample_seconds": sample_seconds,
        "figures": dict(scores.figures),
        "strata": dict(scores.strata),
        "adherence": dict(scores.adherence),
    }
    write_text(folder / "scores.json", json.dumps(result, indent=1, allow_nan=False) + "\n")
    return result


def train_unit(
    bench: Bench, recipe: Recipe, subject: Subject, folder: Path, digest: str
) -> tuple[Path, float]:
    """Train one character within the budget; goes on where an earlier call stopped.

    A plain LoRA has only its name to say who is meant, so its trigger holds one besides the
    description that all methods get.
    """
    named = recipe.identity.level == "none"
    phrase = phrase_of(subject.toon, name=f"a {NAME} person") if named else subject.phrase
    plan = plan_train(
        [subject.photos_dir],
        name=NAME,
        recipe=recipe,
        out=folder / digest[:12],
        trigger=phrase,
    )
    outcome = run_train(plan, bench.progress, faces=bench.train_faces, backbone=bench.backbone)
    return outcome.adapter, outcome.train_seconds


def _measured(
    bench: Bench, subject: Subject, takes: Sequence[Take], prompts: Sequence[str]
) -> CharacterScores:
    return measure(
        str(subject.seed),
        takes,
        subject.reference,
        train_encoder=encoder_id(bench.train_faces),
        report_encoder=encoder_id(bench.report_faces),
        base_takes=subject.base_takes(),
        truth_takes=subject.truth_takes(),
        probe=bench.probe,
        prompts=prompts,
    )


def _sampled(bench: Bench, prompts: Sequence[str]) -> list[Clip]:
    shots = [
        dataclasses.replace(shot, prompt=prompt)
        for shot, prompt in zip(bench.shots, prompts, strict=True)
    ]
    settings = SampleSettings.of(bench.backbone.spec, bench.recipe.sample)
    pipe, spec = bench.backbone.pipe, bench.backbone.spec
    return list(sample(pipe, shots, spec, settings, progress=bench.progress))


def save_clips(path: Path, clips: Sequence[Clip]) -> None:
    """Keep clips without loss, the whole file or nothing."""
    arrays: dict[str, Any] = {f"{index:03d}": clip.frames for index, clip in enumerate(clips)}
    with atomic_write(path) as temporary:
        np.savez_compressed(temporary, fps=np.array(clips[0].fps), **arrays)


def load_clips(path: Path) -> list[Clip] | None:
    """Read clips; None when they are not there."""
    if not path.is_file():
        return None
    with np.load(path) as stored:
        fps = float(stored["fps"])
        names = sorted(name for name in stored.files if name != "fps")
        return [Clip(frames=stored[name], fps=fps) for name in names]


def _shots_digest(bench: Bench) -> str:
    content = {
        "shots": [dataclasses.asdict(shot) for shot in bench.shots],
        "backbone": bench.backbone.parts_digest,
        "sample": bench.recipe.sample.model_dump(mode="json"),
    }
    return json_digest(content)[:12]


def _unit_digest(bench: Bench, method: Method, subject: Subject) -> str:
    content = {
        "method": method.key,
        "recipe": recipe_digest(method.recipe) if method.recipe else None,
        "shots": _shots_digest(bench),
        "photos": subject.photo_set.digest,
        "judges": NUM_JUDGES,
        "encoders": [encoder_id(bench.train_faces), encoder_id(bench.report_faces)],
        "adapter": bench.trained_on,
        "probe": bench.probe is not None,
        "figures": list(FIGURES),
    }
    return json_digest(content)
