"""``facekit render``, ``facekit board render`` and ``resume``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facekit_cli.board import Board, Renders, app
from facekit_cli.options import CastPhotos, Device, DryRun, Json, ShownIn, Use, Weights
from facekit_cli.output import GOES_ON, execute
from facekit_cli.provenance import NoCredentials, prepared

if TYPE_CHECKING:  # help must not wait for it
    from facekit.types import Plan, Progress
    from facekit.workflows.render import RenderPlan
    from facekit.workflows.render_emit import EmitPlan

__all__ = [
    "Emit",
    "JobFiles",
    "NumWorkers",
    "Only",
    "Part",
    "RayAddress",
    "render",
    "resume",
]

Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="SHOT",
        help="Only this shot or sequence, and what it goes on from; repeatable.",
    ),
]

NumWorkers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        max=1024,
        help="Processes that draw, each on a card of its own; 1 when absent, and with --ray one per"
        " card of the cluster.",
    ),
]

RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Draw on a Ray cluster: auto for the one of this machine, or HOST:PORT.",
    ),
]

Part = Annotated[
    bool,
    typer.Option(
        "--part",
        help="With --only: leave timelines and the report to a last render without it, so that"
        " other processes may draw other shots of the board at the same time.",
    ),
]

Emit = Annotated[
    str | None,
    typer.Option(
        "--emit",
        metavar="KIND",
        help="Draw nothing, and write job files with --to: slurm or openjd. auto and cuda ask for a"
        " card for each task, --device cpu for none.",
    ),
]

JobFiles = Annotated[
    Path | None, typer.Option("--to", metavar="PATH", help="New folder of the job files.")
]


def render(
    board: Board,
    only: Only = None,
    part: Part = False,
    workers: NumWorkers = None,
    ray: RayAddress = None,
    emit: Emit = None,
    to: JobFiles = None,
    photos: CastPhotos = None,
    device: Device = "auto",
    weights: Weights = None,
    use: Use = "",
    territory: ShownIn = None,
    no_credentials: NoCredentials = False,
    out: Renders = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Render a storyboard: draw, judge, redraw, deliver.

    What is finished is never made again; run it again to go on.
    """
    given = {"--part": part, "--ray": ray, "--emit": emit}
    if emit is not None:
        shared = (photos, device, weights, use, territory, no_credentials, out, dry_run, as_json)
        _emit(board, given, only, workers, emit, to, *shared)
        return

    def plan() -> "RenderPlan":
        from facekit.workflows.render import plan_render

        _one_of(given)
        if to is not None:
            _idle("--to", "it is the folder of --emit")
        # the cluster knows what it has; this machine need not have it
        here = "auto" if ray is not None else device
        return plan_render(
            board,
            out=out,
            device=here,
            only=only or (),
            photos=photos or (),
            use=use,
            territory=territory or (),
        )

    def run(made: "RenderPlan", progress: "Progress") -> "Plan":
        if ray is not None:
            from facekit.workflows.render_ray import run_on_ray

            return run_on_ray(made, progress, address=ray, device=device, workers=workers)
        if part:
            from facekit.workflows.render_part import run_part

            return run_part(made, progress, workers=workers or 1)
        from facekit.workflows.render import run_render

        return run_render(made, progress, workers=workers or 1)

    execute(
        "render",
        prepared(plan, no_credentials=no_credentials, dry_run=dry_run),
        run,
        as_json=as_json,
        weights=weights,
        dry_run=dry_run,
        interrupted=GOES_ON,
    )


def _emit(
    board: Path,
    given: Mapping[str, object],
    only: Sequence[str] | None,
    workers: int | None,
    kind: str,
    to: Path | None,
    photos: Sequence[str] | None,
    device: str,
    weights: Sequence[Path] | None,
    use: str,
    territory: Sequence[str] | None,
    no_credentials: bool,
    out: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    from facekit.workflows.render_emit import plan_emit, run_emit

    def plan() -> "EmitPlan":
        _one_of(given)
        if workers is not None:
            _idle("--workers", "the scheduler decides how many tasks run at once")
        return plan_emit(
            board,
            kind,
            to,
            out=out,
            device=device,
            only=only or (),
            weights=weights or (),
            photos=photos or (),
            no_credentials=no_credentials,
            use=use,
            territory=territory or (),
        )

    checked = prepared(plan, no_credentials=no_credentials, dry_run=dry_run)
    execute("render.emit", checked, run_emit, as_json=as_json, weights=weights, dry_run=dry_run)


def _one_of(given: Mapping[str, object]) -> None:
    """Refuse ways to draw that contradict each other."""
    from facekit.errors import UsageError

    said = [flag for flag, value in given.items() if value]
    if len(said) > 1:
        raise UsageError(f"{' and '.join(said)} both given, expected one of them; leave one away")


def _idle(flag: str, why: str) -> None:
    from facekit.errors import UsageError

    raise UsageError(f"{flag}: nothing reads it here, for {why}; leave it away")


app.command("render")(render)


@app.command("resume")
def resume(
    board: Board,
    workers: NumWorkers = None,
    ray: RayAddress = None,
    device: Device = "auto",
    weights: Weights = None,
    use: Use = "",
    territory: ShownIn = None,
    no_credentials: NoCredentials = False,
    out: Renders = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Go on with a render that was stopped, or whose board has changed: the same as render."""
    render(
        board,
        workers=workers,
        ray=ray,
        device=device,
        weights=weights,
        use=use,
        territory=territory,
        no_credentials=no_credentials,
        out=out,
        dry_run=dry_run,
        as_json=as_json,
    )
