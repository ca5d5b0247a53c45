"""Which weights ship, with digest, licence and origin; none of them is loaded unverified.

A folder of weights carries a ``manifest.json`` that names every other file in it. Whoever builds
the weights writes it with ``write_manifest``; whoever loads some of them calls ``verify_once`` on
those first. A folder without a manifest is the user's own, and nobody knows what should be in it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from facekit.errors import ChecksumMismatch, WeightsError, WeightsMissing
from facekit.resources import toon_dir

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "MANIFEST_NAME",
    "WeightsFile",
    "file_digest",
    "known_digest",
    "load_nets",
    "read_manifest",
    "verify",
    "verify_once",
    "write_manifest",
]

MANIFEST_NAME = "manifest.json"

_REBUILD = "restore it from the repository or run facekit lab build-toon --install"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """One recorded file."""

    path: str
    """Relative to the folder of the manifest, with forward slashes."""
    sha256: str
    """64 hex digits."""
    num_bytes: int
    licence: str
    """An SPDX identifier."""
    command: str
    """What built it."""


def file_digest(path: Path | str) -> str:
    """The sha256 of a file's content, in hex.

    Raises:
        WeightsMissing: There is no such file.
    """
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise WeightsMissing(f"{path}: no such weights file; {_REBUILD}") from error


def known_digest(path: Path) -> str:
    """The same as ``file_digest``; read again only when the file's size or time has changed.

    Raises:
        WeightsMissing: There is no such file.
    """
    try:
        state = path.stat()
    except FileNotFoundError as error:
        raise WeightsMissing(f"{path}: no such weights file; {_REBUILD}") from error
    return _digest_of_state(path.absolute(), state.st_size, state.st_mtime_ns)


@cache
def _digest_of_state(path: Path, num_bytes: int, mtime_ns: int) -> str:
    return file_digest(path)


def read_manifest(folder: Path | None = None) -> tuple[WeightsFile, ...]:
    """Read what a folder of weights should hold; the toon weights when none is named.

    Raises:
        WeightsMissing: No manifest.
        WeightsError: A manifest that cannot be understood.
    """
    path = (folder or toon_dir()) / MANIFEST_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return tuple(WeightsFile(**entry) for entry in content["files"])
    except FileNotFoundError as error:
        raise WeightsMissing(f"{path}: no manifest of the weights; {_REBUILD}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: not a manifest ({error}); {_REBUILD}") from error


def write_manifest(
    folder: Path, *, licence: str, commands: Mapping[str, str], default_command: str = ""
) -> tuple[WeightsFile, ...]:
    """Record every file below a folder.

    Args:
        folder: Holds the finished weights.
        licence: The SPDX identifier of all of them.
        commands: The command that built a file, by the first part of its path.
        default_command: For files that ``commands`` does not name.

    Returns:
        What was written, in order of path.
    """
    files = tuple(
        WeightsFile(
            path=(relative := path.relative_to(folder)).as_posix(),
            sha256=file_digest(path),
            num_bytes=path.stat().st_size,
            licence=licence,
            command=commands.get(relative.parts[0], default_command),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST_NAME
    )
    text = json.dumps({"files": [asdict(file) for file in files]}, indent=1) + "\n"
    temporary = folder / f".{MANIFEST_NAME}"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(folder / MANIFEST_NAME)
    return files


def verify(folder: Path | None = None, *, below: str = "") -> tuple[WeightsFile, ...]:
    """Compare the files of a folder with its manifest.

    Args:
        folder: The toon weights when none is named.
        below: Only files whose path begins with this, such as ``backbone/``.

    Returns:
        What was verified.

    Raises:
        WeightsMissing: A recorded file is not there, or nothing is recorded below ``below``.
        ChecksumMismatch: A file is not what was recorded.
    """
    return _compare(folder or toon_dir(), below, file_digest)


def verify_once(folder: Path, *, below: str) -> None:
    """Compare files that are about to be loaded with their manifest, once per process.

    A file is read again when its size or time has changed. Where there is no manifest nothing is
    compared.

    Args:
        folder: Of the manifest.
        below: As for ``verify``: the files that are loaded.

    Raises:
        WeightsMissing: A recorded file is not there, or nothing is recorded below ``below``.
        ChecksumMismatch: A file is not what was recorded.
    """
    if (folder / MANIFEST_NAME).is_file():
        _compare(folder, below, known_digest)


def _compare(folder: Path, below: str, digest: Callable[[Path], str]) -> tuple[WeightsFile, ...]:
    files = tuple(file for file in read_manifest(folder) if file.path.startswith(below))
    if not files:
        raise WeightsMissing(f"{folder}: nothing recorded below {below or 'it'}; {_REBUILD}")
    for file in files:
        got = digest(folder / file.path)
        if got != file.sha256:
            raise ChecksumMismatch(
                f"{folder / file.path}: sha256 {got[:12]}, expected {file.sha256[:12]}; {_REBUILD}"
            )
    return files


def load_nets(path: Path, nets: Mapping[str, "nn.Module"]) -> None:
    """Fill nets from one safetensors file, all tensors or none, in float32.

    Args:
        path: The file; may be in half precision and without the counters of batch norms.
        nets: Prefix of the names in the file to the net that they belong to.

    Raises:
        WeightsMissing: No such file.
        ChecksumMismatch: It is damaged, or its tensors are not those of the nets.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise WeightsMissing(f"{path}: not found; {_REBUILD}")
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ChecksumMismatch(f"{path}: damaged ({error}); {_REBUILD}") from error
    wanted = {
        f"{prefix}{name}": tensor.shape
        for prefix, net in nets.items()
        for name, tensor in net.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    wrong = sorted(wanted.keys() ^ found.keys())
    wrong += [n for n in wanted.keys() & found.keys() if wanted[n] != found[n].shape]
    if wrong:
        raise ChecksumMismatch(
            f"{path}: {len(wrong)} tensors are missing, unknown or of another shape, such as"
            f" {wrong[0]}, expected {len(wanted)}; {_REBUILD}"
        )
    for prefix, net in nets.items():
        part = {n.removeprefix(prefix): t for n, t in found.items() if n.startswith(prefix)}
        net.load_state_dict(part, strict=False)
