"""``facekit demo``."""

from typing import Annotated

import typer

from facekit_cli.options import Device, DryRun, Force, Json, Out, Seed
from facekit_cli.output import GOES_ON, GOES_ON_WITHOUT_FORCE, execute
from facekit_cli.provenance import NoCredentials, prepared

__all__ = ["demo"]


def demo(
    out: Out = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer steps and shots: proves the path, in a minute.")
    ] = False,
    seed: Seed = None,
    device: Device = "auto",
    no_credentials: NoCredentials = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Take sample photos through training, shooting, measuring.

    It ends with a report. Exit code 0 says that all of it ran, whatever the gates say; the verdict
    is in the result.
    """
    from facekit.workflows.demo import plan_demo, run_demo

    execute(
        "demo",
        prepared(
            lambda: plan_demo(out=out, quick=quick, seed=seed, force=force, device=device),
            no_credentials=no_credentials,
            dry_run=dry_run,
        ),
        run_demo,
        as_json=as_json,
        dry_run=dry_run,
        interrupted=GOES_ON_WITHOUT_FORCE if force else GOES_ON,
    )
