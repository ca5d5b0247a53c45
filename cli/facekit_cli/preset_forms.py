"""``facekit preset export`` and ``strip-biometrics``: a preset made of a preset."""

from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.options import DryRun, Force, Json, Weights
from facekit_cli.output import execute
from facekit_cli.preset import PRESET, File, Folder

__all__ = ["app", "export", "strip_biometrics"]

app = typer.Typer(help="Presets made of presets.", no_args_is_help=True)


@app.command("export")
def export(
    preset: PRESET,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="What is written.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="folder, archive or character; or as facekit adapter formats lists them.",
        ),
    ],
    with_templates: Annotated[
        bool,
        typer.Option(
            "--with-templates",
            help="Put what tells a person into the character file, for everybody to read.",
        ),
    ] = False,
    bake: Annotated[
        float | None,
        typer.Option(
            "--bake",
            metavar="STRENGTH",
            help="Approximate the identity branch at this strength; says what is missed.",
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--source", metavar="FOLDER", help="Folder of the backbone, to bake."),
    ] = None,
    weights: Weights = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write a verified preset in its other form, or as another tool reads it."""
    from facekit.workflows.preset_export import plan_export, run_export

    execute(
        "preset.export",
        lambda: plan_export(
            preset,
            out,
            to=to,
            with_templates=with_templates,
            bake=bake,
            source=source,
            force=force,
        ),
        run_export,
        as_json=as_json,
        dry_run=dry_run,
        weights=weights,
    )


@app.command("strip-biometrics")
def strip_biometrics(
    preset: PRESET,
    folder: Folder = False,
    out: File = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a preset without what can be left out of what tells a person; says what it loses."""
    from facekit.workflows.preset_strip import plan_strip, run_strip

    execute(
        "preset.strip-biometrics",
        lambda: plan_strip(preset, out, is_folder=folder, force=force),
        run_strip,
        as_json=as_json,
        dry_run=dry_run,
    )
