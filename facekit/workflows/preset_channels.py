"""Promote and roll back: where a channel points from now on."""

from collections.abc import Mapping
from dataclasses import dataclass

from facekit.errors import (
    GateFailed,
    PolicyRefused,
    PresetRevoked,
    RegistryError,
    UsageError,
)
from facekit.presets.pointers import (
    Pointer,
    current_pointer,
    move_channel,
    promoting_roles,
    valid_pointers,
)
from facekit.presets.policy import check_channel, refuse_revoked
from facekit.presets.states import Ignored
from facekit.wording import nearest, one_of
from facekit.workflows.not_counted import ignored_facts, ignored_lines
from facekit.workflows.preset_refs import Desk, Resolved, desk, resolve
from facekit.workflows.preset_signer import signer

__all__ = ["Moved", "promote", "roll_back"]

_TRIES = 5
_WHY = {
    PresetRevoked: "is revoked",
    PolicyRefused: "lacks approvals or was rejected",
    GateFailed: "misses gates",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Where a channel points now."""

    preset: str
    channel: str
    counter: int
    version: str
    digest: str
    before: str | None
    """The version that it pointed at."""
    ignored: tuple[Ignored, ...]
    """Statements and pointers that do not count."""

    def describe(self) -> str:
        """From which version to which."""
        return "\n".join(
            [
                f"{self.preset}@{self.channel}: {self.before or 'nothing'} -> {self.version}",
                f"digest: {self.digest}",
                f"pointer: {self.counter}",
                *ignored_lines(self.ignored),
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "preset": self.preset,
            "channel": self.channel,
            "counter": self.counter,
            "version": self.version,
            "digest": self.digest,
            "before": self.before,
            "ignored": ignored_facts(self.ignored),
        }


def promote(
    reference: str,
    channel: str,
    *,
    registry: str | None = None,
    role: str | None = None,
    note: str = "",
    key: str | None = None,
) -> Moved:
    """Let a channel point at a version.

    Raises:
        PolicyRefused: Approvals are missing, or the key's owner may not move this channel.
        GateFailed: Its numbers do not reach the gates of the channel.
    """
    with desk(registry) as at:
        return _move(at, resolve(at, reference), channel, role, note, key)


def roll_back(
    name: str,
    channel: str,
    *,
    to: str | None = None,
    registry: str | None = None,
    role: str | None = None,
    note: str = "",
    key: str | None = None,
) -> Moved:
    """Let a channel point at what it pointed at before, by a new pointer; nothing is deleted.

    Before means before it first pointed at the present version, so that rolling back twice goes
    back twice. Versions that were revoked, or that the policy no longer takes, are passed over.

    Args:
        name: The preset.
        channel: Which channel.
        to: A version; the one before the present one when None.
        registry: Which registry; the first when None.
        role: Of who signs.
        note: Why.
        key: Name of the key.

    Raises:
        UsageError: There is none to go back to.
        IntegrityError: An old pointer was put back, so that nobody knows where the channel was;
            `promote` says it anew.
    """
    if "@" in name:
        raise UsageError(f"{name}: expected the preset alone; say the version with --to")
    with desk(registry) as at:
        if to is not None:
            return _move(at, resolve(at, f"{name}@{to}"), channel, role, note, key)
        preset_id = resolve(at, name, revoked=True).entry.id
        passed = []
        for pointer in _before(at, preset_id, channel):
            try:
                back = resolve(at, f"{preset_id}@{pointer.version}")
                check_channel(back.standing, back.manifest, at.show, channel)
            except (PresetRevoked, PolicyRefused, GateFailed) as error:
                passed.append(f"{pointer.version} {_WHY[type(error)]}")
                continue
            return _move(at, back, channel, role, note, key)
        said = f" ({', '.join(dict.fromkeys(passed))})" if passed else ""
        raise UsageError(
            f"{preset_id}@{channel}: no earlier version to go back to{said}, expected one that may"
            " be there; name one with --to"
        )


def _before(at: Desk, preset_id: str, channel: str) -> list[Pointer]:
    """Pointers to go back to, the latest first: those before the first to the present version."""
    current_pointer(at.registry, at.show, preset_id, channel, at.now, at.seen)  # may be an old one
    pointers = _pointers(at, preset_id, channel)
    here = [n for n, one in enumerate(pointers) if one.digest == pointers[0].digest]
    return pointers[here[-1] + 1 :] if here else []


def _move(
    at: Desk, found: Resolved, channel: str, role: str | None, note: str, key: str | None
) -> Moved:
    refuse_revoked(found.label, found.standing, at.seen)
    if channel not in at.show.policy:
        known = one_of(at.show.policy, "the show's channels")
        raise PolicyRefused(
            f"{channel}: no policy for this channel{nearest(channel, list(at.show.policy))},"
            f" expected {known}; write [policy.{channel}] in facekit.toml"
        )
    check_channel(found.standing, found.manifest, at.show, channel)
    secret, chosen = signer(at.show, role, promoting_roles(at.show, channel), key)
    entry = found.entry
    for _ in range(_TRIES):
        before, ignored = _present(at, entry.id, channel)
        counter = move_channel(
            at.registry,
            at.show,
            entry.id,
            channel,
            entry.version,
            entry.digest,
            secret,
            chosen,
            at.seen,
            note,
        )
        if counter is not None:
            return Moved(
                preset=entry.id,
                channel=channel,
                counter=counter,
                version=entry.version,
                digest=entry.digest,
                before=None if before is None else before.version,
                ignored=(*ignored, *found.standing.ignored),
            )
    raise RegistryError(
        f"{entry.id}@{channel}: others moved it {_TRIES} times meanwhile, expected a free number;"
        " look where it points and try again"
    )


def _present(at: Desk, preset_id: str, channel: str) -> tuple[Pointer | None, list[Ignored]]:
    """Where a channel points, if anywhere, and what above it does not count."""
    ignored: list[Ignored] = []
    for one in valid_pointers(at.registry, at.show, preset_id, channel, at.now):
        if isinstance(one, Pointer):
            return one, ignored
        ignored.append(one)
    return None, ignored


def _pointers(at: Desk, preset_id: str, channel: str) -> list[Pointer]:
    found = valid_pointers(at.registry, at.show, preset_id, channel, at.now)
    return [one for one in found if isinstance(one, Pointer)]
