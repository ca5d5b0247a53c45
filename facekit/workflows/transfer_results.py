"""What pushes and pulls will do and have done, in words and as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facekit.presets.bundle import Bundle
from facekit.presets.registry import Pushed
from facekit.wording import counted
from facekit.workflows.not_counted import ignored_lines
from facekit.workflows.preset_refs import Resolved, kept_folder

__all__ = ["PullPlan", "Pulled", "PushPlan", "PushResult"]

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PushPlan:
    """What will be published where."""

    bundle: Bundle
    registry: str
    submit: bool
    key: str | None

    def describe(self) -> str:
        """Which version, its digest, how large, and where to."""
        told = self.bundle.manifest
        size = sum(file.size for file in told.files)
        return "\n".join(
            [
                f"preset: {told.label}",
                f"digest: {self.bundle.digest}",
                f"size: {size / _MEGABYTE:.1f} MB in {len(told.files)} files",
                f"to: {self.registry}",
                *([] if told.rights.redistribute else ["terms: not to be given to others"]),
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "preset": self.bundle.manifest.label,
            "digest": self.bundle.digest,
            "registry": self.registry,
            "submit": self.submit,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """What was published."""

    pushed: Pushed
    registry: str
    submitted: bool

    def describe(self) -> str:
        """What is there now."""
        entry = self.pushed.entry
        what = "published" if self.pushed.is_new else "there already, with the same content"
        lines = [
            f"{entry.label}: {what} in {self.registry}",
            f"digest: {entry.digest}",
            f"sent: {self.pushed.sent_bytes / _MEGABYTE:.1f} MB",
        ]
        if self.pushed.mended:
            lines.append(f"mended: {counted(self.pushed.mended, 'blob')} damaged there")
        if self.pushed.is_signed_now:
            lines.append("signature: added to what was published")
        return "\n".join([*lines, *(["submitted for approval"] if self.submitted else [])])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        entry = self.pushed.entry
        return {
            "id": entry.id,
            "version": entry.version,
            "digest": entry.digest,
            "registry": self.registry,
            "new": self.pushed.is_new,
            "sent_bytes": self.pushed.sent_bytes,
            "mended": self.pushed.mended,
            "signature_added": self.pushed.is_signed_now,
            "submitted": self.submitted,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PullPlan:
    """What will be fetched, and where it goes."""

    reference: str
    registry: str | None
    resolved: Resolved
    out: Path | None

    def describe(self) -> str:
        """Which version, its state, its size, and where to."""
        found = self.resolved
        size = sum(file.size for file in found.manifest.files)
        return "\n".join(
            [
                f"preset: {found.label} ({found.standing.state})",
                f"digest: {found.entry.digest}",
                f"size: {size / _MEGABYTE:.1f} MB",
                f"to: {self.out or kept_folder(found.entry.digest)}",
                *(f"warning: {one}" for one in found.warnings),
                *ignored_lines(found.ignored),
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {**self.resolved.facts(), "out": str(self.out) if self.out else None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What is on this machine now."""

    resolved: Resolved
    path: Path
    packed_by: str | None

    def describe(self) -> str:
        """Where it is and who packed it."""
        return "\n".join(
            [
                f"{self.resolved.label}: {self.path}",
                f"digest: {self.resolved.entry.digest}",
                f"state: {self.resolved.standing.state}",
                f"packed by: {self.packed_by or 'nobody has signed it'}",
                *(f"warning: {one}" for one in self.resolved.warnings),
                *ignored_lines(self.resolved.ignored),
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {**self.resolved.facts(), "path": str(self.path), "packed_by": self.packed_by}
