"""The demo, published: times, memory and figures, and the picture of the README.

    python -m benchmarks.demo

Runs the demo into the work folder and writes `docs/results/demo.json` and `docs/images/demo.png`;
with `--quick` it proves the path in a minute and writes the two into the work folder. For honest
times start it with an empty work folder; a run that was stopped goes on and adds its times up.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.demo_sheet import demo_groups, write_demo_sheet
from benchmarks.results import RESULTS_DIR, write_results
from facekit.types import NoProgress
from facekit.workflows.demo import plan_demo, run_demo

DOCS_DIR = RESULTS_DIR.parent


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/demo"))
    parser.add_argument("--quick", action="store_true", help="few steps and shots, not published")
    parser.add_argument("--results", type=Path, help="docs/results/demo.json when absent")
    parser.add_argument("--picture", type=Path, help="docs/images/demo.png when absent")
    options = parser.parse_args(arguments)
    docs = options.work / "docs" if options.quick else DOCS_DIR
    options.results = options.results or docs / "results" / "demo.json"
    options.picture = options.picture or docs / "images" / "demo.png"
    return options


def main() -> int:
    """Run the demo and publish what it took and what it made."""
    options = parse()
    plan = plan_demo(out=options.work, quick=options.quick)
    result = run_demo(plan, NoProgress())
    write_results(options.results, json.loads(result.record.read_text(encoding="utf-8")))
    write_demo_sheet(options.picture, demo_groups(options.work))
    print(result.describe())
    print(f"picture: {options.picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
