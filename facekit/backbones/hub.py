"""Loading from the Hub's cache or from a folder, and never from the network."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open

from facekit.errors import WeightsError, WeightsMissing
from facekit.resources import toon_backbone_dir
from facekit.weights import verify_once

if TYPE_CHECKING:
    from facekit.backbones.spec import BackboneSpec

__all__ = ["fetch_commands", "from_pretrained", "network_outline", "pipeline_folder"]


def pipeline_folder(spec: "BackboneSpec", source: Path | None) -> Path:
    """Find the folder that a pipeline is loaded from; never downloads.

    Args:
        spec: Names the repository.
        source: A folder in diffusers format; the spec's own place when None.

    Raises:
        WeightsMissing: Nothing there; the message names the command that fetches it.
    """
    if source is None and spec.repo:
        try:
            return _cached(spec.repo, spec.revision)
        except (OSError, ValueError) as error:
            raise _missing(spec) from error
    folder = source or toon_backbone_dir()
    if not (folder / "model_index.json").is_file():
        raise WeightsMissing(
            f"{folder}: no model_index.json, expected {spec.name} as a diffusers pipeline; name a"
            " folder written by save_pretrained, or reinstall facekit for the embedded one"
        )
    return folder


def fetch_commands(spec: "BackboneSpec") -> tuple[str, ...]:
    """Tell the commands that fetch what a backbone is loaded from and the Hub's cache has not.

    Returns:
        One for each repository that is not there at all; empty where something of each is.
    """
    missing = []
    for repo, revision in spec.family.repositories(spec):
        try:
            _cached(repo, revision)
        except (OSError, ValueError):
            missing.append(_command(repo, revision))
    return tuple(missing)


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
    # By its folder also from the Hub's cache: of a repository's tokenizer transformers wants to see
    # a config.json, which it has not, and a model forgets which files it came from.
    folder = pipeline_folder(spec, source)
    if folder == toon_backbone_dir():
        verify_once(folder.parent, below=f"{folder.name}/{options.get('subfolder', '')}")
    options["local_files_only"] = True
    try:
        with _without_bars():
            loaded = kind.from_pretrained(str(folder), **options)
        _check_whole(loaded, folder)
        return loaded
    except (OSError, ValueError, SafetensorError) as error:
        if source is None and spec.repo:  # part of it is there
            raise _missing(spec) from error
        raise WeightsError(
            f"{folder}: cannot be loaded as {spec.name} ({error}); fetch the folder again"
        ) from error


def network_outline(kind: Any, folder: Path, subfolder: str = "") -> Any:
    """Build a network of diffusers from its config, without weights, on the meta device.

    Raises:
        WeightsError: There is no config, or none of this class.
    """
    path = folder / subfolder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if config.get("_class_name") != kind.__name__:
            raise ValueError(f"it is of {config.get('_class_name')}")
        with torch.device("meta"):
            return kind.from_config(config)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path}: cannot be read ({error}), expected the config of a {kind.__name__}; name the"
            " folder of that backbone"
        ) from error


def _missing(spec: "BackboneSpec") -> WeightsMissing:
    return WeightsMissing(
        f"{spec.name}: not on this machine, expected {spec.repo} at {spec.revision};"
        f" run: {_command(spec.repo, spec.revision)}"
    )


def _cached(repo: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(repo, revision=revision, local_files_only=True))


def _command(repo: str, revision: str) -> str:
    return f"hf download {repo} --revision {revision}"


def _check_whole(pipe: Any, folder: Path) -> None:
    """Refuse files that lack a tensor: diffusers makes it up of random numbers, with a warning.

    Raises:
        ValueError: Naming the first that is missing.
    """
    for name, part in getattr(pipe, "components", {}).items():
        files = sorted((folder / name).glob("*.safetensors"))
        # What was put together of several, such as a UNet and motion modules, has no such file.
        if not files or not _is_of(folder / name, part):
            continue
        there: set[str] = set()
        for file in files:
            with safe_open(file, framework="pt") as tensors:
                there |= set(tensors.keys())
        missing = sorted(part.state_dict().keys() - there)
        if missing:
            raise ValueError(
                f"{name} lacks {len(missing)} of its tensors, the first of them {missing[0]}"
            )


def _is_of(folder: Path, part: Any) -> bool:
    """Whether the config in a folder is that of this very class of diffusers."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return bool(config.get("_class_name") == type(part).__name__)


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
