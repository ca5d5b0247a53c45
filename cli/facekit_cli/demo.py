"""``facekit demo``."""

from typing import Annotated

import typer

from facekit_cli.options import DryRun, Force, Json, Out, Seed
from facekit_cli.output import execute


def demo(
    out: Out = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer steps and shots: proves the path, in a minute.")
    ] = False,
    seed: Seed = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Take the sample photos through training, shooting and measuring, to a report."""
    from facekit.workflows.demo import plan_demo, run_demo

    execute(
        "demo",
        lambda: plan_demo(out=out, quick=quick, seed=seed, force=force),
        run_demo,
        as_json=as_json,
        dry_run=dry_run,
    )
