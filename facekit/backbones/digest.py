"""The fingerprint of a backbone: sha256 over its transformer's weights files."""

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from facekit.errors import WeightsMissing

__all__ = ["backbone_digest", "pipeline_digest"]


def backbone_digest(folder: Path | str) -> str:
    """Hash the transformer's safetensors files, in order of name.

    Args:
        folder: A pipeline's folder, or that of its transformer.

    Returns:
        sha256 as 64 hex digits.

    Raises:
        WeightsMissing: No such files.
    """
    folder = Path(folder)
    if (folder / "transformer").is_dir():
        folder = folder / "transformer"
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise WeightsMissing(
            f"{folder}: no safetensors files, expected a transformer's weights; name the folder of"
            " a diffusers pipeline"
        )
    return _digest(tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files))


@lru_cache(maxsize=8)
def _digest(files: tuple[tuple[Path, int, int], ...]) -> str:
    digest = sha256()
    for file, _, _ in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def pipeline_digest(pipe: Any) -> str:
    """The digest of the files a pipeline's transformer came from; empty when it has none."""
    name = getattr(pipe.transformer.config, "_name_or_path", None) or ""
    folder = Path(name)
    if name and folder.is_dir() and any(folder.rglob("*.safetensors")):
        return backbone_digest(folder)
    return ""
