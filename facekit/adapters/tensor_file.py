"""Safetensors files that are the same bytes for the same content, and that notice damage."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from facekit.errors import AdapterDamaged
from facekit.media.files import write_bytes

__all__ = ["differences", "read_tensors", "tensor_bytes", "tensors_in", "write_tensors"]

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
    write_bytes(path, tensor_bytes(tensors, header))


def tensor_bytes(tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> bytes:
    """Make the content of the file that ``write_tensors`` writes."""
    plain = {name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)}
    content = save(plain)
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    entries = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length])
    data = content[_LENGTH_BYTES + length :]
    entries["__metadata__"] = {**header, "format": "pt", _DIGEST: sha256(data).hexdigest()}
    text = json.dumps(entries, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text + data


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
    _check_header(str(path), header, kind, version, _data_digest(path))
    return tensors, header


def tensors_in(
    content: bytes, kind: str, version: int, name: str
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what ``tensor_bytes`` made; nothing is written anywhere.

    Args:
        content: Of a file.
        kind: As for ``read_tensors``, like the next.
        version: What the header's ``format_version`` must be.
        name: What messages call it.

    Raises:
        AdapterDamaged: As for ``read_tensors``.
    """
    try:
        tensors = load(content)
        length = int.from_bytes(content[:_LENGTH_BYTES], "little")
        entries = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length])
        header = dict(entries.get("__metadata__", {}))
    except (SafetensorError, ValueError) as error:
        raise AdapterDamaged(
            f"{name}: cannot be read as safetensors ({error}); fetch it again"
        ) from error
    digest = sha256(content[_LENGTH_BYTES + length :]).hexdigest()
    _check_header(name, header, kind, version, digest)
    return tensors, header


def _check_header(
    name: str, header: Mapping[str, str], kind: str, version: int, digest: str
) -> None:
    if header.get("kind") != kind or header.get("format_version") != str(version):
        raise AdapterDamaged(
            f"{name}: holds {header.get('kind', 'something else')!r} version"
            f" {header.get('format_version', 'none')}, expected {kind!r} version {version};"
            " name another file or upgrade facekit"
        )
    if header.get(_DIGEST) != digest:
        raise AdapterDamaged(
            f"{name}: its tensors do not have the sha256 that its header records, expected an"
            " untouched file; fetch or train it again"
        )


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
