"""The table of workers in the how-to comes from the results."""

import json
from pathlib import Path

from benchmarks.readme import RENDER, with_rendering
from benchmarks.render_table import render_table
from benchmarks.results import RESULTS_DIR


def test_the_how_to_holds_the_table_of_the_results() -> None:
    text = RENDER.read_text(encoding="utf-8")
    assert with_rendering(text, RESULTS_DIR) == text, "run python -m benchmarks.readme"


def test_a_run_becomes_a_row_for_each_crew(tmp_path: Path) -> None:
    found = {
        "settings": {"shots": 12, "num_inference_steps": 12},
        "cores": 2,
        "load_before": 0.5,
        "outside_the_sampler": 0.125,
        "rows": {"1 process": {"shots_per_minute": 6.28, "speed": 1.0}},
    }
    (tmp_path / "render_scaling.json").write_text(json.dumps(found))
    table = render_table(tmp_path)
    assert "| 1 process | 6.3 | 1.00 x |" in table
    assert "**12.5%** is outside the sampler" in table
    assert "2 cores" in table
