"""Weights that do not ship: what there is, fetching it, adding what is at hand, verifying it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.errors import FacekitError, WeightsMissing
from facekit.types import Progress
from facekit.weights import (
    CatalogueEntry,
    add_weights,
    are_present,
    catalogue,
    catalogue_entry,
    fetch_weights,
    find_weights,
    locate,
    store_dirs,
)

__all__ = [
    "AddPlan",
    "FetchPlan",
    "Verification",
    "WeightsList",
    "WeightsPlace",
    "list_weights",
    "plan_add",
    "plan_fetch",
    "run_add",
    "run_fetch",
    "verify_weights",
    "weights_place",
]

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsList:
    """The catalogue, and what of it is here."""

    entries: tuple[tuple[CatalogueEntry, bool], ...]
    """Each entry, and whether its files are in the store."""

    def describe(self) -> str:
        """A line per entry: whether it is here, its size, its name, its licence and what it is."""
        width = max(len(entry.name) for entry, _ in self.entries)
        lines = []
        for entry, here in self.entries:
            where = "here" if here else f"{entry.num_bytes / _MEGABYTE:.1f} MB"
            lines.append(f"{where:>9}  {entry.name:<{width}}  {entry.title}")
            lines.append(f"{'':>9}  {'':<{width}}  licence: {entry.terms}")
        return "\n".join([*lines, *_folders()])

    def to_json(self) -> Mapping[str, object]:
        """All entries."""
        return {
            "folders": [str(folder) for folder in store_dirs()],
            "weights": [{**entry.to_json(), "here": here} for entry, here in self.entries],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsPlace:
    """Where weights lie."""

    folders: tuple[Path, ...]
    """That are searched, in order."""
    files: tuple[Path, ...] | None
    """Of one entry; None when none was named."""

    def describe(self) -> str:
        """A path per line."""
        return "\n".join(str(path) for path in (self.files or self.folders))

    def to_json(self) -> Mapping[str, object]:
        """The folders and the files."""
        files = None if self.files is None else [str(path) for path in self.files]
        return {"folders": [str(folder) for folder in self.folders], "files": files}


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPlan:
    """What will be fetched, under which terms, and where it goes."""

    entries: tuple[CatalogueEntry, ...]
    present: tuple[str, ...]
    """Asked for and here already."""
    folder: Path

    def describe(self) -> str:
        """Size, licence and source of each."""
        lines = [f"{name}: here already" for name in self.present]
        for entry in self.entries:
            lines += [
                f"{entry.name}: {entry.num_bytes / _MEGABYTE:.1f} MB, {entry.title}",
                f"  licence: {entry.terms}",
                *(f"  from: {file.url}" for file in entry.downloads),
            ]
        return "\n".join([*lines, f"into: {self.folder}"])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "fetch": [entry.to_json() for entry in self.entries],
            "present": list(self.present),
            "folder": str(self.folder),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AddPlan:
    """What will be copied from where."""

    entry: CatalogueEntry
    path: Path
    folder: Path

    def describe(self) -> str:
        """From where to where, and the licence."""
        return "\n".join(
            [
                f"{self.entry.name}: from {self.path}",
                f"  licence: {self.entry.terms}",
                f"into: {self.folder}",
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "weights": self.entry.to_json(),
            "path": str(self.path),
            "folder": str(self.folder),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What is here, compared with the catalogue."""

    good: Mapping[str, tuple[Path, ...]]
    """The files of what is as recorded."""
    bad: Mapping[str, FacekitError]
    """What is wrong with the rest."""

    @property
    def exit_code(self) -> int:
        """0 when everything is as recorded, else that of the first fault."""
        return next((fault.exit_code for fault in self.bad.values()), 0)

    def describe(self) -> str:
        """A line per file that is as recorded, and each fault."""
        lines = [f"as recorded  {path}" for paths in self.good.values() for path in paths]
        lines += [f"fault  {fault}" for fault in self.bad.values()]
        return "\n".join(lines or ["nothing is here", *_folders()])

    def to_json(self) -> Mapping[str, object]:
        """Files and faults by name."""
        return {
            "good": {name: [str(path) for path in paths] for name, paths in self.good.items()},
            "bad": {
                name: {"code": fault.code, "message": str(fault), "next": fault.next_step}
                for name, fault in self.bad.items()
            },
        }


def list_weights() -> WeightsList:
    """List the catalogue."""
    return WeightsList(
        entries=tuple((entry, are_present(entry.name)) for entry in catalogue().values())
    )


def weights_place(name: str | None = None) -> WeightsPlace:
    """Say which folders are searched, and where the files of one entry lie in them.

    Raises:
        UsageError: The name is unknown.
        WeightsMissing: It is nowhere.
    """
    files = None
    if name is not None:
        files = find_weights(catalogue_entry(name))
        if files is None:
            raise WeightsMissing(f"{name}: not here; run facekit weights fetch {name}")
    return WeightsPlace(folders=store_dirs(), files=files)


def plan_fetch(names: Sequence[str]) -> FetchPlan:
    """Decide what is missing; what is here and damaged counts as missing.

    Raises:
        UsageError: A name is unknown.
    """
    entries = tuple(catalogue_entry(name) for name in dict.fromkeys(names))
    present = tuple(entry.name for entry in entries if _is_good(entry.name))
    return FetchPlan(
        entries=tuple(entry for entry in entries if entry.name not in present),
        present=present,
        folder=store_dirs()[0],
    )


def run_fetch(plan: FetchPlan, progress: Progress) -> Verification:
    """Fetch what the plan names, one after the other.

    Raises:
        DownloadFailed: No network, or the server refuses.
        ChecksumMismatch: What came is not what the catalogue says.
        OutputError: No space or no permission.
    """
    for entry in plan.entries:
        progress.start(-(-entry.num_bytes // _MEGABYTE), f"{entry.name}, MB")
        fetch_weights(entry, _in_megabytes(progress))
        progress.finish()
    return verify_weights([*plan.present, *(entry.name for entry in plan.entries)])


def plan_add(name: str, path: Path) -> AddPlan:
    """Decide what will be copied.

    Raises:
        UsageError: The name is unknown.
        WeightsMissing: There is nothing at the path.
    """
    entry = catalogue_entry(name)
    if not path.exists():
        raise WeightsMissing(f"{path}: no such file or folder; check the spelling of the path")
    return AddPlan(entry=entry, path=path, folder=store_dirs()[0])


def run_add(plan: AddPlan, progress: Progress) -> Verification:
    """Verify and copy.

    Raises:
        WeightsMissing: A file of the entry is not there.
        ChecksumMismatch: A file is not the recorded one.
        OutputError: No space or no permission.
    """
    progress.start(1, plan.entry.name)
    add_weights(plan.entry, plan.path)
    progress.finish()
    return verify_weights([plan.entry.name])


def verify_weights(names: Sequence[str] = ()) -> Verification:
    """Compare weights with the catalogue; everything that is here when none is named.

    Raises:
        UsageError: A name is unknown.
    """
    good: dict[str, tuple[Path, ...]] = {}
    bad: dict[str, FacekitError] = {}
    chosen = [catalogue_entry(name).name for name in names]
    for name in chosen or [name for name in catalogue() if are_present(name)]:
        try:
            good[name] = locate(name)
        except FacekitError as fault:
            bad[name] = fault
    return Verification(good=good, bad=bad)


def _is_good(name: str) -> bool:
    try:
        locate(name)
    except FacekitError:
        return False
    return True


def _in_megabytes(progress: Progress) -> Callable[[int], None]:
    """Tell bytes to a progress that counts whole megabytes."""
    num_bytes = told = 0

    def advance(more: int) -> None:
        nonlocal num_bytes, told
        num_bytes += more
        now = num_bytes // _MEGABYTE
        if now != told:
            progress.advance(now - told)
            told = now

    return advance


def _folders() -> list[str]:
    return [f"in: {folder}" for folder in store_dirs()]
