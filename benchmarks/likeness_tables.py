"""The published side of the comparison: JSON, a table made from it, and a contact sheet."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image as PillowImage

from benchmarks.likeness_work import FIGURES, Method, Subject, load_clips
from facekit.evaluation.bootstrap import Interval, bootstrap_mean, paired_difference
from facekit.faces.protocols import FaceVendor
from facekit.media.files import atomic_write
from facekit.types import Image

COLUMNS = (
    ("sim_held", "SimHeld"),
    ("likeness_ratio", "Likeness ratio"),
    ("xsim", "XSim"),
    ("xmin", "XMin"),
    ("shots_counted", "Shots counted"),
    ("xmin_ratio", "XMin / truth, all shots"),
    ("m_cp", "M_CP"),
    ("m_cp_over_truth", "M_CP over truth"),
    ("prompt_delta", "Prompts vs base"),
    ("motion_ratio", "Motion vs base"),
    ("train_seconds", "Training s"),
)
NUM_SHEET_SHOTS = 8


def build_results(
    methods: Sequence[Method],
    units: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    about: Mapping[str, object],
) -> dict[str, Any]:
    """Join the units of each method over its characters.

    Args:
        methods: In the order of the table.
        units: Method key to one unit per character, all methods in the same order of characters.
        about: Command, versions, settings.
    """
    results: dict[str, Any] = dict(about)
    results["methods"] = {method.key: _method_row(method, units[method.key]) for method in methods}
    if "l2" in units and "lora" in units:
        difference = _difference(units["l2"], units["lora"])
        results["l2_minus_lora_sim_held"] = difference.mean if difference else None
        results["l2_minus_lora_sim_held_ci95"] = _pair(difference)
    return results


def _values(units: Sequence[Mapping[str, Any]], figure: str) -> list[float | None]:
    if figure == "train_seconds":
        return [float(unit["train_seconds"]) for unit in units]
    return [unit["figures"][figure] for unit in units]


def _difference(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]
) -> Interval | None:
    if [unit["character"] for unit in first] != [unit["character"] for unit in second]:
        raise ValueError("the two methods were not measured on the same characters")
    return paired_difference(_values(first, "sim_held"), _values(second, "sim_held"))


def _method_row(method: Method, units: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {"title": method.title, "characters": len(units)}
    for figure in (*FIGURES, "xmin_ungated", "coverage", "drift", "train_seconds"):
        values = _values(units, figure)
        interval = bootstrap_mean(values)
        row[figure] = interval.mean if interval else None
        row[f"{figure}_ci95"] = _pair(interval)
        row[f"{figure}_count"] = interval.count if interval else 0
        row[f"{figure}_per_character"] = values
    return row


def _pair(interval: Interval | None) -> list[float] | None:
    if interval is None or interval.low is None or interval.high is None:
        return None
    return [interval.low, interval.high]


def build_page(results: Mapping[str, Any]) -> str:
    """Write the table of the results as markdown."""
    settings, machine = results["settings"], results["machine"]
    lines = [
        "# The comparison",
        "",
        "Made by the command below from `docs/results/likeness.json`, and by nothing else.",
        "",
        f"    {results['command']}",
        "",
        f"{settings['characters']} held-out drawn characters, {settings['prompts']} prompts,"
        f" {settings['seeds']} seeds, {settings['num_frames']} frames per clip;"
        f" {settings['num_photos']} photos each, of which {settings['held_out']} chose the"
        f" checkpoint, and {settings['num_judges']} that nothing else has seen judge."
        f" Every trained method had the same photos, the same backbone and"
        f" {settings['budget_s']:g} s of training"
        f" ({machine['device']}, {machine['cores']} cores, threads: {results['torch_threads']})."
        f" The encoder that trained (`{settings['train_encoder']}`) does not report"
        f" (`{settings['report_encoder']}`)."
        " Brackets are 95 % bootstrap intervals over characters;"
        " n is the number of characters that a cell counts, where some could not be measured.",
        "",
        "| Method | " + " | ".join(title for _, title in COLUMNS) + " |",
        "|---|" + "---:|" * len(COLUMNS),
    ]
    for row in results["methods"].values():
        cells = [_cell(row, figure) for figure, _ in COLUMNS]
        lines.append(f"| {row['title']} | " + " | ".join(cells) + " |")
    pair = results.get("l2_minus_lora_sim_held_ci95")
    if pair:
        lines += [
            "",
            f"L2 minus plain LoRA in SimHeld, paired over characters:"
            f" {results['l2_minus_lora_sim_held']:+.3f} [{pair[0]:+.3f}, {pair[1]:+.3f}].",
        ]
    if settings.get("lora_sweep"):
        lines += [
            "",
            "The plain LoRA is the best of a sweep on other characters, judged by the",
            "",
        ]
        lines[-2] += " training encoder's held-out likeness:"
        lines += ["| Rank | Learning rate | Held-out likeness |", "|---:|---:|---:|"]
        lines += [
            f"| {entry['rank']} | {entry['lr']:g} | {entry['likeness']:.3f} |"
            for entry in settings["lora_sweep"]
        ]
    lines += [
        "",
        "![One character, method by method](likeness.png)",
        "",
        "SimHeld: mean cosine of every frame to photos kept back; a missing face counts 0 where"
        " the prompt demands one. Likeness ratio: SimHeld over the photos' own likeness. XSim and"
        " XMin: mean and least cosine between shots with at least half of that likeness, counted"
        " beside them. XMin / truth: least cosine between all shots, strangers included, over"
        " that of the same shots drawn of the character itself. M_CP: copying of a training photo;"
        " the nearest of several photos is nearer than an unseen one even for the drawn character,"
        " so M_CP over truth is what a method copies beyond that, 0 is none. Prompts vs base:"
        " points of the share of prompt words shown. Motion vs base: the weaker of face motion and"
        " picture change.",
    ]
    return "\n".join(lines) + "\n"


def _cell(row: Mapping[str, Any], figure: str) -> str:
    value, pair = row[figure], row[f"{figure}_ci95"]
    if value is None:
        return "-"
    count = row[f"{figure}_count"]
    left_out = f" (n = {count})" if count < row["characters"] else ""
    return _number(figure, value, pair) + left_out


def _number(figure: str, value: float, pair: Sequence[float] | None) -> str:
    if figure == "train_seconds":
        return f"{value:.0f}"
    if figure == "prompt_delta":
        told = f"{100 * value:+.1f}"
        return told if pair is None else f"{told} [{100 * pair[0]:+.1f}, {100 * pair[1]:+.1f}]"
    return f"{value:.3f}" if pair is None else f"{value:.3f} [{pair[0]:.3f}, {pair[1]:.3f}]"


def write_sheet(path: Path, methods: Sequence[Method], subject: Subject, runs: Path) -> None:
    """Draw one character: a row per method, a column per shot, its photos above."""
    rows: list[tuple[str, list[Image]]] = [
        ("photos", list(subject.photos.enrolled + subject.photos.held_out)[:NUM_SHEET_SHOTS])
    ]
    for method in methods:
        frames = _frames(method, subject, runs)
        if frames:
            rows.append((method.title, frames[:NUM_SHEET_SHOTS]))
    faces = subject.bench.report_faces
    columns = max(len(images) for _, images in rows)
    figure = Figure(figsize=(1.25 * columns + 1.9, 1.28 * len(rows) + 0.1), dpi=110)
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for (title, images), line in zip(rows, grid, strict=True):
        for place, axes in enumerate(line):
            axes.set_axis_off()
            if place < len(images):
                axes.imshow(around_face(images[place], faces), interpolation="lanczos")
        line[0].text(
            -0.12,
            0.5,
            textwrap.fill(title, 20),
            ha="right",
            va="center",
            fontsize=9,
            transform=line[0].transAxes,
        )
    left = 1.8 / (1.25 * columns + 1.9)
    figure.subplots_adjust(
        left=left, right=0.995, top=0.995, bottom=0.005, wspace=0.03, hspace=0.03
    )
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", facecolor="white")
    with PillowImage.open(drawn) as picture, atomic_write(path) as temporary:
        # Of 256 colours: the repository keeps every version of it.
        picture.convert("RGB").quantize(256).save(temporary, format="PNG", optimize=True)


def _frames(method: Method, subject: Subject, runs: Path) -> list[Image]:
    if method.recipe is None:
        takes = subject.truth_takes() if method.is_drawn else subject.base_takes()
        clips = [take.clip for take in takes]
    else:
        clips = load_clips(runs / method.key / str(subject.seed) / "clips.npz") or []
    return [clip.frames[clip.num_frames // 2] for clip in clips]


def around_face(image: Image, faces: FaceVendor) -> Image:
    """Cut the largest square that has the face in it; the middle of the picture without one."""
    height, width = image.shape[:2]
    side = min(height, width)
    found = faces.detect([image])[0]
    x, y = width / 2, height / 2
    if found:
        left, top, right, bottom = found[0].box_xyxy_px
        x, y = (left + right) / 2, (top + bottom) / 2
    left_px = int(np.clip(x - side / 2, 0, width - side))
    top_px = int(np.clip(y - side / 2, 0, height - side))
    return np.asarray(image[top_px : top_px + side, left_px : left_px + side])
