"""The tables of the how-tos on shots: several characters, long shots, gates."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["cast_table", "chain_table", "gates_table", "shots_table"]

_CAST_WAYS = {
    "regions": "regions given",
    "takes": "regions given, best of three takes",
    "auto": "regions found in a first pass",
    "one_prompt": "regions given, one prompt for all",
    "naive": "everybody over the whole picture",
    "description": "nobody attached, the prompt alone",
    "drawn": "the drawn characters themselves",
}
_BYSTANDER_WAYS = {
    "regions": "one attached in its region",
    "naive": "one attached over the whole picture",
    "description": "nobody attached",
    "drawn": "drawn",
}
_CHAIN_WAYS = {
    "facekit": "facekit",
    "identity": "last frame handed on, with the character",
    "plain": "last frame handed on, first chunk with the character",
}
_GATE_WAYS = ("one", "gates", "calibrated", "blind", "best_of_3")


def shots_table(results_dir: Path) -> str:
    """Return what the README says of shots, in markdown; bold misses its goal."""
    cast = _read(results_dir / "multi_character.json")
    chain = _read(results_dir / "continuation.json")
    gates = _read(results_dir / "gates.json")["ways"]
    goal, lost = cast["goal_right_place"], chain["ways"]["facekit"]["loss"]
    rows = []
    for group, title in (("pairs", "two"), ("triples", "three")):
        right = cast[group]["regions"]["right_place"]
        told = (
            f"{_percents(right)}; without regions {_percents(cast[group]['naive']['right_place'])}"
        )
        rows.append(
            [
                f"right person in the right place, {title} in a shot (`multi_character.json`)",
                f"at least {goal:.0%}",
                told if right["mean"] >= goal else f"**{told}**",
            ]
        )
    told = f"{lost:.0%}; handing on the last frame, without the character"
    told += f" {chain['ways']['plain']['loss']:.0%}"
    rows.append(
        [
            f"likeness lost over one shot of {chain['seconds']:g} seconds (`continuation.json`)",
            f"at most {chain['goal_loss']:.0%}",
            told if lost <= chain["goal_loss"] else f"**{told}**",
        ]
    )
    first, again = gates["one"], gates["gates"]
    rows.append(
        [
            f"shots that pass, {again['takes']['mean']:.2f} takes a shot (`gates.json`)",
            "",
            f"{_percents(again['pass_second'])}; one take a shot {_percents(first['pass_second'])}",
        ]
    )
    lines = ["| Shots | goal | reached |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def cast_table(results_dir: Path) -> str:
    """Return how often the right person is in the right place, in markdown."""
    found = _read(results_dir / "multi_character.json")
    lines = [
        "| | pairs: right place | swapped | triples: right place | swapped |",
        "| --- | --- | --- | --- | --- |",
    ]
    goal = found["goal_right_place"]
    for way, title in _CAST_WAYS.items():
        cells = []
        for group in ("pairs", "triples"):
            row = found.get(group, {}).get(way)
            if row is None:
                cells += ["not measured"] * 2
                continue
            right = _percents(row["right_place"])
            misses = row["right_place"]["mean"] < goal and way != "drawn"
            cells += [f"**{right}**" if misses and way == "regions" else right]
            cells += [f"{row['swap_rate']:.0%}"]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    alone = found["alone"]
    bystanders = found["bystanders"]
    told = ", ".join(
        f"{title} {_numbers(bystanders[way]['similarity_to_cast'])}"
        for way, title in _BYSTANDER_WAYS.items()
    )
    return (
        "\n".join(lines)
        + f"\n\nGoal: {goal:.0%} with regions; bold misses it. Each by itself, in the same shot"
        f" size, is nearer to itself than to the other of its pair in {_percents(alone['right'])}"
        " of the places: what this backbone draws of a face that small. 95 % intervals are over"
        f" groups of people. Likeness of a bystander to the one who is attached: {told}."
    )


def chain_table(results_dir: Path) -> str:
    """Return what chains lose over their length, in markdown."""
    found = _read(results_dir / "continuation.json")
    lines = [
        "| | likeness of the first chunk | of the last quarter | lost | worst shot |"
        " step at a seam / inside |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for way, title in _CHAIN_WAYS.items():
        row = found["ways"][way]
        lost = f"{row['loss']:.0%} ({row['loss_ci95'][0]:.0%} to {row['loss_ci95'][1]:.0%})"
        if way == "facekit" and row["loss"] > found["goal_loss"]:
            lost = f"**{lost}**"
        lines.append(
            f"| {title} | {row['start']:.2f} | {row['end']:.2f} | {lost} |"
            f" {row['worst_loss']:.0%} | {row['seam_step']:.1f} / {row['inside_step']:.1f} |"
        )
    facekit = found["ways"]["facekit"]
    return (
        "\n".join(lines)
        + f"\n\n{facekit['shots']} shots of {found['seconds']:g} seconds; goal: at most"
        f" {found['goal_loss']:.0%} lost, bold misses it; a negative loss is a gain. Intervals"
        " (95 %) are over shots. Facekit draws"
        f" {facekit['drawn_per_delivered']:.2f} frames for each that it delivers. Steps are the"
        " mean difference of neighbouring frames, in levels of 255."
    )


def gates_table(results_dir: Path) -> str:
    """Return what gates win and cost, in markdown."""
    found = _read(results_dir / "gates.json")
    lines = [
        "| | takes per shot | seconds of drawing per shot | pass, other photos | likeness, other"
        " photos | worst shot of a character |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for way in _GATE_WAYS:
        row = found["ways"][way]
        lines.append(
            f"| {found['titles'][way]} | {row['takes']['mean']:.2f} |"
            f" {row['seconds']['mean']:.1f} | {_percents(row['pass_second'])} |"
            f" {_numbers(row['likeness_second'])} | {_numbers(row['worst_second'])} |"
        )
    retakes, shots = found["retakes"]["gates"], found["ways"]["one"]["shots"]
    return (
        "\n".join(lines)
        + f"\n\n{shots} shots of {found['characters']} held-out people, one in each; judged by"
        " photos that no gate has seen, 95 % intervals over people. Of the retakes"
        f" {retakes['wrong_by_second']:.0%} ({retakes['retakes']} in all) were of takes that those"
        f" photos would have let pass; a score moves by {found['noise']['deviation']:.3f} with"
        " other photos of the same person. Somebody had to look (`review`) at"
        f" {found['ways']['gates']['review']['mean']:.0%} of the shots."
    )


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _percents(value: Mapping[str, Any]) -> str:
    low, high = value["ci95"]
    return f"{value['mean']:.0%} ({low:.0%} to {high:.0%})"


def _numbers(value: Mapping[str, Any]) -> str:
    low, high = value["ci95"]
    return f"{value['mean']:.2f} ({low:.2f} to {high:.2f})"
