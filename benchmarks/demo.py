"""Times and peak memory of the demo, published: `python -m benchmarks.demo`.

Runs the demo into the work folder and writes `docs/results/demo.json`. For honest times start it
with an empty work folder; a run that was stopped goes on and adds its times up.
"""

import argparse
import sys
from pathlib import Path

from facekit.types import NoProgress
from facekit.workflows.demo import plan_demo, run_demo


def main() -> int:
    """Run the demo and publish what it took."""
    parser = argparse.ArgumentParser(description="Publish times and memory of the demo.")
    parser.add_argument("--work", type=Path, default=Path("build/demo"))
    parser.add_argument("--results", type=Path, default=Path("docs/results/demo.json"))
    options = parser.parse_args()
    result = run_demo(plan_demo(out=options.work, results=options.results), NoProgress())
    print(result.describe())
    return 0


if __name__ == "__main__":
    sys.exit(main())
