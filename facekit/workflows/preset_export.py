"""A preset in its other form, as a character file, or as other tools read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facekit.adapters.character_file import CharacterFile
from facekit.adapters.templates import Templates
from facekit.errors import KeyRefused, UsageError
from facekit.media.files import ensure_new, write_bytes
from facekit.presets.bundle import Bundle
from facekit.presets.manifest import ADAPTER
from facekit.presets.packing import copy_bundle
from facekit.signing.home import key_home
from facekit.types import NoProgress, Progress
from facekit.workflows.convert_adapter import ConvertPlan, plan_convert, run_convert
from facekit.workflows.preset_files import open_preset, open_templates, preset_adapter
from facekit.workflows.rights_preset import check_handing_on

__all__ = ["FORMS", "ExportPlan", "Exported", "plan_export", "run_export"]

FORMS = ("folder", "archive", "character")
"""What a preset can be written as, beside the formats of other tools."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportPlan:
    """A preset that will be written in another way."""

    bundle: Bundle
    to: str
    out: Path
    convert: ConvertPlan | None
    """For other tools; None for what is facekit's own."""
    templates: Templates | None
    """What tells a person, to be written beside what draws; None where it stays out."""

    def describe(self) -> str:
        """What becomes what."""
        lines = [f"preset: {self.bundle.manifest.label}, to {self.to}"]
        if self.templates is not None:
            lines.append("templates: biometric, written in the clear for whoever has the file")
        elif self.to == "character":
            lines.append("templates: left out; --with-templates puts them in, in the clear")
        lines.append(self.convert.describe() if self.convert else f"out: {self.out}")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        convert = {} if self.convert is None else dict(self.convert.to_json())
        return {
            **convert,
            "preset": self.bundle.manifest.label,
            "digest": self.bundle.digest,
            "format": self.to,
            "with_templates": self.templates is not None,
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


def plan_export(
    path: Path,
    out: Path,
    *,
    to: str,
    with_templates: bool = False,
    bake: float | None = None,
    source: Path | None = None,
    force: bool = False,
) -> ExportPlan:
    """Plan to write a verified preset in another way.

    Args:
        path: The preset.
        out: Where to.
        to: One of `FORMS`, or a format of `facekit adapter formats`.
        with_templates: Put what tells a person into a character file, for everybody to read.
        bake: Approximate the identity branch at this strength, for tools that know LoRAs alone.
        source: Folder of the backbone, to bake.
        force: Replace what is there.

    Raises:
        BundleDamaged: As for `open_preset`, like the next.
        SignatureRefused: Likewise.
        ConsentRefused: As for `check_handing_on`.
        KeyRefused: Templates that no key of the user opens are asked for.
        AdapterError: As for `plan_convert`, like the rest.
        UsageError: Likewise.
        OutputExists: Likewise.
    """
    bundle = open_preset(path)
    check_handing_on(bundle)
    if with_templates and to != "character":
        raise UsageError(
            f"--to {to}: --with-templates does nothing, expected --to character with it; leave it"
            " away"
        )
    templates = _templates(bundle) if with_templates else None
    if to in FORMS:
        if bake is not None or source is not None:
            raise UsageError(
                f"--to {to}: --bake and --source do nothing, expected neither; leave them away"
            )
        target = ensure_new(out, force)
        return ExportPlan(bundle=bundle, to=to, out=target, convert=None, templates=templates)
    convert = plan_convert(preset_adapter(path), out, to=to, bake=bake, source=source, force=force)
    return ExportPlan(bundle=bundle, to=to, out=out, convert=convert, templates=None)


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
        content = plan.bundle.read(ADAPTER)
        if plan.templates is not None:
            bare = CharacterFile.load(preset_adapter(plan.bundle.source))
            content = plan.templates.join(bare).to_bytes()
        write_bytes(plan.out, content)
        note = "note: consent and terms of the preset hold for it as well; they are not in it"
        return Exported(written=(plan.out,), notes=(note, *_not_for_others(plan.bundle)))
    copy_bundle(plan.bundle, plan.out, archive=plan.to == "archive")
    return Exported(written=(plan.out,), notes=(f"digest: {plan.bundle.digest}",))


def _not_for_others(bundle: Bundle) -> tuple[str, ...]:
    """What is written for other tools has no manifest that says it."""
    kept = not bundle.manifest.rights.redistribute
    return ("note: not to be given to others, by the terms of the preset",) if kept else ()


def _templates(bundle: Bundle) -> Templates:
    found = open_templates(bundle, key_home())
    if found is None:
        raise KeyRefused(
            f"{bundle.source}: no templates that a key of yours opens, expected some to put in;"
            " leave --with-templates away"
        )
    return found
