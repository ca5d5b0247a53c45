"""A whole sequence, published: the example board rendered, its report, its picture, its figures.

    python -m benchmarks.film

Enrols the cast (L0) from `datasets/toon_NAME`, renders `docs/examples/the_letter.yaml` into the
work folder and writes `docs/examples/the_letter_report/`, `docs/images/sequence_report.png` and
`docs/results/film.json`. What is rendered is kept, so a run that was stopped goes on; for honest
times start with an empty work folder on a machine that does nothing else. With `--only` a part is
rendered, and written into the work folder.
"""

import argparse
import contextlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image as Pillow

from benchmarks.results import RESULTS_DIR, write_results
from facekit.errors import UsageError
from facekit.media.files import write_bytes, write_text
from facekit.recipe import load_recipe
from facekit.resources import datasets_dir
from facekit.types import NoProgress
from facekit.workflows.characters import CHARACTERS_DIR
from facekit.workflows.machine import provenance
from facekit.workflows.render import plan_render, run_render
from facekit.workflows.render_look import render_report
from facekit.workflows.render_report import ReportForm
from facekit.workflows.train import plan_train, run_train

DOCS_DIR = RESULTS_DIR.parent
BOARD = DOCS_DIR / "examples" / "the_letter.yaml"
CAST = ("mira", "tomas", "ines")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
REPORT_MB, PICTURE_BYTES = 3.0, 300_000
PICTURE_SIZE = (1400, 1640)
RUNS_FILE = "runs.json"
Figures = dict[str, Any]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/film"))
    parser.add_argument("--only", action="append", default=[], help="shot or sequence; repeatable")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--browser", help="Chromium, for the picture; looked for when absent")
    options = parser.parse_args(arguments)
    options.work = options.work.absolute()
    options.docs = DOCS_DIR if not options.only else options.work / "docs"
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Render what is missing and publish it."""
    options = parse(arguments)
    browser = find_browser(options.browser)
    options.work.mkdir(parents=True, exist_ok=True)
    out = options.work / "renders"
    folder = options.docs / "examples" / f"{BOARD.stem}_report"
    manifest = out / "manifest.json"
    if manifest.is_file() and not (options.work / RUNS_FILE).is_file():  # by facekit render
        remember_run(options.work / RUNS_FILE, json.loads(manifest.read_text(encoding="utf-8")))
    with contextlib.chdir(options.work):  # names of characters are looked for there
        for name in CAST:
            enrol(name)
        plan = plan_render(BOARD, out=out, device=options.device, only=options.only)
        print(plan.describe(), flush=True)
        result = run_render(plan, NoProgress())
        print(result.describe(), flush=True)
        page = render_report(
            BOARD, out=out, form=ReportForm(max_mb=REPORT_MB, folder=folder)
        ).report
    runs = remember_run(options.work / RUNS_FILE, result.to_json())
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    results = {**provenance(torch.device(plan.device)), **figures(report, runs)}
    results["page_mb"] = round(page.stat().st_size / 1e6, 3)
    write_results(options.docs / "results" / "film.json", results)
    picture = options.docs / "images" / "sequence_report.png"
    write_bytes(picture, small_png(screenshot(page, browser), PICTURE_BYTES))
    print(json.dumps(results, indent=1))
    print(f"report: {page}, picture: {picture}")
    return 0


def enrol(name: str) -> None:
    """Make a character without training, unless it is there."""
    if (CHARACTERS_DIR / name).is_dir():
        return
    recipe = load_recipe("toon/train_l0")
    photos = datasets_dir() / f"toon_{name}"
    run_train(plan_train([photos], name=name, recipe=recipe), NoProgress())


def remember_run(path: Path, told: Mapping[str, object]) -> list[Figures]:
    """Add what a render took to what those before it took; one that made nothing is left out."""
    runs = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    if told["made"]:
        runs.append({key: told[key] for key in ("made", "draw_s", "other_s", "took_s")})
        write_text(path, json.dumps(runs, indent=1) + "\n")
    return list(runs)


def figures(report: Mapping[str, Any], runs: Sequence[Figures]) -> Figures:
    """Choose from a report what is published.

    Args:
        report: The content of `report.json`.
        runs: What each render took.
    """
    shots, cost = report["shots"], report["cost"]
    likeness = [shot["likeness"] for shot in shots if shot["likeness"] is not None]
    took_s, draw_s = (sum(run[key] for run in runs) for key in ("took_s", "draw_s"))
    return {
        "board": BOARD.name,
        "shots": len(shots),
        "film_s": round(sum(shot["seconds"] for shot in shots), 3),
        "aspects": sorted({shot["aspect"] for shot in shots}),
        "verdicts": report["verdicts"],
        "takes": sum(len(shot["made"]) for shot in shots),
        "retakes": cost["retakes"],
        "draw_s": round(cost["draw_s"], 1),
        "wasted_s": round(cost["wasted_s"], 1),
        "runs": list(runs),
        "took_s": round(took_s, 1),
        "outside_sampler_share": round(1 - draw_s / took_s, 4) if took_s else None,
        "likeness_p05_mean": round(sum(likeness) / len(likeness), 4) if likeness else None,
        "floor": report["floor"],
        "is_calibrated": report["is_calibrated"],
        "encoder": report["encoder"],
        "characters": {
            name: {
                **{key: one[key] for key in ("mean", "ceiling", "xsim", "xmin", "least_alike")},
                "shots": len(one["shots"]),
            }
            for name, one in report["characters"].items()
        },
    }


def find_browser(named: str | None) -> str:
    """Find Chromium before anything is drawn.

    Raises:
        UsageError: There is none.
    """
    for name in [named] if named else BROWSERS:
        if found := shutil.which(name):
            return found
    raise UsageError(
        f"{named or ', '.join(BROWSERS)}: not found, expected Chromium for the picture of the page;"
        " install it, or name it with --browser"
    )


def screenshot(page: Path, browser: str) -> bytes:
    """Draw the top of a page as PNG."""
    width, height = PICTURE_SIZE
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "page.png"
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder}",
            f"--window-size={width},{height}",
            f"--screenshot={picture}",
            page.absolute().as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        return picture.read_bytes()


def small_png(content: bytes, most_bytes: int) -> bytes:
    """Draw a PNG with fewer colours, and smaller if that is not enough."""
    with Pillow.open(io.BytesIO(content)) as opened:
        picture = opened.convert("RGB")
    while True:
        buffer = io.BytesIO()
        picture.quantize(256, dither=Pillow.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= most_bytes or picture.width < 200:
            return buffer.getvalue()
        size = (round(picture.width * 0.9), round(picture.height * 0.9))
        picture = picture.resize(size, Pillow.Resampling.LANCZOS)


if __name__ == "__main__":
    sys.exit(main())
