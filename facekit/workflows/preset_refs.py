"""Presets by name, `mira@1.2.0` or `mira@prod`: which show, which registry, which digest."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from facekit.errors import (
    IntegrityError,
    RegistryError,
    UsageError,
    VersionMissing,
)
from facekit.media.cache import cache_dir
from facekit.presets.entries import Entry
from facekit.presets.manifest import Manifest
from facekit.presets.names import FOLDER_SUFFIX, is_preset_id, is_version
from facekit.presets.pointers import Pointer, current_pointer
from facekit.presets.policy import refuse_revoked, standing_of
from facekit.presets.registry import Registry, open_registry
from facekit.presets.seen import Seen, other_digests
from facekit.presets.semver import newest
from facekit.presets.states import Ignored, Standing
from facekit.presets.store import full_uri, open_store
from facekit.show_file import SHOW_FILE, RegistryAddress, Show, find_show, read_show
from facekit.signing.keys import PublicKey
from facekit.signing.statements import now_text
from facekit.wording import nearest, one_of
from facekit.workflows.not_counted import ignored_facts
from facekit.workflows.preset_memory import seen_of
from facekit.workflows.trust import trusted_keys

__all__ = [
    "Desk",
    "Reference",
    "Resolved",
    "address_of",
    "desk",
    "kept_folder",
    "newest_usable",
    "no_preset",
    "parse_reference",
    "resolve",
    "show_place",
]


@dataclass(frozen=True, slots=True)
class Reference:
    """What somebody calls a preset."""

    id: str
    version: str = ""
    channel: str = ""
    """Not both; neither is the newest version."""

    def __str__(self) -> str:
        """As it is written."""
        return f"{self.id}@{self.version or self.channel}".rstrip("@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything that a command about shared presets works with."""

    folder: Path
    """Of the show; the working folder where there is none."""
    show: Show
    name: str
    """Of the registry that is open."""
    source: str
    """Of the registry that was asked for, which a mirror may stand in for."""
    registry: Registry
    seen: Seen
    now: datetime
    stands_in: str = ""
    """That a mirror stands in, and why, in words; empty where none does."""

    @property
    def trusted(self) -> tuple[PublicKey, ...]:
        """Keys whose signatures on presets count: those of the show and those of this user."""
        return trusted_keys(self.show)

    def remember_asked(self, digest: str) -> None:
        """Keep that the registry was asked about a digest.

        A mirror that stands in counts the first time alone: it may be old, so that it cannot make
        `offline_hours` longer.
        """
        if not self.stands_in or self.seen.last_checked(digest) is None:
            self.seen.remember_checked(digest, now_text())


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a reference means, verified down to the manifest."""

    reference: Reference
    entry: Entry
    manifest: Manifest
    content: bytes
    """Of `facekit.json`."""
    standing: Standing
    pointer: Pointer | None
    ignored: tuple[Ignored, ...]
    """Statements and pointers that do not count."""
    warnings: tuple[str, ...] = ()
    """That a mirror has stood in, and that another registry has another preset of this name."""

    @property
    def label(self) -> str:
        """`org.studio.show/mira@1.3.0`."""
        return self.entry.label

    def facts(self) -> Mapping[str, object]:
        """The same as plain data."""
        by = self.standing.revoked
        return {
            "id": self.entry.id,
            "version": self.entry.version,
            "digest": self.entry.digest,
            "channel": None if self.pointer is None else self.pointer.channel,
            "counter": None if self.pointer is None else self.pointer.counter,
            "state": self.standing.state.value,
            "approvals": {role: list(names) for role, names in self.standing.approvals.items()},
            "revoked": None if by is None else {"by": list(by.people), "why": by.note},
            "ignored": ignored_facts(self.ignored),
            "warnings": list(self.warnings),
        }


def show_place() -> tuple[Path, Show]:
    """The folder of the show and the show; the working folder and an empty one where none is."""
    path = find_show()
    return (Path.cwd() if path is None else path.parent), read_show(path)


@contextmanager
def desk(name: str | None = None, *, mirrors: bool = False) -> Iterator[Desk]:
    """Open a registry of the show; what was seen of it is kept at the end, however it ends.

    Args:
        name: Which; the first one in `facekit.toml` when None.
        mirrors: Take one of its mirrors while it cannot be reached, for those who only read.

    Raises:
        UsageError: There is none of this name.
        RegistryError: It cannot be reached.
    """
    folder, show = show_place()
    chosen, address = address_of(show, name)
    seen = seen_of(show, address, folder)
    try:
        opened, registry, stands_in = _reach(show, chosen, folder, mirrors=mirrors)
        yield Desk(
            folder=folder,
            show=show,
            name=opened,
            source=chosen,
            registry=registry,
            seen=seen,
            now=datetime.now(UTC),
            stands_in=stands_in,
        )
    finally:
        seen.save()


def _reach(show: Show, name: str, folder: Path, *, mirrors: bool) -> tuple[str, Registry, str]:
    """Open a registry, or one that copies it; its name, and why another one is open."""
    try:
        return name, _open(show, name, folder), ""
    except RegistryError as error:
        others = [other for other, one in show.registries.items() if one.mirror_of == name]
        for other in others if mirrors else ():
            with suppress(RegistryError):
                why = str(error).rpartition(";")[0].removeprefix(f"{name}: ")
                told = f"{other}, a mirror, stands in for {name} ({why})"
                return other, _open(show, other, folder), told
        raise


def _open(show: Show, name: str, folder: Path) -> Registry:
    address = show.registries[name]
    store = open_store(name, address, folder)
    place = full_uri(address.uri, folder)
    return open_registry(store, read_only=address.mirror_of is not None, place=place)


def parse_reference(text: str, show: Show, known: tuple[str, ...] = ()) -> Reference:
    """Read `ID@VERSION`, `ID@CHANNEL` or `ID`; a name without a slash belongs to the project.

    Args:
        text: As somebody has written it.
        show: Says which project.
        known: Ids that a short name may stand for as well.

    Raises:
        UsageError: It cannot be the name of a preset.
    """
    name, _, rest = text.partition("@")
    found = [one for one in known if one.rpartition("/")[2] == name]
    if "/" not in name and len(found) == 1:
        name = found[0]
    elif "/" not in name and show.project.id:
        name = f"{show.project.id}/{name}"
    if not is_preset_id(name):
        raise UsageError(
            f"{text}: no preset, expected org.studio.show/NAME@VERSION or @CHANNEL; say the show"
            f" once in {SHOW_FILE}, [project] id, to write NAME alone"
        )
    return Reference(name, version=rest) if is_version(rest) else Reference(name, channel=rest)


def resolve(at: Desk, text: str, *, revoked: bool = False) -> Resolved:
    """Find out which digest a reference means and where it stands; nothing is downloaded but that.

    Args:
        at: Show and registry.
        text: As `parse_reference` takes it.
        revoked: Give one that was revoked as well.

    Raises:
        VersionMissing: There is none.
        PresetRevoked: It was withdrawn.
        IntegrityError: The registry contradicts itself, or what was seen of it before.
    """
    reference = parse_reference(text, at.show, at.registry.ids() if "/" not in text else ())
    pointer: Pointer | None = None
    ignored: tuple[Ignored, ...] = ()
    if reference.channel:
        pointer, ignored = current_pointer(
            at.registry, at.show, reference.id, reference.channel, at.now, at.seen
        )
    version = pointer.version if pointer is not None else reference.version
    entry = at.registry.entry(reference.id, version or _meant(at, reference.id, revoked))
    if pointer is not None and pointer.digest != entry.digest:
        raise IntegrityError(
            f"{at.name}: {reference} points at {pointer.digest[:12]}, expected that of"
            f" {entry.label}, {entry.digest[:12]}; a published version was replaced, ask who keeps"
            " the registry"
        )
    at.seen.check_version(entry.label, entry.digest)
    standing = standing_of(at.registry, at.show, entry.id, entry.digest, at.now, at.seen)
    if not revoked:
        refuse_revoked(entry.label, standing, at.seen)
    manifest, content = at.registry.manifest(entry)
    return Resolved(
        reference=reference,
        entry=entry,
        manifest=manifest,
        content=content,
        standing=standing,
        pointer=pointer,
        ignored=(*ignored, *standing.ignored),
        warnings=(*([at.stands_in] if at.stands_in else []), *_elsewhere(at, entry)),
    )


def _elsewhere(at: Desk, entry: Entry) -> list[str]:
    """Name the registries in which this machine has seen something else under the same name."""
    return [
        f"{entry.label} is {entry.digest[:12]} in {at.name}, and {digest[:12]} in {uri}, as this"
        " machine has seen"
        for uri, digest in other_digests(entry.label, entry.digest)
    ]


def kept_folder(digest: str) -> Path:
    """Where this machine keeps a preset that came from a registry."""
    return cache_dir() / "presets" / f"{digest}{FOLDER_SUFFIX}"


def newest_usable(at: Desk, preset_id: str) -> str | None:
    """The newest version that nobody has revoked, as `semver.newest`; None where there is none."""
    there = list(at.registry.versions(preset_id))
    while there:
        version = newest(there)
        entry = at.registry.entry(preset_id, version)
        standing = standing_of(at.registry, at.show, entry.id, entry.digest, at.now, at.seen, {})
        if standing.revoked is None and not at.seen.is_revoked(entry.digest):
            return version
        there.remove(version)
    return None


def _meant(at: Desk, preset_id: str, revoked: bool) -> str:
    """The version that a bare name means; one that was revoked where all are, to be refused."""
    usable = None if revoked else newest_usable(at, preset_id)
    return usable or _newest(at.registry, preset_id)


def _newest(registry: Registry, preset_id: str) -> str:
    versions = registry.versions(preset_id)
    if not versions:
        raise no_preset(registry, preset_id)
    return newest(versions)


def no_preset(registry: Registry, preset_id: str) -> VersionMissing:
    """Say that a registry has no such preset, and what it has."""
    there = registry.ids()
    return VersionMissing(
        f"{registry.name}: no {preset_id}{nearest(preset_id, there)}, expected"
        f" {one_of(there[:8], 'its presets')}; see facekit preset list"
    )


def address_of(show: Show, name: str | None) -> tuple[str, RegistryAddress]:
    """A registry by its name, the first one of the show for None.

    Raises:
        UsageError: There is none of this name.
    """
    if not show.registries:
        raise UsageError(
            f"{SHOW_FILE}: no registry, expected one; add it with facekit registry add NAME URI"
        )
    chosen = next(iter(show.registries)) if name is None else name
    if chosen not in show.registries:
        raise UsageError(
            f"{chosen}: no such registry{nearest(chosen, list(show.registries))}, expected"
            f" {one_of(show.registries, 'those of the show')}; add it first"
        )
    return chosen, show.registries[chosen]
