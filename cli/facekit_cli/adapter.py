"""``facekit adapter``: what an adapter file is, and what other tools call it."""

from pathlib import Path
from typing import Annotated

import typer

from facekit_cli.options import DryRun, Force, Json
from facekit_cli.output import execute, show

__all__ = [
    "Alpha",
    "Base",
    "File",
    "Partial",
    "Source",
    "app",
    "convert",
    "formats",
    "inspect",
    "verify",
]

app = typer.Typer(
    help="Inspect, verify and convert LoRAs of any tool.",
    no_args_is_help=True,
)

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="A safetensors file, or the folder of a PEFT adapter or a character."
    ),
]
Base = Annotated[
    str | None,
    typer.Option("--base", metavar="NAME", help="The backbone; told from the file when absent."),
]
Source = Annotated[
    Path | None,
    typer.Option("--source", metavar="FOLDER", help="Folder of the backbone in diffusers format."),
]
Alpha = Annotated[
    float | None,
    typer.Option(
        "--alpha", metavar="A", help="Counts where the file says nothing; the rank when absent."
    ),
]
Partial = Annotated[
    bool, typer.Option("--partial", help="Leave out keys that are no part of a LoRA on the base.")
]


@app.command("inspect")
def inspect(
    file: File,
    base: Base = None,
    source: Source = None,
    alpha: Alpha = None,
    partial: Partial = False,
    as_json: Json = False,
) -> None:
    """Say who wrote an adapter, for which backbone, and what is in it."""
    from facekit.workflows.adapters import inspect_adapter

    show(
        "adapter.inspect",
        lambda: inspect_adapter(file, base=base, source=source, partial=partial, alpha=alpha),
        as_json=as_json,
    )


@app.command("convert")
def convert(
    file: Annotated[Path, typer.Argument(metavar="IN", help="An adapter in any format.")],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="A .safetensors file; a folder for peft."),
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="FORMAT", help="As facekit adapter formats lists them.")
    ],
    base: Base = None,
    source: Source = None,
    bake: Annotated[
        float | None,
        typer.Option(
            "--bake",
            metavar="STRENGTH",
            help="Approximate the identity branch at this strength; says what is missed.",
        ),
    ] = None,
    as_lora: Annotated[
        int | None,
        typer.Option(
            "--as-lora", metavar="RANK", min=1, help="Approximate LoKr by a LoRA of this rank."
        ),
    ] = None,
    alpha: Alpha = None,
    partial: Partial = False,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write an adapter as another tool reads it, and read it back to be sure."""
    from facekit.workflows.convert_adapter import plan_convert, run_convert

    execute(
        "adapter.convert",
        lambda: plan_convert(
            file,
            out,
            to=to,
            base=base,
            source=source,
            bake=bake,
            as_lora=as_lora,
            alpha=alpha,
            partial=partial,
            force=force,
        ),
        run_convert,
        as_json=as_json,
        dry_run=dry_run,
    )


@app.command("verify")
def verify(
    file: File,
    against: Annotated[
        Path | None,
        typer.Argument(metavar="AGAINST", help="Another adapter, in any format, to compare with."),
    ] = None,
    base: Base = None,
    source: Source = None,
    alpha: Alpha = None,
    as_json: Json = False,
) -> None:
    """Check that an adapter fits and does something, or equals another; exit code 7 if not."""
    from facekit.workflows.adapters import verify_adapter

    show(
        "adapter.verify",
        lambda: verify_adapter(file, against, base=base, source=source, alpha=alpha),
        as_json=as_json,
    )


@app.command("formats")
def formats(as_json: Json = False) -> None:
    """List the formats that can be written, and who reads them."""
    from facekit.workflows.adapters import list_formats

    show("adapter.formats", list_formats, as_json=as_json)
