"""Presets made of presets: in the other form, without biometric parts, for other tools."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facekit.adapters.templates import LOST_WITHOUT
from facekit.errors import UsageError
from facekit.media.files import ensure_new
from facekit.presets.bundle import Bundle, open_bundle, pack_statement
from facekit.presets.manifest import BundleFile, Manifest
from facekit.presets.names import PACK_SIGNATURE, archive_name
from facekit.presets.packing import copy_bundle, write_archive, write_folder
from facekit.signing.home import key_home
from facekit.signing.keys import SigningKey
from facekit.signing.statements import sign_statement
from facekit.types import NoProgress, Progress
from facekit.workflows.convert_adapter import ConvertPlan, plan_convert, run_convert
from facekit.workflows.preset_files import load_any, open_preset, preset_adapter

__all__ = [
    "FORMS",
    "ExportPlan",
    "Exported",
    "StripPlan",
    "Stripped",
    "plan_export",
    "plan_strip",
    "run_export",
    "run_strip",
]

FORMS = ("folder", "archive", "character")
"""What a preset can be written as, beside the formats of other tools."""

_STRIPPED = "+stripped"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StripPlan:
    """A preset without its templates."""

    bundle: Bundle
    manifest: Manifest
    dropped: tuple[BundleFile, ...]
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportPlan:
    """A preset that will be written in another way."""

    bundle: Bundle
    to: str
    out: Path
    convert: ConvertPlan | None
    """For other tools; None for what is facekit's own."""

    def describe(self) -> str:
        """What becomes what."""
        head = f"preset: {self.bundle.manifest.label}, to {self.to}"
        return f"{head}\n{self.convert.describe() if self.convert else f'out: {self.out}'}"

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        convert = {} if self.convert is None else dict(self.convert.to_json())
        return {
            **convert,
            "preset": self.bundle.manifest.label,
            "digest": self.bundle.digest,
            "format": self.to,
            "out": str(self.out),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    written: tuple[Path, ...]
    notes: tuple[str, ...]

    def describe(self) -> str:
        """Paths, and what is missed."""
        return "\n".join([f"written: {', '.join(map(str, self.written))}", *self.notes])

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {"written": [str(path) for path in self.written], "notes": list(self.notes)}


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
    manifest = told.model_copy(
        update={
            "version": version,
            "files": tuple(file for file in told.files if file not in dropped),
            "lineage": told.lineage.model_copy(update={"parent": bundle.digest}),
        }
    )
    return StripPlan(
        bundle=bundle,
        manifest=manifest,
        dropped=dropped,
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
    files = {file.path: plan.bundle.files[file.path] for file in plan.manifest.files}
    write = write_folder if plan.is_folder else write_archive
    write(plan.out, content, files, {PACK_SIGNATURE: envelope})
    return Stripped(plan=plan, digest=open_bundle(plan.out).digest)


def plan_export(
    path: Path,
    out: Path,
    *,
    to: str,
    bake: float | None = None,
    source: Path | None = None,
    force: bool = False,
) -> ExportPlan:
    """Plan to write a verified preset in another way.

    Args:
        path: The preset.
        out: Where to.
        to: One of `FORMS`, or a format of `facekit adapter formats`.
        bake: Approximate the identity branch at this strength, for tools that know LoRAs alone.
        source: Folder of the backbone, to bake.
        force: Replace what is there.

    Raises:
        BundleDamaged: As for `open_preset`, like the next.
        SignatureRefused: Likewise.
        AdapterError: As for `plan_convert`, like the rest.
        UsageError: Likewise.
        OutputExists: Likewise.
    """
    bundle = open_preset(path)
    if to in FORMS:
        if bake is not None or source is not None:
            raise UsageError(
                f"--to {to}: --bake and --source do nothing, expected neither; leave them away"
            )
        return ExportPlan(bundle=bundle, to=to, out=ensure_new(out, force), convert=None)
    convert = plan_convert(preset_adapter(path), out, to=to, bake=bake, source=source, force=force)
    return ExportPlan(bundle=bundle, to=to, out=out, convert=convert)


def run_export(plan: ExportPlan, progress: Progress | None = None) -> Exported:
    """Write it.

    Args:
        plan: What to write.
        progress: Told of baking.

    Raises:
        BundleDamaged: The preset was changed meanwhile.
        OutputError: The file system refuses.
    """
    if plan.convert is not None:
        done = run_convert(plan.convert, progress or NoProgress())
        return Exported(
            written=done.written,
            notes=(*done.describe().splitlines()[1:], *_not_for_others(plan.bundle)),
        )
    if plan.to == "character":
        load_any(plan.bundle.source).file.save(plan.out)
        note = "note: consent and terms of the preset hold for it as well; they are not in it"
        return Exported(written=(plan.out,), notes=(note, *_not_for_others(plan.bundle)))
    copy_bundle(plan.bundle, plan.out, archive=plan.to == "archive")
    return Exported(written=(plan.out,), notes=(f"digest: {plan.bundle.digest}",))


def _not_for_others(bundle: Bundle) -> tuple[str, ...]:
    """What is written for other tools has no manifest that says it."""
    kept = not bundle.manifest.rights.redistribute
    return ("note: not to be given to others, by the terms of the preset",) if kept else ()


def _staying(manifest: Manifest) -> list[str]:
    """What tells a face and cannot be left out."""
    return [
        f"stays: {file.path}, for its keys and values draw the face"
        for file in manifest.biometric_files
    ]
