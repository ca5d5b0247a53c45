"""``facekit preset push`` and what else goes through a registry."""

from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.options import DryRun, Force, Json
from facekit_cli.output import GOES_ON, execute, show

__all__ = [
    "Key",
    "Note",
    "Preset",
    "Registry",
    "Role",
    "app",
    "approve",
    "list_",
    "promote",
    "pull",
    "push",
    "reject",
    "revoke",
    "rollback",
    "supersede",
]

app = typer.Typer(help="Share presets through a registry.", no_args_is_help=True)

Registry = Annotated[
    str | None,
    typer.Option("--registry", metavar="NAME", help="The first in facekit.toml if absent."),
]
Preset = Annotated[
    str,
    typer.Argument(metavar="PRESET", help="mira@1.2.0, mira@prod or mira, the latest version."),
]
Role = Annotated[
    str | None,
    typer.Option(
        "--role", metavar="ROLE", help="Yours, as facekit.toml has it; needed of several."
    ),
]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why; others read it.")]
Key = Annotated[
    str | None, typer.Option("--key", metavar="NAME", help="Key to sign with; your default one.")
]
_Channel = Annotated[
    str, typer.Option("--channel", metavar="NAME", help="One that facekit.toml has a policy for.")
]


@app.command("push")
def push(
    preset: Annotated[
        Path, typer.Argument(metavar="PATH", help="A preset: its archive or its folder.")
    ],
    registry: Registry = None,
    submit: Annotated[bool, typer.Option("--submit", help="Ask for approval as well.")] = False,
    key: Key = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Publish a version; after an interruption it goes on with what is missing."""
    from facekit.workflows.preset_transfer import plan_push, run_push

    execute(
        "preset.push",
        lambda: plan_push(preset, registry, submit=submit, key=key),
        run_push,
        as_json=as_json,
        dry_run=dry_run,
        interrupted=GOES_ON,
    )


@app.command("pull")
def pull(
    preset: Preset,
    registry: Registry = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="An archive .facekit or a folder; kept in the cache if absent.",
        ),
    ] = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Fetch a preset and compare all of it; after an interruption it goes on."""
    from facekit.workflows.preset_transfer import plan_pull, run_pull

    execute(
        "preset.pull",
        lambda: plan_pull(preset, registry, out=out, force=force),
        run_pull,
        as_json=as_json,
        dry_run=dry_run,
        interrupted=GOES_ON,
    )


@app.command("list")
def list_(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Versions of this one, and their states.")
    ] = None,
    registry: Registry = None,
    as_json: Json = False,
) -> None:
    """List the presets of a registry, or the versions of one."""
    from facekit.workflows.preset_list import list_presets

    show("preset.list", lambda: list_presets(name, registry=registry), as_json=as_json)


@app.command("approve")
def approve(
    preset: Preset,
    role: Role = None,
    note: Note = "",
    registry: Registry = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Sign that a version may be used."""
    from facekit.workflows.preset_decisions import approve as decide

    show(
        "preset.approve",
        lambda: decide(preset, registry=registry, role=role, note=note, key=key),
        as_json=as_json,
    )


@app.command("reject")
def reject(
    preset: Preset,
    note: Note,
    role: Role = None,
    registry: Registry = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Sign that a version will not do; approvals given before no longer count."""
    from facekit.workflows.preset_decisions import reject as decide

    show(
        "preset.reject",
        lambda: decide(preset, registry=registry, role=role, note=note, key=key),
        as_json=as_json,
    )


@app.command("revoke")
def revoke(
    preset: Preset,
    note: Note,
    role: Role = None,
    registry: Registry = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Sign that nobody may use a version any more, locked or not; for good."""
    from facekit.workflows.preset_decisions import revoke as decide

    show(
        "preset.revoke",
        lambda: decide(preset, registry=registry, role=role, note=note, key=key),
        as_json=as_json,
    )


@app.command("supersede")
def supersede(
    preset: Preset,
    by: Annotated[
        str, typer.Option("--by", metavar="PRESET", help="The version that takes its place.")
    ],
    role: Role = None,
    note: Note = "",
    registry: Registry = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Sign that another version takes the place of one that no channel points at."""
    from facekit.workflows.preset_decisions import supersede as decide

    show(
        "preset.supersede",
        lambda: decide(preset, by=by, registry=registry, role=role, note=note, key=key),
        as_json=as_json,
    )


@app.command("promote")
def promote(
    preset: Preset,
    channel: _Channel,
    role: Role = None,
    note: Note = "",
    registry: Registry = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Let a channel point at a version, if the show's policy is met."""
    from facekit.workflows.preset_channels import promote as move

    show(
        "preset.promote",
        lambda: move(preset, channel, registry=registry, role=role, note=note, key=key),
        as_json=as_json,
    )


@app.command("rollback")
def rollback(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The preset, without a version.")],
    channel: _Channel,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="X.Y.Z", help="The one before the present one if absent."),
    ] = None,
    role: Role = None,
    note: Note = "",
    registry: Registry = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Let a channel point at an earlier version, by a new signed pointer."""
    from facekit.workflows.preset_channels import roll_back

    show(
        "preset.rollback",
        lambda: roll_back(name, channel, to=to, registry=registry, role=role, note=note, key=key),
        as_json=as_json,
    )
