"""``facekit preset lock`` and what else goes by what a show has locked."""

from typing import Annotated

import typer

from facekit_cli.options import DryRun, Json
from facekit_cli.output import GOES_ON, execute, show
from facekit_cli.preset_share import Registry

__all__ = ["app", "gc", "lock", "outdated", "sync"]

app = typer.Typer(help="Lock presets for a show.", no_args_is_help=True)


@app.command("lock")
def lock(
    presets: Annotated[
        list[str] | None,
        typer.Argument(metavar="PRESET", help="mira@prod or mira@1.2.0; all that are locked."),
    ] = None,
    registry: Registry = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write into facekit.lock what channels point at, and which libraries are here."""
    from facekit.workflows.preset_lock import plan_lock, run_lock

    execute(
        "preset.lock",
        lambda: plan_lock(presets or (), registry=registry),
        run_lock,
        as_json=as_json,
        dry_run=dry_run,
    )


@app.command("sync")
def sync(
    frozen: Annotated[
        bool,
        typer.Option("--frozen", help="Refuse, with exit code 7, other libraries than locked."),
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Fetch every locked preset; one that was revoked is refused."""
    from facekit.workflows.preset_sync import plan_sync, run_sync

    execute(
        "preset.sync",
        lambda: plan_sync(frozen=frozen),
        run_sync,
        as_json=as_json,
        dry_run=dry_run,
        interrupted=GOES_ON,
    )


@app.command("outdated")
def outdated(as_json: Json = False) -> None:
    """Compare facekit.lock with what its channels point at now."""
    from facekit.workflows.preset_list import outdated as compare

    show("preset.outdated", compare, as_json=as_json)


@app.command("gc")
def gc(
    registry: Annotated[
        str | None,
        typer.Option(
            "--registry",
            metavar="NAME",
            help="Remove there what nothing refers to; here what is not locked if absent.",
        ),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Remove presets that the lock does not name, or unused content of a registry."""
    from facekit.workflows.preset_list import plan_gc, run_gc

    execute("preset.gc", lambda: plan_gc(registry), run_gc, as_json=as_json, dry_run=dry_run)
