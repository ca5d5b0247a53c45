"""Fingerprints of a backbone: of its transformer, and of everything that decides its pictures."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import nn

from facekit.digests import tensors_digest
from facekit.errors import WeightsMissing
from facekit.weights import known_digest

__all__ = [
    "backbone_digest",
    "folder_parts_digest",
    "parts_digest",
    "pipeline_digest",
    "text_digest",
    "vae_digest",
]

_NETWORKS = ("transformer", "transformer_2", "unet", "motion_adapter")
_NETS = ("transformer", "vae", "text_encoder")
"""Come first, in this order; whatever else a pipeline holds follows by name."""
_PARTS = (*_NETS, "tokenizer", "scheduler")

_TOKENIZER_KEYS = ("padding_side", "truncation_side", "model_max_length", "pad_token", "eos_token")

_HUB_BLOB = re.compile(r"[0-9a-f]{64}")
"""What the Hub's cache calls a large file: the sha256 of its content."""


def backbone_digest(folder: Path | str) -> str:
    """Hash a network's safetensors files, in order of name; of two networks, both hashes.

    Args:
        folder: A pipeline's folder, or that of its transformer or UNet.

    Returns:
        sha256 as 64 hex digits.

    Raises:
        WeightsMissing: No such files.
    """
    folder = Path(folder)
    inside = [folder / name for name in _NETWORKS if (folder / name).is_dir()]
    return _joined([_network_digest(place) for place in inside or [folder]])


def _network_digest(folder: Path) -> str:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise WeightsMissing(
            f"{folder}: no safetensors files, expected a transformer's weights; name the folder of"
            " a diffusers pipeline"
        )
    return _digest(tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files))


def _joined(found: list[str]) -> str:
    return found[0] if len(found) == 1 else sha256("\n".join(found).encode()).hexdigest()


@lru_cache(maxsize=8)
def _digest(files: tuple[tuple[Path, int, int], ...]) -> str:
    digest = sha256()
    for file, _, _ in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def pipeline_digest(pipe: Any) -> str:
    """The digest of the files a pipeline's networks came from; empty when one has none.

    This is what a character is made for: it goes with any VAE and any text encoder.
    """
    held = [(name, net) for name in _NETWORKS if (net := getattr(pipe, name, None)) is not None]
    folders = [_folder(net, name) for name, net in held]
    if any(folder is None for folder in folders):
        return ""
    return _joined([backbone_digest(folder) for folder in folders if folder is not None])


def parts_digest(pipe: Any) -> str:
    """The digest of everything that decides a pipeline's pictures.

    That is transformer, VAE, text encoder and the scheduler's settings. A net that came from files
    counts by these files, weights and config; any other by its tensors.

    Returns:
        sha256 as 64 hex digits.
    """
    total = sha256()
    nets = {name: net for name, net in pipe.components.items() if isinstance(net, nn.Module)}
    ordered = [*(name for name in _NETS if name in nets), *sorted(nets.keys() - set(_NETS))]
    for name in ordered:
        net = nets[name]
        folder = _folder(net, name)
        found = tensors_digest(net.state_dict()) if folder is None else _files_digest(folder)
        total.update(f"{name} {found}\n".encode())
    settings = {key: x for key, x in pipe.scheduler.config.items() if not key.startswith("_")}
    total.update(json.dumps(settings, sort_keys=True, default=str).encode())
    return total.hexdigest()


def vae_digest(pipe: Any) -> str:
    """The sha256 (hex) of what turns pixels into latents: weights and config of the VAE."""
    return _net_digest(pipe.vae, "vae")


def text_digest(pipe: Any) -> str:
    """The sha256 (hex) of what turns prompts into embeddings: text encoders and tokenizers.

    Whatever a pipeline holds beside its networks and autoencoders counts, such as connectors.
    """
    total = sha256()
    for name, part in sorted(pipe.components.items()):
        if isinstance(part, nn.Module):
            if name not in _NETWORKS and not name.endswith("vae") and name != "vocoder":
                total.update(f"{name} {_net_digest(part, name)}\n".encode())
        elif name.startswith("tokenizer") and part is not None:
            total.update(f"{name} {_tokenizer_digest(part)}\n".encode())
    return total.hexdigest()


def _net_digest(net: Any, name: str) -> str:
    """Of a net that came from files these files; of any other its tensors and its config."""
    folder = _folder(net, name)
    if folder is not None:
        return _files_digest(folder)
    config = getattr(net, "config", {})
    plain = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    kept = {key: value for key, value in plain.items() if not key.startswith("_")}
    told = json.dumps(kept, sort_keys=True, default=str)
    return sha256(f"{tensors_digest(net.state_dict())} {told}".encode()).hexdigest()


def _tokenizer_digest(tokenizer: Any) -> str:
    """Of its words and rules, wherever it came from."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        words: Any = sorted(tokenizer.get_vocab().items())
    else:
        words = json.loads(backend.to_str())
        for state in ("padding", "truncation"):  # those of the last call
            words.pop(state, None)
    # As it was loaded: some pipelines set the padding anew with every call.
    kept = {key: str(tokenizer.init_kwargs.get(key)) for key in _TOKENIZER_KEYS}
    told = json.dumps([type(tokenizer).__name__, words, kept], sort_keys=True)
    return sha256(told.encode()).hexdigest()


def folder_parts_digest(folder: Path | str) -> str:
    """The same for a pipeline that is not loaded yet, from its files; another number.

    Raises:
        WeightsMissing: The folder holds no part of a pipeline.
    """
    found = {name: Path(folder) / name for name in _PARTS if (Path(folder) / name).is_dir()}
    if not found:
        raise WeightsMissing(
            f"{folder}: none of {', '.join(_PARTS)}, expected a diffusers pipeline; name a folder"
            " written by save_pretrained"
        )
    text = "".join(f"{name} {_files_digest(place)}\n" for name, place in found.items())
    return sha256(text.encode()).hexdigest()


def _folder(net: Any, name: str) -> Path | None:
    """Where a net's weights were read from; None for one that was made in memory."""
    came_from = getattr(net.config, "_name_or_path", None) or ""
    folder = Path(came_from)
    if (folder / name).is_dir():  # named by its pipeline
        folder = folder / name
    return folder if came_from and any(folder.glob("*.safetensors")) else None


def _files_digest(folder: Path) -> str:
    text = "".join(f"{path.name} {_content(path)}\n" for path in _files(folder))
    return sha256(text.encode()).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    files = (path for path in folder.iterdir() if path.is_file())
    yield from sorted(path for path in files if not path.name.startswith("."))


def _content(path: Path) -> str:
    """The sha256 of a file; the Hub's cache knows it, and its files take minutes to read."""
    name = path.resolve().name
    return name if path.is_symlink() and _HUB_BLOB.fullmatch(name) else known_digest(path)
