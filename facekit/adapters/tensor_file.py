"""Safetensors files that are the same bytes for the same content, and that notice damage."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from facekit.errors import AdapterDamaged
from facekit.media.files import write_bytes

__all__ = ["differences", "read_tensors", "write_tensors"]

_LENGTH_BYTES = 8
_ALIGNMENT = 8
_DIGEST = "tensors_sha256"


def write_tensors(
    path: Path | str, tensors: Mapping[str, Tensor], header: Mapping[str, str]
) -> None:
    """Write a whole file or nothing.

    The header gets the sha256 of the tensors, and its entries are sorted: the library would
    write them in any order, and equal adapters must be equal files.

    Raises:
        OutputError: No permission, no space.
    """
    plain = {name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)}
    content = save(plain)
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    entries = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length])
    data = content[_LENGTH_BYTES + length :]
    entries["__metadata__"] = {**header, "format": "pt", _DIGEST: sha256(data).hexdigest()}
    text = json.dumps(entries, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    write_bytes(path, len(text).to_bytes(_LENGTH_BYTES, "little") + text + data)


def read_tensors(
    path: Path | str, kind: str, version: int
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what ``write_tensors`` wrote.

    Args:
        path: The file.
        kind: What the header's ``kind`` must be.
        version: What the header's ``format_version`` must be.

    Returns:
        The tensors on the CPU, and the header.

    Raises:
        AdapterDamaged: Missing, truncated, altered, of another kind or version.
    """
    path = Path(path)
    if not path.is_file():
        raise AdapterDamaged(
            f"{path}: no such file, expected {kind}; check the spelling of the path"
        )
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = file.metadata() or {}
            # Copies: in the file a tensor starts anywhere, and what is computed from unaligned
            # memory can differ from what was trained in the last bit.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise AdapterDamaged(
            f"{path}: cannot be read as safetensors ({error}); fetch or train it again"
        ) from error
    if header.get("kind") != kind or header.get("format_version") != str(version):
        raise AdapterDamaged(
            f"{path}: holds {header.get('kind', 'something else')!r} version"
            f" {header.get('format_version', 'none')}, expected {kind!r} version {version};"
            " name another file or upgrade facekit"
        )
    if header.get(_DIGEST) != _data_digest(path):
        raise AdapterDamaged(
            f"{path}: its tensors do not have the sha256 that its header records, expected an"
            " untouched file; fetch or train it again"
        )
    return tensors, header


def differences(got: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """Say how two sets of named tensors differ in names and shapes; empty when they do not."""
    reshaped = {
        name: f"{name} {tuple(got[name].shape)} not {tuple(expected[name].shape)}"
        for name in got.keys() & expected.keys()
        if got[name].shape != expected[name].shape
    }
    parts = []
    for title, names in (
        ("missing", sorted(expected.keys() - got.keys())),
        ("unexpected", sorted(got.keys() - expected.keys())),
        ("of another shape", sorted(reshaped.values())),
    ):
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            parts.append(f"{len(names)} {title} ({', '.join(names[:5])}{more})")
    return ", ".join(parts)


def _data_digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        stream.seek(_LENGTH_BYTES + length)
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
