"""Loading from the Hub's cache or from a folder, and never from the network."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facekit.errors import WeightsError, WeightsMissing
from facekit.resources import toon_backbone_dir
from facekit.weights import verify_once

if TYPE_CHECKING:
    from facekit.backbones.spec import BackboneSpec

__all__ = ["from_pretrained"]


def from_pretrained(kind: Any, spec: "BackboneSpec", source: Path | None, **options: Any) -> Any:
    """Load a pipeline or a part of it from where the spec or the caller says; never downloads.

    Args:
        kind: The class.
        spec: Names the repository.
        source: A folder in diffusers format; the spec's own place when None.
        options: For ``from_pretrained``.

    Raises:
        WeightsMissing: Nothing there; the message names the command that fetches it.
        WeightsError: What is there cannot be loaded.
    """
    if source is None and not spec.repo:
        source = toon_backbone_dir()
    if source is not None and not (source / "model_index.json").is_file():
        raise WeightsMissing(
            f"{source}: no model_index.json, expected {spec.name} as a diffusers pipeline; name a"
            " folder written by save_pretrained, or reinstall facekit for the embedded one"
        )
    if source == toon_backbone_dir():
        verify_once(source.parent, below=f"{source.name}/{options.get('subfolder', '')}")
    options["local_files_only"] = True
    try:
        with _without_bars():
            if source is not None:
                return kind.from_pretrained(str(source), **options)
            # By its folder: of a repository's tokenizer transformers wants to see a config.json,
            # which it has not, and a model forgets which files it came from.
            from huggingface_hub import snapshot_download

            place = snapshot_download(spec.repo, revision=spec.revision, local_files_only=True)
            return kind.from_pretrained(place, **options)
    except (OSError, ValueError) as error:
        if source is not None:
            raise WeightsError(
                f"{source}: cannot be loaded as {spec.name} ({error}); fetch the folder again"
            ) from error
        raise WeightsMissing(
            f"{spec.name}: not on this machine, expected {spec.repo} at {spec.revision};"
            f" run: hf download {spec.repo} --revision {spec.revision}"
        ) from error


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep the progress bars of both libraries off the terminal; facekit shows its own."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    shown = [
        log for log in (diffusers_logging, transformers_logging) if log.is_progress_bar_enabled()
    ]
    for log in shown:
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log in shown:
            log.enable_progress_bar()
