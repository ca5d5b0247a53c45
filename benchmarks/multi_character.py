"""Several characters in one shot: is the right person in the right place, and who is a bystander?

    python -m benchmarks.multi_character

Held-out drawn characters in pairs and triples, each pair in both orders, the same prompts and seeds
for every way. It goes on where it stopped, group by group. A complete run writes
`docs/results/multi_character.json` and `docs/images/several_characters.png`; a part of it writes
into the work folder.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.likeness_work import load_clips
from benchmarks.multi_character_people import Bench, Subject
from benchmarks.multi_character_work import MAX_TAKES, lead_of, run_unit, unit_path
from benchmarks.results import write_results
from facekit.evaluation.bootstrap import bootstrap_mean
from facekit.faces.vendors import encoder_id, load_faces
from facekit.media.images import write_image
from facekit.recipe import load_recipe, recipe_digest
from facekit.types import NoProgress
from facekit.workflows.backbone import load_backbone
from facekit.workflows.machine import provenance

FULL_PAIRS, FULL_TRIPLES, FULL_SHOTS = 8, 4, 4
WAYS = ("regions", "takes", "one_prompt", "auto", "naive", "description", "drawn")
"""Regions given; the same with up to `MAX_TAKES` takes of each shot, of which the encoder that
trains chooses; the same with one prompt for all of the picture; regions found; everybody all over
the picture; the prompt alone; the drawn characters."""
BYSTANDER_WAYS = ("regions", "naive", "description", "drawn")
GOAL_RIGHT_PLACE = 0.95
Row = dict[str, Any]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=FULL_PAIRS)
    parser.add_argument("--triples", type=int, default=FULL_TRIPLES)
    parser.add_argument("--shots", type=int, default=FULL_SHOTS, help="prompts of each group")
    parser.add_argument("--num-frames", type=int, default=5)
    parser.add_argument("--recipe", default="toon/train_l0", help="how characters are made")
    parser.add_argument("--set", action="append", default=[], help="recipe value")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="torch's; its own choice when absent")
    parser.add_argument("--work", type=Path, default=Path("build/multi_character"))
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing and write the figures."""
    options = parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    bench = open_bench(options)
    count = max(2 * options.pairs, 3 * options.triples)
    subjects = [Subject(bench, index) for index in range(count)]
    pairs = [tuple(subjects[2 * index : 2 * index + 2]) for index in range(options.pairs)]
    pairs += [pair[::-1] for pair in pairs]
    triples = [tuple(subjects[3 * index : 3 * index + 3]) for index in range(options.triples)]
    results: dict[str, Any] = {**_about(bench, options)}
    for title, groups in (("pairs", pairs), ("triples", triples)):
        if groups:
            ways = [way for way in WAYS if way != "one_prompt" or groups is pairs]
            results[title] = {way: _summary(_rows(bench, way, groups)) for way in ways}
            print(title, json.dumps(results[title], indent=1), flush=True)
    if pairs:
        results["alone"] = _alone(bench, pairs)
        results["bystanders"] = _bystanders(bench, pairs)
        print("bystanders", json.dumps(results["bystanders"], indent=1), flush=True)
    results["goal_right_place"] = GOAL_RIGHT_PLACE
    docs = options.docs if is_full(options) else bench.work / "docs"
    write_results(docs / "results" / "multi_character.json", results)
    write_sheet(docs / "images" / "several_characters.png", bench, [*pairs[:3], *triples[:2]])
    print(f"wrote {docs / 'results'}" + ("" if is_full(options) else "  (a part, not published)"))
    return 0


def is_full(options: argparse.Namespace) -> bool:
    """Whether a run is large enough to be published."""
    least = (FULL_PAIRS, FULL_TRIPLES, FULL_SHOTS)
    given = (options.pairs, options.triples, options.shots)
    return all(a >= b for a, b in zip(given, least, strict=True))


def open_bench(options: argparse.Namespace) -> Bench:
    """Load what all units share."""
    recipe = load_recipe(options.recipe, options.set)
    device = torch.device(options.device)
    return Bench(
        work=options.work,
        recipe=recipe,
        backbone=load_backbone(recipe, device),
        train_faces=load_faces(recipe.encoder.train),
        report_faces=load_faces(recipe.encoder.report),
        shots=options.shots,
        num_frames=options.num_frames,
        progress=NoProgress(),
    )


def _rows(bench: Bench, way: str, groups: Sequence[tuple[Subject, ...]]) -> list[list[Row]]:
    """What stands in every place, group by group; groups of the same people go together."""
    together: dict[frozenset[str], list[Row]] = {}
    for group in groups:
        found = run_unit(bench, way, group)
        for row in found:
            row["place"] = [subject.name for subject in group].index(row["expected"])
            row["group"] = "-".join(subject.name for subject in group)
        together.setdefault(frozenset(subject.name for subject in group), []).extend(found)
    return list(together.values())


def _summary(groups: Sequence[Sequence[Row]]) -> dict[str, Any]:
    """Figures over all places, with intervals over groups of people."""
    rows = [row for group in groups for row in group]
    seen = [row for row in rows if row["nearest"]]
    clips: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        clips.setdefault((row["group"], row["shot"]), []).append(row)
    whole = [clip for clip in clips.values() if all(row["nearest"] for row in clip)]
    swapped = [
        {row["expected"] for row in clip} == {row["nearest"] for row in clip}
        and any(row["nearest"] != row["expected"] for row in clip)
        for clip in whole
    ]
    return {
        "places": len(rows),
        "clips": len(clips),
        "face_found": _interval(groups, lambda row: row["found"]),
        "face_scorable": _share(bool(row["nearest"]) for row in rows),
        "as_many_figures_as_asked": _share(
            clip[0]["figures"] == len(clip) for clip in clips.values()
        ),
        "right_place": _interval(groups, _is_right),
        "right_place_of_all": _interval(groups, lambda row: _is_right(row) or False),
        "lost": {
            "no_face": sum(not row["found"] for row in rows),
            "not_scorable": sum(row["found"] and not row["nearest"] for row in rows),
            "somebody_else": sum(_is_right(row) is False for row in rows),
        },
        "recognised_in_place": _interval(groups, lambda row: row["match"] == row["expected"]),
        "swap_rate": _share(swapped),
        "everybody_right": _share(
            all(row["nearest"] == row["expected"] for row in clip) for clip in whole
        ),
        "lead": _mean(lead for row in rows if (lead := lead_of(row)) is not None),
        "own_similarity": _mean(row["similarities"][row["expected"]] for row in seen),
        "others_similarity": _mean(
            value
            for row in seen
            for name, value in row["similarities"].items()
            if name != row["expected"]
        ),
        "attributes": {
            name: _share(
                row["attributes"][name] for row in rows if name in row.get("attributes", {})
            )
            for name in ("hair_style", "hair_color", "glasses")
        },
        "confusion": _confusion(groups),
    }


def _is_right(row: Row) -> bool | None:
    return row["nearest"] == row["expected"] if row["nearest"] else None


def _confusion(groups: Sequence[Sequence[Row]]) -> list[list[int]]:
    """Rows: places from left to right. Columns: whose face is there, and last nobody to score."""
    size = max(row["place"] for group in groups for row in group) + 1
    counts = np.zeros((size, size + 1), int)
    for group in groups:
        for row in group:
            order = row["group"].split("-")
            column = order.index(row["nearest"]) if row["nearest"] else size
            counts[row["place"], column] += 1
    return [[int(value) for value in line] for line in counts]


def _alone(bench: Bench, pairs: Sequence[tuple[Subject, ...]]) -> dict[str, Any]:
    """Each by itself: how often it is nearer to itself than to the other one of its pair."""
    groups = [run_unit(bench, "naive", (one,), against=(one, other)) for one, other in pairs]
    rows = [row for group in groups for row in group if row["nearest"]]
    return {
        "places": len(rows),
        "right": _interval(groups, _is_right),
        "own_similarity": _mean(row["similarities"][row["expected"]] for row in rows),
    }


def _bystanders(bench: Bench, pairs: Sequence[tuple[Subject, ...]]) -> dict[str, Any]:
    """The left one is attached, the right one only described: how alike are the two?"""
    floor = bench.report_faces.min_same_person
    found: dict[str, Any] = {}
    of_groups: dict[str, list[list[float]]] = {}
    for way in BYSTANDER_WAYS:
        of_groups[way] = [
            [
                row["similarities"][pair[0].name]
                for row in run_unit(bench, way, pair, present=1)
                if row["expected"] == pair[1].name and row["similarities"]
            ]
            for pair in pairs
        ]
        values = [value for group in of_groups[way] for value in group]
        means = [float(np.mean(group)) if group else None for group in of_groups[way]]
        interval = bootstrap_mean(means)
        found[way] = {
            "faces": len(values),
            "similarity_to_cast": interval.to_json() if interval else None,
            "p95": float(np.quantile(values, 0.95)) if values else None,
            "taken_for_cast": _share(value >= floor for value in values),
        }
    for way in ("regions", "naive"):
        both = zip(of_groups[way], of_groups["description"], strict=True)
        differences = [float(np.mean(one) - np.mean(other)) for one, other in both if one and other]
        interval = bootstrap_mean(differences)
        found[way]["minus_strangers"] = interval.to_json() if interval else None
    return found


def _interval(
    groups: Sequence[Sequence[Row]], value: Callable[[Row], bool | None]
) -> dict[str, Any] | None:
    """The share over all rows that have a value, with an interval over groups of people."""
    told = [[v for row in group if (v := value(row)) is not None] for group in groups]
    shares = [sum(group) / len(group) if group else None for group in told]
    interval = bootstrap_mean(shares, weights=[float(len(group)) for group in told])
    return interval.to_json() if interval else None


def _share(values: Iterable[bool]) -> float | None:
    told = list(values)
    return sum(told) / len(told) if told else None


def _mean(values: Iterable[float]) -> float | None:
    told = list(values)
    return float(np.mean(told)) if told else None


def _about(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    return {
        **provenance(bench.backbone.pipe.device),
        "settings": {
            "pairs": options.pairs,
            "triples": options.triples,
            "shots": options.shots,
            "max_takes": MAX_TAKES,
            "num_frames": options.num_frames,
            "level": bench.recipe.identity.level,
            "recipe": recipe_digest(bench.recipe),
            "sampling": dataclasses.asdict(bench.settings),
            "train_encoder": encoder_id(bench.train_faces),
            "report_encoder": encoder_id(bench.report_faces),
            "floor": bench.report_faces.min_same_person,
        },
    }


def write_sheet(path: Path, bench: Bench, groups: Sequence[tuple[Subject, ...]]) -> None:
    """Draw one shot of each group in each way: the middle frame, one row per group.

    Ways that a group was not made in stay white.
    """
    rows = []
    for group in groups:
        shots = [load_clips(unit_path(bench, way, group).with_suffix(".npz")) for way in WAYS]
        frames = [clips[0].frames[clips[0].num_frames // 2] if clips else None for clips in shots]
        blank = np.full_like(next(frame for frame in frames if frame is not None), 255)
        rows.append(np.concatenate([blank if x is None else x for x in frames], axis=1))
    width = max(row.shape[1] for row in rows)
    padded = [
        np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0)), constant_values=255)
        for row in rows
    ]
    write_image(path, np.concatenate(padded))


if __name__ == "__main__":
    sys.exit(main())
