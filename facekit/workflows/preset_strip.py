"""Another preset without what can be left out of what tells a person."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facekit.adapters.templates import LOST_WITHOUT
from facekit.errors import UsageError
from facekit.media.files import ensure_new
from facekit.presets.bundle import Blocks, Bundle, open_bundle, pack_statement
from facekit.presets.manifest import BundleFile, Lineage, Manifest
from facekit.presets.names import PACK_SIGNATURE, archive_name
from facekit.presets.packing import Content, describe_files, write_archive, write_folder
from facekit.signing.home import key_home
from facekit.signing.keys import SigningKey
from facekit.signing.statements import sign_statement
from facekit.types import Progress
from facekit.workflows.preset_files import open_preset
from facekit.workflows.preset_texts import lineage_record, model_card

__all__ = ["StripPlan", "Stripped", "plan_strip", "run_strip"]

_STRIPPED: Final = "+stripped"
_CARD: Final = "README.md"
_LINEAGE: Final = "provenance/lineage.json"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StripPlan:
    """A preset without its templates."""

    bundle: Bundle
    manifest: Manifest
    dropped: tuple[BundleFile, ...]
    texts: Mapping[str, bytes]
    """Files that are written anew, for they name version and templates."""
    key: SigningKey
    out: Path
    is_folder: bool

    def describe(self) -> str:
        """What goes, what stays."""
        return "\n".join(
            [
                f"preset: {self.bundle.manifest.label} becomes {self.manifest.label}",
                *(f"left out: {file.path}, {file.size} bytes" for file in self.dropped),
                *_staying(self.manifest),
                f"out: {self.out}",
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "from": self.bundle.manifest.label,
            "to": self.manifest.label,
            "left_out": [file.path for file in self.dropped],
            "stays": [file.path for file in self.manifest.biometric_files],
            "lost": list(LOST_WITHOUT),
            "out": str(self.out),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripped:
    """A preset that was written without its templates."""

    plan: StripPlan
    digest: str

    def describe(self) -> str:
        """Where it is, and what cannot be done with it."""
        lines = [f"written: {self.plan.out}", f"digest: {self.digest}"]
        return "\n".join([*lines, *(f"lost: {what}" for what in LOST_WITHOUT)])

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {**self.plan.to_json(), "digest": self.digest}


def plan_strip(
    path: Path, out: Path | None = None, *, is_folder: bool = False, force: bool = False
) -> StripPlan:
    """Plan a preset without what can be left out of it.

    It is another preset: its version gets ``+stripped``, and it names the one it comes from.

    Args:
        path: The preset.
        out: Where to; named after the version, here, when None.
        is_folder: Write a folder and no archive.
        force: Replace what is there.

    Raises:
        BundleDamaged: As for `open_preset`, like the next.
        SignatureRefused: Likewise.
        UsageError: There is nothing to leave out.
        KeyRefused: There is no key to sign with.
        OutputExists: Something is there.
    """
    bundle = open_preset(path)
    told = bundle.manifest
    dropped = tuple(file for file in told.files if file.role == "templates")
    if not dropped:
        raise UsageError(
            f"{path}: holds no templates, expected some to leave out; share it as it is"
        )
    version = told.version + (_STRIPPED if "+" not in told.version else ".stripped")
    lineage = told.lineage.model_copy(update={"parent": bundle.digest})
    manifest = told.model_copy(
        update={
            "version": version,
            "files": tuple(file for file in told.files if file not in dropped),
            "lineage": lineage,
        }
    )
    texts = {_CARD: model_card(manifest)}
    if _LINEAGE in bundle.files:
        texts[_LINEAGE] = _lineage_text(bundle, lineage)
    manifest = manifest.model_copy(
        update={"files": tuple(_described(file, texts) for file in manifest.files)}
    )
    return StripPlan(
        bundle=bundle,
        manifest=manifest,
        dropped=dropped,
        texts={file.path: texts[file.path] for file in manifest.files if file.path in texts},
        key=key_home().signing_key(),
        out=ensure_new(out or Path(archive_name(told.id, version)), force),
        is_folder=is_folder,
    )


def run_strip(plan: StripPlan, progress: Progress | None = None) -> Stripped:
    """Write the preset without its templates, signed by the user's own key.

    Args:
        plan: What to leave out.
        progress: Nothing takes long.

    Raises:
        BundleDamaged: The preset was changed meanwhile.
        OutputError: The file system refuses.
    """
    content = plan.manifest.to_bytes()
    statement = pack_statement(plan.manifest, content)
    envelope = sign_statement(statement, [plan.key]).to_bytes()
    files = {
        file.path: _given(plan.texts[file.path])
        if file.path in plan.texts
        else plan.bundle.files[file.path]
        for file in plan.manifest.files
    }
    write = write_folder if plan.is_folder else write_archive
    write(plan.out, content, files, {PACK_SIGNATURE: envelope})
    return Stripped(plan=plan, digest=open_bundle(plan.out).digest)


def _lineage_text(bundle: Bundle, lineage: Lineage) -> bytes:
    packed_from = json.loads(bundle.read(_LINEAGE)).get("packed_from_sha256", "")
    return lineage_record(lineage.model_dump(mode="json"), str(packed_from))


def _described(file: BundleFile, texts: Mapping[str, bytes]) -> BundleFile:
    if file.path not in texts:
        return file
    return describe_files([Content(path=file.path, role=file.role, data=texts[file.path])])[0]


def _given(content: bytes) -> Blocks:
    return lambda: iter((content,))


def _staying(manifest: Manifest) -> list[str]:
    """What tells a face and cannot be left out."""
    return [
        f"stays: {file.path}, for its keys and values draw the face"
        for file in manifest.biometric_files
    ]
