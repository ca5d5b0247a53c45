"""``facekit preset``: characters as a team shares them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from facekit_cli.options import Device, DryRun, Force, Json, Weights
from facekit_cli.output import execute, show

__all__ = [
    "PRESET",
    "File",
    "Folder",
    "Kind",
    "app",
    "diff",
    "inspect",
    "pack",
    "verify",
]

app = typer.Typer(
    help="Pack, verify, compare and export characters for a team.",
    no_args_is_help=True,
)


class Kind(StrEnum):
    """Whose face it is."""

    REAL = "real"
    SYNTHETIC = "synthetic"
    PERFORMED = "fictional-performed"
    NON_HUMAN = "non-human"


PRESET = Annotated[
    Path, typer.Argument(metavar="PRESET", help="An archive NAME-VERSION.facekit, or its folder.")
]
_NAMED = Annotated[
    Path,
    typer.Argument(
        metavar="PRESET", help="An archive NAME-VERSION.facekit, its folder, or mira@1.2.0."
    ),
]
Folder = Annotated[bool, typer.Option("--folder", help="Write a folder and no archive.")]
File = Annotated[
    Path | None,
    typer.Option("--out", metavar="PATH", help="What is written; NAME-VERSION.facekit if absent."),
]
_Commercial = Annotated[
    bool,
    typer.Option(
        "--commercial",
        help="Refuse, with exit code 4, what a licence does not allow for commercial use.",
    ),
]


@app.command("pack")
def pack(
    character: Annotated[
        str, typer.Argument(metavar="CHARACTER", help="A character's name, folder or file.")
    ],
    preset_id: Annotated[
        str | None,
        typer.Option(
            "--id", metavar="ORG/NAME", help="Such as org.studio.show/mira; local/NAME if absent."
        ),
    ] = None,
    version: Annotated[
        str, typer.Option("--version", metavar="X.Y.Z", help="A semantic version.")
    ] = "1.0.0",
    subject: Annotated[
        Kind | None,
        typer.Option(
            "--subject", help="Whose face it is, where character and consent do not say it."
        ),
    ] = None,
    consent: Annotated[
        Path | None,
        typer.Option(
            "--consent",
            metavar="RECORD",
            help="Consent of a real person, a file or what it is kept under; found where the"
            " character names its person.",
        ),
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="For people.")] = None,
    summary: Annotated[str, typer.Option("--summary", help="For people.")] = "",
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="For people; repeatable.")
    ] = None,
    licence: Annotated[
        str,
        typer.Option("--license", metavar="SPDX", help="Of the adapter; or LicenseRef-NAME."),
    ] = "LicenseRef-Proprietary",
    terms: Annotated[
        Path | None, typer.Option("--terms", metavar="FILE", help="The terms in full, as text.")
    ] = None,
    allows: Annotated[
        bool,
        typer.Option(
            "--allows-commercial-use", help="Says so of terms whose name does not say it."
        ),
    ] = False,
    redistribute: Annotated[
        bool | None,
        typer.Option(
            "--redistribute/--no-redistribute",
            help="Whether whoever gets it may give it to others, where the license does not say.",
        ),
    ] = None,
    commercial: _Commercial = False,
    templates: Annotated[
        Literal["none", "clear"],
        typer.Option(
            "--templates", help="What tells a person: left out, or in for everybody to read."
        ),
    ] = "none",
    seal_for: Annotated[
        list[str] | None,
        typer.Option(
            "--seal-for",
            metavar="KEYLINE",
            help="Templates go in, and only the owner of this key can read them; repeatable.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="PATH", help="What facekit eval wrote about it."),
    ] = None,
    follows: Annotated[
        Path | None,
        typer.Option("--follows", metavar="PRESET", help="The preset that this one replaces."),
    ] = None,
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures/--no-pictures",
            help="Draw a portrait, a contact sheet and the seeded shot for parity.",
        ),
    ] = True,
    created: Annotated[
        str | None,
        typer.Option(
            "--created",
            metavar="TIME",
            help="Written down; SOURCE_DATE_EPOCH or nothing if absent, for equal digests.",
        ),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="NAME", help="Signs; the default key if absent.")
    ] = None,
    folder: Folder = False,
    weights: Weights = None,
    device: Device = "auto",
    out: File = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Pack a character into one signed preset; no photos go in."""
    from facekit.workflows.presets import plan_pack, run_pack

    execute(
        "preset.pack",
        lambda: plan_pack(
            character,
            out=out,
            preset_id=preset_id,
            version=version,
            title=title,
            summary=summary,
            tags=tags or (),
            subject=None if subject is None else subject.value,
            consent=consent,
            licence=licence,
            terms=terms,
            allows_commercial_use=allows,
            redistribute=redistribute,
            commercial=commercial,
            templates=templates,
            seal_for=seal_for or (),
            report=report,
            follows=follows,
            pictures=pictures,
            created=created,
            key=key,
            device=device,
            is_folder=folder,
            force=force,
        ),
        run_pack,
        as_json=as_json,
        dry_run=dry_run,
        weights=weights,
    )


@app.command("inspect")
def inspect(preset: _NAMED, as_json: Json = False) -> None:
    """Say what a preset is, who signed it, and what in it is biometric."""
    from facekit.workflows.preset_look import inspect_preset

    show("preset.inspect", lambda: inspect_preset(preset), as_json=as_json)


@app.command("verify")
def verify(
    preset: _NAMED,
    parity: Annotated[
        bool,
        typer.Option("--parity", help="Draw its seeded shot and compare; exit code 7 if not."),
    ] = False,
    commercial: _Commercial = False,
    weights: Weights = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Check that every byte is as packed, by somebody whose key you trust; exit code 6 if not."""
    from facekit.workflows.preset_look import plan_verify_preset, run_verify_preset

    execute(
        "preset.verify",
        lambda: plan_verify_preset(preset, parity=parity, commercial=commercial, device=device),
        run_verify_preset,
        as_json=as_json,
        weights=weights,
    )


@app.command("diff")
def diff(
    one: Annotated[Path, typer.Argument(metavar="A", help="The earlier preset.")],
    two: Annotated[Path, typer.Argument(metavar="B", help="The later preset.")],
    origin: Annotated[
        Path | None,
        typer.Option(
            "--origin", metavar="PRESET", help="What both follow: tells who changed the recipe."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PAGE", help="An HTML page that shows it, with pictures."),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Say what changed: rights, base and encoder, recipe, likeness by pose, parity, pictures."""
    from facekit.workflows.preset_diff import diff_presets

    show(
        "preset.diff",
        lambda: diff_presets(one, two, origin=origin, out=out, force=force),
        as_json=as_json,
    )
