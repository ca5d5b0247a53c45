"""Do gates pay: what do retakes win, what do they cost, and how often are they wrong?

    python -m benchmarks.gates

Shows of three held-out drawn characters each, enrolled without training, with the shots of the
example board in which somebody is alone. Every shot is drawn three times, then it is replayed what
a render would have made and delivered: one take; gates by the encoder's own threshold; gates that
were calibrated on the show; as many further takes of the same shots, the last one delivered; and
the best of three takes of every shot. Takes are judged by photos that neither training nor the
gates have seen, with the reporting encoder and with the other one. It goes on where it stopped.
With `--quick` it proves the path.
A complete run writes `docs/results/gates.json` and `gates.png` beside it, a part of it writes into
the work folder. It takes about 11 minutes of one core.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gates_play import WAYS, Played, play
from benchmarks.gates_sheet import write_picture
from benchmarks.gates_work import MAX_TAKES, SHOTS, Row, run_show
from benchmarks.judge_photos import NUM_JUDGES, NUM_PHOTOS
from benchmarks.multi_character_people import Bench
from benchmarks.results import RESULTS_DIR, write_results
from facekit.evaluation.bootstrap import bootstrap_mean, paired_difference
from facekit.evaluation.metrics import cross_shot
from facekit.faces.vendors import encoder_id, load_faces
from facekit.recipe import load_recipe
from facekit.types import NoProgress
from facekit.workflows.backbone import load_backbone
from facekit.workflows.machine import provenance

FULL_SHOWS = 4


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shows", type=int, default=FULL_SHOWS, help="of three characters each")
    parser.add_argument("--recipe", default="toon/train_l0", help="how characters are made")
    parser.add_argument("--work", type=Path, default=Path("build/gates"))
    parser.add_argument("--docs", type=Path, help="docs/results when absent")
    parser.add_argument("--quick", action="store_true", help="three small shots, not published")
    options = parser.parse_args(arguments)
    options.shows = 1 if options.quick else options.shows
    is_full = options.shows >= FULL_SHOWS
    options.docs = options.docs or (RESULTS_DIR if is_full else options.work)
    return options


def open_bench(options: argparse.Namespace) -> Bench:
    """Load what all shows share."""
    recipe = load_recipe(options.recipe)
    return Bench(
        work=options.work,
        recipe=recipe,
        backbone=load_backbone(recipe, torch.device("cpu")),
        train_faces=load_faces(recipe.encoder.train),
        report_faces=load_faces(recipe.encoder.report),
        shots=0,
        num_frames=0,
        progress=NoProgress(),
    )


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """All figures of all ways; intervals over characters."""
    shots: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        shots.setdefault((row["show"], row["shot"]), []).append(row)
    played = {way: [play(takes, way) for takes in shots.values()] for way in WAYS}
    ways = {way: _figures(played[way]) for way in WAYS}
    base = played["one"]
    for way in WAYS:
        if way != "one":
            ways[way]["against_one"] = _gain(base, played[way])
    return {
        "ways": ways,
        "retakes": {way: _retakes(played[way]) for way in ("gates", "calibrated")},
        "verdicts": {gates: _agreement(rows, gates) for gates in ("own", "calibrated")},
        "noise": _noise(rows),
    }


FIGURES: Mapping[str, Callable[[Sequence[Played]], float | None]] = {
    "pass_second": lambda all_: _share(one.chosen["second"]["verdict"] == "pass" for one in all_),
    "pass_third": lambda all_: _share(one.chosen["third"]["verdict"] == "pass" for one in all_),
    "likeness_second": lambda all_: _mean(one.chosen["second"]["likeness"] for one in all_),
    "likeness_third": lambda all_: _mean(one.chosen["third"]["likeness"] for one in all_),
    "worst_second": lambda all_: _least(one.chosen["second"]["likeness"] for one in all_),
    "xmin_second": lambda all_: _xmin(one.chosen["second"]["middle"] for one in all_),
    "xmin_third": lambda all_: _xmin(one.chosen["third"]["middle"] for one in all_),
    "takes": lambda all_: _mean(len(one.takes) for one in all_),
    "seconds": lambda all_: _mean(sum(take["draw_s"] for take in one.takes) for one in all_),
    "review": lambda all_: _share(one.verdict == "review" for one in all_),
    "fail": lambda all_: _share(one.verdict == "fail" for one in all_),
}
"""Of the shots of one character."""


def _figures(played: Sequence[Played]) -> dict[str, Any]:
    people = _people(played)
    told: dict[str, Any] = {"shots": len(played)}
    for name, figure in FIGURES.items():
        found = bootstrap_mean([figure(own) for own in people.values()])
        told[name] = None if found is None else found.to_json()
    cost: dict[str, Row] = {}
    for word in ("pass", "review", "fail"):
        own = [one for one in played if one.verdict == word]
        cost[word] = {
            "shots": len(own),
            "takes": _mean(len(one.takes) for one in own),
            "seconds": _mean(sum(take["draw_s"] for take in one.takes) for one in own),
        }
    told["delivered"] = cost
    return told


def _gain(base: Sequence[Played], played: Sequence[Played]) -> dict[str, Any]:
    before, after = _people(base), _people(played)
    told: dict[str, Any] = {}
    for name, figure in FIGURES.items():
        found = paired_difference(
            [figure(after[who]) for who in before], [figure(before[who]) for who in before]
        )
        told[name] = None if found is None else found.to_json()
    extra = sum(len(one.takes) - 1 for one in played)
    told["extra_takes"] = extra
    told["per_extra_take"] = {
        name: (told[name]["mean"] / told["takes"]["mean"]) if extra else None
        for name in ("pass_second", "pass_third", "likeness_second", "likeness_third")
        if told[name] is not None
    }
    return told


def _retakes(played: Sequence[Played]) -> dict[str, Any]:
    """Of the takes that led to another one: how many were good by the other judges."""
    left = [take for one in played for take in one.takes[:-1]]
    both = [_is_good(take, "second") and _is_good(take, "third") for take in left]
    kept = [one for one in played if len(one.takes) > 1]
    return {
        "retakes": len(left),
        "wrong_by_second": _share(_is_good(take, "second") for take in left),
        "wrong_by_third": _share(_is_good(take, "third") for take in left),
        "wrong_by_both": _share(both),
        "shots": len(kept),
        "first_take_kept": _share(one.chosen["take"] == 1 for one in kept),
        "better_by_second": _share(_is_better(one, "second") for one in kept),
        "better_by_third": _share(_is_better(one, "third") for one in kept),
    }


def _is_good(take: Row, judge: str) -> bool:
    return bool(take[judge]["verdict"] == "pass")


def _is_better(one: Played, judge: str) -> bool:
    was, became = one.takes[0][judge]["likeness"], one.chosen[judge]["likeness"]
    return was is not None and became is not None and became > was


def _agreement(rows: Sequence[Row], gates: str) -> dict[str, dict[str, int]]:
    """Verdict of the gates -> verdict of the second judge -> takes."""
    told: dict[str, dict[str, int]] = {}
    for row in rows:
        line = told.setdefault(row[gates]["verdict"], {})
        word = row["second"]["verdict"]
        line[word] = line.get(word, 0) + 1
    return told


def _noise(rows: Sequence[Row]) -> dict[str, float | None]:
    """How far the gate's likeness of a take moves with other photos of the same person."""
    pairs = [
        (row["own"]["score"], row["second"]["p05"])
        for row in rows
        if row["own"]["score"] is not None and row["second"]["p05"] is not None
    ]
    if len(pairs) < 2:
        return {"takes": len(pairs), "mean": None, "deviation": None, "correlation": None}
    first, second = np.asarray(pairs).T
    return {
        "takes": len(pairs),
        "mean": float((second - first).mean()),
        "deviation": float((second - first).std(ddof=1)),
        "correlation": float(np.corrcoef(first, second)[0, 1]),
    }


def _people(played: Sequence[Played]) -> dict[str, list[Played]]:
    found: dict[str, list[Played]] = {}
    for one in played:
        found.setdefault(one.chosen["who"], []).append(one)
    return found


def _xmin(middles: Any) -> float | None:
    return cross_shot([None if one is None else np.asarray(one) for one in middles]).xmin


def _mean(values: Any) -> float | None:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _least(values: Any) -> float | None:
    return min((float(value) for value in values if value is not None), default=None)


def _share(values: Any) -> float | None:
    return _mean(float(value) for value in values)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing and write the figures."""
    options = parse(arguments)
    bench = open_bench(options)
    rows: list[Row] = []
    for number in range(options.shows):
        rows += run_show(bench, number, options.quick)
        print(f"show {number}: {len(rows)} takes", flush=True)
    found = summarise(rows)
    floors = sorted({(row["show"], row["floor"], row["own_floor"]) for row in rows})
    content = {
        **provenance(bench.backbone.device),
        "characters": len({row["who"] for row in rows}),
        "shots_of_a_show": sum(len(shots) for shots in SHOTS.values()),
        "max_takes": MAX_TAKES,
        "recipe": options.recipe,
        "photos": {"given": NUM_PHOTOS, "of_the_second_judge": NUM_JUDGES},
        "encoders": {
            "gates_and_second": encoder_id(bench.report_faces),
            "third_and_training": encoder_id(bench.train_faces),
        },
        "thresholds": [{"show": a, "calibrated": b, "own": c} for a, b, c in floors],
        "titles": WAYS,
        **found,
    }
    write_results(options.docs / "gates.json", content)
    write_picture(options.docs / "gates.png", content)
    print(json.dumps(found["retakes"], indent=1))
    print(f"wrote {options.docs / 'gates.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
