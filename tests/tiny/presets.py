"""Presets without a network behind them: whole, signed, small."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from facekit.presets.bundle import Bundle, open_bundle, pack_statement
from facekit.presets.manifest import ADAPTER, Adapter, Base, Manifest, Rights, Subject, Training
from facekit.presets.names import PACK_SIGNATURE
from facekit.presets.packing import Content, describe_files, write_archive, write_folder
from facekit.signing.keys import SigningKey
from facekit.signing.statements import sign_statement

ID = "org.studio.show/mira"


def tiny_contents(extra: Mapping[str, bytes] | None = None) -> list[Content]:
    """An adapter of a few bytes, a card, and what is asked for."""
    files = {
        ADAPTER: b"not a tensor in sight",
        "README.md": b"# mira\n",
        "media/thumb.webp": b"RIFF",
        **(extra or {}),
    }
    return [Content(path=path, role="weights", data=data) for path, data in files.items()]


def tiny_manifest(
    contents: Sequence[Content], *, version: str = "1.0.0", name: str = "mira", **changes: object
) -> Manifest:
    """A manifest of these files."""
    told: dict[str, object] = {
        "id": ID,
        "version": version,
        "title": name,
        "subject": Subject(type="synthetic"),
        "base": Base(name="toon", license="Apache-2.0", commercial=True),
        "encoder": None,
        "adapter": Adapter(
            format="facekit.character/1",
            name=name,
            level="none",
            trigger=name,
            strength=1.0,
            sites=0,
            tokens=0,
            rank=4,
            alpha=4.0,
            dtype="float32",
        ),
        "training": Training(photos=8, steps=10, facekit="0.1.0"),
        "rights": Rights(license="LicenseRef-Test", commercial=False),
        "files": describe_files(contents),
    }
    return Manifest.model_validate({**told, **changes})


def write_preset(
    out: Path,
    contents: Sequence[Content],
    *,
    key: SigningKey | None = None,
    archive: bool = False,
    **changes: object,
) -> Bundle:
    """Write a preset and open it."""
    manifest = tiny_manifest(contents, **changes)  # type: ignore[arg-type]
    content = manifest.to_bytes()
    signatures = {}
    if key is not None:
        statement = pack_statement(manifest, content)
        signatures[PACK_SIGNATURE] = sign_statement(statement, [key]).to_bytes()
    write = write_archive if archive else write_folder
    write(out, content, {one.path: one.blocks for one in contents}, signatures)
    return open_bundle(out)
