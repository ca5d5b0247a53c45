"""The units of the benchmark of several characters: one group in one way, sampled and measured."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.likeness_work import load_clips, save_clips
from benchmarks.multi_character_measure import PLACES_OF, measure_places
from benchmarks.multi_character_people import ASPECT_OF, Bench, Subject, group_shots
from facekit.adapters.character import attach_characters
from facekit.digests import json_digest
from facekit.errors import NoFaceFound
from facekit.faces.vendors import encoder_id
from facekit.generation.named_regions import NAMED_REGIONS
from facekit.generation.regions import Region, box_region, make_masks
from facekit.generation.sample import sample
from facekit.generation.shots import name_characters
from facekit.media.files import write_text
from facekit.recipe import recipe_digest
from facekit.toon import draw, draw_clip, sample_scene
from facekit.types import Clip, Shot
from facekit.workflows.cast_sampling import sample_cast
from facekit.workflows.casting import ShotCast
from facekit.workflows.toon_truth import as_clip

CODE_VERSION = 2
"""Counted up whenever the same unit would come out otherwise."""
MAX_TAKES = 3


def make_clips(bench: Bench, way: str, subjects: Sequence[Subject], present: int) -> list[Clip]:
    """Make the shots of a group in one way.

    Args:
        bench: What all share.
        way: One of those of `benchmarks.multi_character`.
        subjects: From left to right; prompts describe all of them.
        present: How many of them, from the left, are attached; the others are bystanders.
    """
    shots = group_shots(bench, [subject.name for subject in subjects])
    if way == "drawn":
        return [_drawn(subjects, shot) for shot in shots]
    if way == "takes":
        return _chosen_takes(bench, subjects)
    there = tuple(subject.character for subject in subjects[:present])
    if way == "description":
        return _cast_clips(bench, subjects, shots, None)
    if way == "auto":
        cast = ShotCast(characters=there, is_auto=True)
        return [_found_or_nothing(bench, subjects, shot, cast) for shot in shots]
    regions = _regions(subjects, present)
    if way == "regions":
        cast = ShotCast(characters=there, regions=regions)
        return _cast_clips(bench, subjects, shots, cast)
    pipe, spec = bench.backbone.pipe, bench.backbone.spec
    masks = None
    if way == "one_prompt":
        laid = make_masks(regions, shots[0], spec)
        masks = [laid.get(who.name) for who in there]
    asked = [dataclasses.replace(shot, prompt=_read(shot, subjects)) for shot in shots]
    with attach_characters(pipe, there, masks_LHW=masks):
        return list(sample(pipe, asked, spec, bench.settings, progress=bench.progress))


def _regions(subjects: Sequence[Subject], present: int) -> dict[str, Region]:
    boxes = [NAMED_REGIONS[name] for name in PLACES_OF.get(len(subjects), ())]
    names = [subject.name for subject in subjects[:present]]
    return {name: box_region([box]) for name, box in zip(names, boxes, strict=False)}


def _read(shot: Shot, subjects: Sequence[Subject]) -> str:
    """What the backbone reads of a prompt."""
    return name_characters(
        shot.prompt, {subject.name: subject.character.trigger for subject in subjects}
    )


def _cast_clips(
    bench: Bench, subjects: Sequence[Subject], shots: Sequence[Shot], cast: ShotCast | None
) -> list[Clip]:
    """Sample as `facekit shoot` does."""
    taken = sample_cast(
        bench.backbone.pipe,
        shots,
        [_read(shot, subjects) for shot in shots],
        cast,
        bench.backbone.spec,
        bench.settings,
        faces=bench.train_faces,
        progress=bench.progress,
    )
    return [clip for clip, _ in taken]


def _found_or_nothing(
    bench: Bench, subjects: Sequence[Subject], shot: Shot, cast: ShotCast
) -> Clip:
    """A shot whose regions are looked for; black where there are too few faces to find."""
    try:
        (clip,) = _cast_clips(bench, subjects, [shot], cast)
    except NoFaceFound:
        black = np.zeros((shot.num_frames, shot.height, shot.width, 3), np.uint8)
        return Clip(frames=black, fps=bench.settings.fps)
    return clip


def _chosen_takes(bench: Bench, subjects: Sequence[Subject]) -> list[Clip]:
    """The first take of each shot with everybody in place, or the nearest to that.

    The encoder that trains looks at them and decides; the one that reports does not.
    """
    run_unit(bench, "regions", subjects)
    chosen = load_clips(unit_path(bench, "regions", subjects).with_suffix(".npz"))
    assert chosen is not None, "just made"
    marks = [_mark(bench, subjects, clip) for clip in chosen]
    names = [subject.name for subject in subjects]
    people = tuple(subject.character for subject in subjects)
    cast = ShotCast(characters=people, regions=_regions(subjects, len(subjects)))
    for take in range(1, MAX_TAKES):
        left = [index for index, (is_good, _) in enumerate(marks) if not is_good]
        shots = [group_shots(bench, names, take)[index] for index in left]
        again = _cast_clips(bench, subjects, shots, cast) if left else []
        for index, clip in zip(left, again, strict=True):
            mark = _mark(bench, subjects, clip)
            if mark > marks[index]:
                chosen[index], marks[index] = clip, mark
    return chosen


def _mark(bench: Bench, subjects: Sequence[Subject], clip: Clip) -> tuple[bool, float]:
    """Whether the training encoder recognises everybody in place, and by how much at least."""
    rows = measure_places(
        clip,
        {subject.name: subject.toon for subject in subjects},
        {subject.name: subject.own_ND for subject in subjects},
        bench.train_faces,
        bench.backbone.spec,
    )
    leads = [lead_of(row) for row in rows]
    is_good = all(row["match"] == row["expected"] for row in rows)
    return is_good, min(-2.0 if lead is None else lead for lead in leads)


def lead_of(row: dict[str, Any]) -> float | None:
    """How much nearer a face is to the right character than to the next; None without a face."""
    if row["similarities"] is None:
        return None
    others = [value for name, value in row["similarities"].items() if name != row["expected"]]
    lead: float = row["similarities"][row["expected"]] - max(others)
    return lead


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
        "code": CODE_VERSION,
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
