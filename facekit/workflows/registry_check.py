"""Look whether everything in a registry is whole, signed, and safe with several writers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from facekit.errors import FacekitError, RegistryError, SignatureRefused
from facekit.presets.blobs import blob_path
from facekit.presets.bundle import open_packed
from facekit.presets.ignored import Ignored
from facekit.presets.pointers import valid_pointers
from facekit.presets.policy import standing_of
from facekit.presets.two_writers import try_two_writers
from facekit.signing.statements import Subject
from facekit.types import Progress
from facekit.wording import counted
from facekit.workflows.preset_refs import Desk, desk

__all__ = ["CheckPlan", "Checked", "plan_check", "run_check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlan:
    """What will be looked at."""

    registry: str
    deep: bool

    def describe(self) -> str:
        """How closely."""
        how = "all content is read" if self.deep else "sizes alone, --deep reads all content"
        return f"registry: {self.registry}\ncheck: {how}"

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {"registry": self.registry, "deep": self.deep}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found."""

    registry: str
    versions: int
    blobs: int
    faults: tuple[str, ...]
    """What makes a version unusable, and statements that were tampered with."""
    notes: tuple[str, ...]
    """What does not count, or is odd."""

    @property
    def exit_code(self) -> int:
        """0, or 6 when something is damaged."""
        return 6 if self.faults else 0

    def describe(self) -> str:
        """A line per fault and note."""
        head = (
            f"{self.registry}: {counted(self.versions, 'version')}, {counted(self.blobs, 'blob')}"
        )
        said = [f"fault: {one}" for one in self.faults] + [f"note: {one}" for one in self.notes]
        return "\n".join([head, *(said or ["all is well"])])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "registry": self.registry,
            "versions": self.versions,
            "blobs": self.blobs,
            "faults": list(self.faults),
            "notes": list(self.notes),
        }


def plan_check(registry: str | None = None, *, deep: bool = False) -> CheckPlan:
    """Open a registry.

    Raises:
        RegistryError: It cannot be reached.
    """
    with desk(registry) as at:
        return CheckPlan(registry=at.name, deep=deep)


def run_check(plan: CheckPlan, progress: Progress) -> Checked:
    """Look at every version, statement and pointer, and try whether two writers are kept apart.

    Raises:
        RegistryError: It cannot be reached.
    """
    faults: list[str] = []
    with desk(plan.registry) as at:
        notes = list(_check_writers(at))
        blobs: dict[str, int] = {}
        labels = [(one, v) for one in at.registry.ids() for v in at.registry.versions(one)]
        progress.start(max(1, len(labels)), "versions")
        for preset_id, version in labels:
            try:
                blobs |= _check_version(at, preset_id, version, faults, notes)
            except FacekitError as error:
                faults.append(str(error))
            progress.advance()
        faults += [fault for one in blobs.items() if (fault := _check_blob(at, *one, plan.deep))]
        for preset_id in at.registry.ids():
            _sort(preset_id, _ignored_pointers(at, preset_id), faults, notes)
        progress.finish()
    return Checked(
        registry=plan.registry,
        versions=len(labels),
        blobs=len(blobs),
        faults=tuple(faults),
        notes=tuple(notes),
    )


def _sort(label: str, ignored: Iterable[Ignored], faults: list[str], notes: list[str]) -> None:
    """What was tampered with is a fault; what somebody without a say has signed is told."""
    for one in ignored:
        (faults if one.forged else notes).append(f"{label}: {one.name[:20]}: {one.reason}")


def _check_version(
    at: Desk, preset_id: str, version: str, faults: list[str], notes: list[str]
) -> dict[str, int]:
    entry = at.registry.entry(preset_id, version)
    manifest, _ = at.registry.manifest(entry)
    signatures = at.registry.signatures(entry)
    at.seen.check_version(entry.label, entry.digest)
    standing = standing_of(at.registry, at.show, preset_id, entry.digest, at.now, at.seen)
    _sort(entry.label, standing.ignored, faults, notes)
    try:
        open_packed(signatures, Subject(entry.label, entry.digest), at.trusted, entry.label)
    except SignatureRefused as error:
        if at.show.rules.signed:
            raise
        notes.append(str(error))
    return {file.sha256: file.size for file in manifest.files}


def _check_blob(at: Desk, digest: str, size: int, deep: bool) -> str:
    path = blob_path(digest)
    found = at.registry.store.size(path)
    if found != size:
        return f"blob {digest[:12]}: {'missing' if found is None else found}, expected {size} bytes"
    if deep:
        total = sha256()
        for block in at.registry.store.blocks(path, 0, size):
            total.update(block)
        if total.hexdigest() != digest:
            return f"blob {digest[:12]}: other content lies in its place"
    return ""


def _ignored_pointers(at: Desk, preset_id: str) -> list[Ignored]:
    return [
        one
        for channel in at.registry.channels(preset_id)
        for one in valid_pointers(at.registry, at.show, preset_id, channel, at.now)
        if isinstance(one, Ignored)
    ]


def _check_writers(at: Desk) -> list[str]:
    """Look who can read it, whether writers are kept apart, and how its clock goes."""
    store = at.registry.store
    public = f"{at.name} is public, so that anybody can read the presets; make it private"
    notes = [public] if store.is_public else []
    if at.registry.read_only:
        return notes
    try:
        tried = try_two_writers(store)
    except RegistryError as error:
        said = str(error).rpartition(";")[0]
        return [*notes, f"nothing can be written from here, so writers were not tried ({said})"]
    tried.refuse_shared()
    if tried.late_s is not None and tried.late_s > at.show.rules.clock_skew_s:
        notes.append(
            f"the clocks of the storage and of this machine differ by {tried.late_s:.0f} s"
        )
    return notes
