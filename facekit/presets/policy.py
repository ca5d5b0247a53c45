"""Whether a preset may be used, and be in a channel."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from facekit.errors import GateFailed, PolicyRefused, PresetRevoked
from facekit.presets.manifest import Manifest
from facekit.presets.pointers import Pointer, pointers_of
from facekit.presets.registry import Registry
from facekit.presets.seen import Seen
from facekit.presets.states import Standing, fold
from facekit.show_file import Gates, Show

__all__ = ["check_channel", "missed_gates", "refuse_revoked", "standing_of"]

_AT_LEAST: Final = ("sim_held", "sim_held_low", "likeness_ratio", "coverage", "xmin")


def standing_of(
    registry: Registry,
    show: Show,
    preset_id: str,
    digest: str,
    now: datetime,
    seen: Seen,
    pointers: Mapping[str, tuple[Pointer, ...]] | None = None,
) -> Standing:
    """Fold everything that a registry has about a digest.

    A revocation is remembered, and what is remembered counts even when it is no longer there.

    Args:
        registry: Where.
        show: Whose people and roles count.
        preset_id: Of the preset.
        digest: Of the version.
        now: The time.
        seen: What was seen before.
        pointers: By `pointers_of`, to ask about several versions; read when None.
    """
    if pointers is None:
        pointers = pointers_of(registry, show, preset_id, now)
    current = [name for name, all_of in pointers.items() if all_of and all_of[0].digest == digest]
    was = [name for name, all_of in pointers.items() if any(p.digest == digest for p in all_of)]
    standing = fold(digest, registry.statements(digest), show, now, current_in=current, was_in=was)
    if standing.revoked is not None:
        seen.remember_revoked(digest, standing.revoked.keyids)
    return standing


def refuse_revoked(label: str, standing: Standing, seen: Seen) -> None:
    """Let nothing pass that was revoked, here or as far as this machine has ever seen.

    Raises:
        PresetRevoked: With who, when and why.
    """
    by = standing.revoked
    if by is None and not seen.is_revoked(standing.digest):
        return
    why = "revoked, as this machine has seen before"
    if by is not None:
        said = f": {by.note}" if by.note else ""
        why = f"revoked by {', '.join(by.people)} on {by.at:%Y-%m-%d}{said}"
    raise PresetRevoked(f"{label} ({standing.digest[:12]}): {why}; use another version")


def check_channel(standing: Standing, manifest: Manifest, show: Show, channel: str) -> None:
    """Let a preset pass that may be in a channel.

    Raises:
        PolicyRefused: Approvals are missing, or it was rejected, also where none are asked for.
        GateFailed: A number does not reach its gate.
    """
    policy = show.channel(channel)
    if (by := standing.rejected) is not None:
        raise PolicyRefused(
            f"{manifest.label} for {channel}: rejected by {', '.join(by.people)}:"
            f" {by.note or 'no reason given'}, expected a version that nobody has rejected; use"
            " another one, or ask for facekit preset approve"
        )
    if lacks := standing.lacks(policy.approve):
        raise PolicyRefused(
            f"{manifest.label} for {channel}: approvals {', '.join(lacks)}, expected all of them;"
            " ask those people for facekit preset approve"
        )
    if missed := missed_gates(manifest, policy.gates):
        raise GateFailed(
            f"{manifest.label} for {channel}: {', '.join(missed)}; train or measure it again, or"
            " change the gates in facekit.toml"
        )


def missed_gates(manifest: Manifest, gates: Gates) -> tuple[str, ...]:
    """Which gates a manifest's numbers do not reach, each with what was got and expected."""
    summary, missed = manifest.eval.summary, []
    for name in _AT_LEAST:
        wanted, got = getattr(gates, name), getattr(summary, name)
        if wanted is not None and (got is None or got < wanted):
            missed.append(f"{name} is {_told(got)}, expected at least {wanted:g}")
    if gates.drift is not None and (summary.drift is None or summary.drift > gates.drift):
        missed.append(f"drift is {_told(summary.drift)}, expected at most {gates.drift:g}")
    if gates.passed and summary.gates != "passed":
        missed.append(f"gates are {summary.gates}, expected passed")
    if gates.parity and manifest.eval.parity is None:
        missed.append("no parity vector, expected one")
    if gates.commercial:
        encoder = manifest.encoder
        parts = {"base": manifest.base.commercial, "rights": manifest.rights.commercial}
        parts |= {} if encoder is None else {"encoder": encoder.commercial}
        missed += [f"{part} is not for commercial use" for part, fine in parts.items() if not fine]
    return tuple(missed)


def _told(value: float | None) -> str:
    return "not measured" if value is None else f"{value:g}"
