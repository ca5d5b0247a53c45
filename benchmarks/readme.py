"""The numbers of the README, written from `docs/results` and from nothing else.

    python -m benchmarks.readme

It replaces what stands between the two markers. A test compares README and results, so that no
number is typed by hand and none outlives the weights that it was measured with.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.check_table import check_tables
from benchmarks.render_table import render_table
from benchmarks.results import RESULTS_DIR
from benchmarks.shots_tables import cast_table, chain_table, gates_table, shots_table
from benchmarks.tables import markdown_table, measured_rows, number, percent, points, with_goal
from benchmarks.training_table import training_tables
from facekit.media.files import write_text

README = RESULTS_DIR.parents[1] / "README.md"
CHECK_PHOTOS = RESULTS_DIR.parent / "howto" / "check_photos.md"
TRAIN = RESULTS_DIR.parent / "howto" / "train.md"
RENDER = RESULTS_DIR.parent / "howto" / "render.md"
LONGER_SHOTS = RESULTS_DIR.parent / "howto" / "longer_shots.md"
SEVERAL = RESULTS_DIR.parent / "howto" / "several_characters.md"
SHOTS: Mapping[Path, Callable[[Path], str]] = {LONGER_SHOTS: chain_table, SEVERAL: cast_table}
"""Page -> its table."""
BEGIN = "<!-- Numbers from docs/results, by python -m benchmarks.readme -->"
END = "<!-- End of the numbers -->"

ENCODER_ROWS = (
    ("true accept rate at false accept rate 1e-3", "tar_at_far_1e-3", "at least 97 %"),
    ("landmark error, part of the eye distance", "landmark_error_of_eye_distance", "at most 5 %"),
    ("faces of 16 px and more found", "detection_rate", "at least 99 %"),
    ("empty places without a face", "empty_places_without_a_face", "at least 99 %"),
)
ASKED = ("place", "shot_size", "light", "mood", "hair_style", "hair_color", "glasses")
METHODS = ("base", "lora", "l0", "l1", "l2", "truth")


def main() -> int:
    """Write the sections."""
    write_text(README, with_numbers(README.read_text(encoding="utf-8"), RESULTS_DIR))
    write_text(CHECK_PHOTOS, with_check(CHECK_PHOTOS.read_text(encoding="utf-8"), RESULTS_DIR))
    write_text(TRAIN, with_training(TRAIN.read_text(encoding="utf-8"), RESULTS_DIR))
    write_text(RENDER, with_rendering(RENDER.read_text(encoding="utf-8"), RESULTS_DIR))
    for path, table in SHOTS.items():
        write_text(path, with_table(path, table, RESULTS_DIR))
    return 0


def with_numbers(text: str, results_dir: Path) -> str:
    """Put the tables of the results between the markers of a README.

    Raises:
        ValueError: The text has not both markers.
    """
    return _between(text, tables(results_dir), "README")


def with_check(text: str, results_dir: Path) -> str:
    """Put the table of the photo check between the markers of its how-to.

    Raises:
        ValueError: The text has not both markers.
    """
    found = json.loads((results_dir / "check.json").read_text(encoding="utf-8"))
    return _between(text, check_tables(found), "check_photos.md")


def with_training(text: str, results_dir: Path) -> str:
    """Put the tables of training between the markers of its how-to.

    Raises:
        ValueError: The text has not both markers.
    """
    return _between(text, training_tables(results_dir), "train.md")


def with_rendering(text: str, results_dir: Path) -> str:
    """Put the tables of gates and of workers between the markers of the how-to of rendering.

    Raises:
        ValueError: The text has not both markers.
    """
    tables = f"{gates_table(results_dir)}\n\n{render_table(results_dir)}"
    return _between(text, tables, "render.md")


def with_table(path: Path, table: Callable[[Path], str], results_dir: Path) -> str:
    """Read a page, with a table between its markers.

    Raises:
        ValueError: The page has not both markers.
    """
    return _between(path.read_text(encoding="utf-8"), table(results_dir), path.name)


def _between(text: str, tables: str, name: str) -> str:
    before, found, rest = text.partition(BEGIN)
    _, also_found, after = rest.partition(END)
    if not found or not also_found:
        raise ValueError(f"{name}: expected the lines {BEGIN!r} and {END!r}; put them back")
    return f"{before}{BEGIN}\n{tables}\n{END}{after}"


def tables(results_dir: Path) -> str:
    """Return the tables in markdown."""

    def read(name: str) -> dict[str, Any]:
        return dict(json.loads((results_dir / name).read_text(encoding="utf-8")))

    encoders, backbone = read("toon_encoders.json")["encoders"], read("toon_backbone.json")
    parts = [
        _encoders(encoders),
        _backbone(backbone),
        _demo(read("demo.json"), read("overhead.json")),
        _likeness(read("likeness.json")),
        shots_table(results_dir),
    ]
    if (results_dir / "film.json").is_file():  # published by itself, after everything else
        parts.append(_film(read("film.json")))
    return "\n\n".join(parts)


def _encoders(encoders: Mapping[str, Mapping[str, float]]) -> str:
    names = list(encoders)
    rows = [
        [title, goal, *(with_goal(encoders[name][key], percent, goal) for name in names)]
        for title, key, goal in ENCODER_ROWS
    ]
    return markdown_table(["Face encoders (`toon_encoders.json`)", "goal", *names], rows)


def _backbone(found: Mapping[str, Any]) -> str:
    clips, goal = found["clips"], "at least 85 %"
    rows = []
    for name in ASKED:
        told = with_goal(found["asked_and_drawn"][name], percent, goal)
        told += f" (drawn pictures: {percent(found['probe_on_drawn_truth'][name])})"
        rows.append([f"{name.replace('_', ' ').replace('color', 'colour')} as asked", goal, told])
    rows += measured_rows(
        (
            (
                "a face found in close-ups and medium shots",
                "at least 97 %",
                found["face_found_close_and_medium"],
                percent,
            ),
            ("VAE, held-out pictures, dB", "at least 30", found["vae_psnr_db_pictures"], number),
            ("VAE, held-out clips, dB", "at least 30", found["vae_psnr_db_clips"], number),
            (
                "first to last frame's likeness, part of a drawn clip's",
                "at least 0.90",
                clips["first_to_last_ratio"],
                number,
            ),
            (
                "landmark path, part of a drawn clip's, mean of five actions; more is flicker",
                "0.60 to 1.50",
                clips["landmark_path_ratio_mean_of_moving"],
                number,
            ),
        )
    )
    jitter = clips["jitter"]
    title = "jitter of the landmarks, eye distances a frame"
    told = f"{jitter['generated']:.3f} (drawn clips: {jitter['drawn']:.3f})"
    return markdown_table(
        ["Backbone (`toon_backbone.json`)", "goal", "reached"], [*rows, [title, "", told]]
    )


def _demo(found: Mapping[str, Any], overhead: Mapping[str, Any]) -> str:
    figures = found["figures"]
    drop = figures["prompt_drop"]
    rows = measured_rows(
        (
            (
                "likeness, part of the photos' own",
                "at least 85 %",
                figures["likeness_ratio"],
                percent,
            ),
            (
                "least alike pair of shots, part of the drawn truth's",
                "at least 75 %",
                figures["xmin_ratio"],
                percent,
            ),
            (
                "shots with at least half of the photos' own likeness",
                "at least 50 %",
                figures["shots_counted"],
                percent,
            ),
            (
                "copying of photos, above the drawn truth's",
                "at most 0.15",
                figures["m_cp_over_truth"],
                number,
            ),
            ("faces that can be judged", "at least 90 %", figures["coverage"], percent),
            ("likeness lost along a clip", "at most 0.05", figures["drift"], number),
            ("prompts obeyed less than by the base", "at most 3 points", drop, points),
            ("motion, part of the base's", "at least 75 %", figures["motion_ratio"], percent),
            ("training one character, minutes", "at most 4", found["train_seconds"] / 60, number),
            (
                "everything after installation, minutes",
                "at most 12",
                found["total_seconds"] / 60,
                number,
            ),
            (
                "sampling time added by the identity branch (`overhead.json`)",
                "at most 5 %",
                overhead["added_percent"] / 100,
                percent,
            ),
            ("peak memory, GB", "at most 6", found["peak_memory_gb"], number),
        )
    )
    return markdown_table(["The demo (`demo.json`)", "goal", "reached"], rows)


def _likeness(found: Mapping[str, Any]) -> str:
    settings, methods = found["settings"], found["methods"]
    head = ["The comparison (`likeness.json`)", "likeness ratio", "SimHeld", "prompts against base"]
    rows = []
    for key in METHODS:
        row = methods[key]
        delta = row["prompt_delta"]
        rows.append(
            [
                str(row["title"]),
                _with_interval(row, "likeness_ratio"),
                _with_interval(row, "sim_held"),
                "" if delta is None else points(delta),
            ]
        )
    low, high = found["l2_minus_lora_sim_held_ci95"]
    return (
        markdown_table(head, rows)
        + f"\n\n{settings['characters']} held-out characters, {settings['prompts']} prompts,"
        f" {settings['seeds']} seeds, {settings['num_frames']} frames, the same photos and"
        f" {settings['budget_s']:g} s of training each; brackets are 95 % intervals over"
        f" characters. L2 minus plain LoRA in SimHeld: {found['l2_minus_lora_sim_held']:+.3f}"
        f" [{low:+.3f}, {high:+.3f}]. All figures and the runs without single loss terms:"
        " [docs/likeness.md](docs/likeness.md)."
    )


def _film(found: Mapping[str, Any]) -> str:
    verdicts, people = found["verdicts"], found["characters"]
    told = ", ".join(f"{count} {word}" for word, count in verdicts.items())
    rows = [
        ["shots, of three people in three aspects", f"{found['shots']} ({told})"],
        ["takes, retakes among them", f"{found['takes']}, {found['retakes']}"],
        ["drawing, minutes", f"{found['draw_s'] / 60:.1f}"],
        ["of it, for takes that are not delivered", percent(found["wasted_s"] / found["draw_s"])],
    ]
    if found["outside_sampler_share"] is not None:
        share = with_goal(found["outside_sampler_share"], percent, "at most 10 %")
        rows.append(["time outside the sampler, part of a render (goal: at most 10 %)", share])
    for name, one in people.items():
        if one["mean"] is not None and one["ceiling"]:
            share = percent(one["mean"] / one["ceiling"])
            least = "none" if one["xmin"] is None else number(one["xmin"])
            rows.append([f"{name}: part of the photos' own likeness; least alike pair, cosine",
                         f"{share}; {least}"])  # fmt: skip
    return markdown_table(["The sequence (`film.json`)", "reached"], rows)


def _with_interval(row: Mapping[str, Any], figure: str) -> str:
    value, pair = row[figure], row[f"{figure}_ci95"]
    if value is None:
        return "not measured"
    return f"{value:.3f}" + (f" [{pair[0]:.3f}, {pair[1]:.3f}]" if pair else "")


if __name__ == "__main__":
    sys.exit(main())
