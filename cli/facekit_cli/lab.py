"""``facekit lab``: what builds and measures facekit itself."""

from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.options import CastPhotos, Device, DryRun, Force, Json, Out, Seed
from facekit_cli.output import GOES_ON, execute, show

__all__ = ["app", "build_toon", "calibrate", "probe_base"]

app = typer.Typer(help="Build and measure facekit's own parts.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Build and measure facekit's own parts."""


@app.command("build-toon")
def build_toon(
    part: Annotated[
        list[str] | None,
        typer.Option("--part", metavar="PART", help="Only this part; repeatable."),
    ] = None,
    hours: Annotated[
        float | None, typer.Option("--hours", min=0.0, help="Stop after this much time.")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, help="Optimiser steps of the one part that is named."),
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option(
            "--tokens", min=1, help="Latent tokens per step of the backbone; 2304 when absent."
        ),
    ] = None,
    from_shipped: Annotated[
        bool,
        typer.Option(
            "--from-shipped", help="Go on from the shipped weights where there is no checkpoint."
        ),
    ] = False,
    install: Annotated[
        bool,
        typer.Option("--install", help="Let export and samples replace what ships with facekit."),
    ] = False,
    seed: Seed = None,
    device: Device = "auto",
    out: Out = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Rebuild the embedded toon weights; run it again to go on where it stopped."""
    from facekit.workflows.build_toon import plan_build_toon, run_build_toon

    execute(
        "lab.build_toon",
        lambda: plan_build_toon(
            parts=tuple(part or ()),
            hours=hours,
            seed=seed,
            out=out,
            device=device,
            steps=steps,
            tokens=tokens,
            from_shipped=from_shipped,
            install=install,
        ),
        run_build_toon,
        as_json=as_json,
        dry_run=dry_run,
        interrupted=GOES_ON,
    )


@app.command("probe-base")
def probe_base(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A backbone; all of them when absent.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--source", metavar="FOLDER", help="Its folder in diffusers format, to see its sites."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell a backbone's licence, legal sizes and frames, noise, LoRA targets and sites."""
    from facekit.workflows.probe_base import probe_base as probe

    show("lab.probe_base", lambda: probe(name, source), as_json=as_json)


@app.command("calibrate")
def calibrate(
    board: Annotated[Path, typer.Argument(metavar="BOARD", help="A storyboard, a .yaml file.")],
    device: Device = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="PATH", help="Folder of its renders; renders/PROJECT when absent."
        ),
    ] = None,
    far: Annotated[
        float,
        typer.Option(
            "--far",
            metavar="PART",
            help="Part of the faces of other people that may be taken for one of the cast.",
        ),
    ] = 0.01,
    others: Annotated[
        list[str] | None,
        typer.Option(
            "--others",
            metavar="PHOTOS",
            help="Photos of people who are not in the show, to tell the cast from; repeatable.",
        ),
    ] = None,
    photos: CastPhotos = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Choose the likeness that a board's gates ask for, from photos and takes of its own cast."""
    from facekit.workflows.calibrate import plan_calibrate, run_calibrate

    execute(
        "lab.calibrate",
        lambda: plan_calibrate(
            board,
            out=out,
            device=device,
            far=far,
            others=others or (),
            photos=photos or (),
            force=force,
        ),
        run_calibrate,
        as_json=as_json,
        dry_run=dry_run,
    )
