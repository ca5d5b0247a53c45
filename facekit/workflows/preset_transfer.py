"""Push a preset to a registry, and pull one from it: whole, compared, or not at all."""

import shutil
from pathlib import Path

from facekit.errors import SignatureRefused
from facekit.media.files import ensure_new, ensure_out_dir, write_bytes
from facekit.presets.blobs import fetch_blob
from facekit.presets.bundle import Bundle, open_bundle
from facekit.presets.names import FOLDER_SUFFIX, MANIFEST
from facekit.presets.packing import copy_bundle
from facekit.presets.policy import check_channel, refuse_revoked, standing_of
from facekit.presets.states import SUBMIT, sign_decision
from facekit.signing.home import key_home
from facekit.signing.keys import PublicKey
from facekit.signing.statements import Subject
from facekit.types import Progress
from facekit.workflows.fetching import fetched_alone, in_megabytes, open_kept, remove_others
from facekit.workflows.preset_refs import Desk, Resolved, desk, kept_folder, resolve
from facekit.workflows.rights_preset import refuse_taken_back
from facekit.workflows.transfer_results import Pulled, PullPlan, PushPlan, PushResult

__all__ = [
    "PullPlan",
    "Pulled",
    "PushPlan",
    "PushResult",
    "bring",
    "plan_pull",
    "plan_push",
    "run_pull",
    "run_push",
]

_MEGABYTE = 1_000_000


def plan_push(
    preset: Path, registry: str | None = None, *, submit: bool = False, key: str | None = None
) -> PushPlan:
    """Open a preset and look whether its version is free.

    Raises:
        BundleDamaged: It is not as it was packed.
        SignatureRefused: Nobody of the show has signed it.
        PresetRevoked: It was withdrawn.
        RegistryError: The registry cannot be reached.
        ConsentRefused: The consent of the person was taken back.
    """
    bundle = open_bundle(preset)
    refuse_taken_back(bundle)
    with desk(registry) as at:
        _packed_by(bundle, at)
        _refuse_revoked(bundle, at)
        return PushPlan(bundle=bundle, registry=at.name, submit=submit, key=key)


def run_push(plan: PushPlan, progress: Progress) -> PushResult:
    """Send what is missing, then publish.

    Raises:
        VersionExists: The version is published with other content.
        PresetRevoked: It was withdrawn meanwhile.
        RegistryError: The storage refuses.
    """
    bundle = plan.bundle
    with desk(plan.registry) as at:
        _refuse_revoked(bundle, at)
        size = sum(file.size for file in bundle.manifest.files)
        progress.start(-(-size // _MEGABYTE), f"{bundle.manifest.label}, MB")
        told = in_megabytes(progress)
        pushed = at.registry.push(bundle.content, bundle.files, bundle.signatures, told)
        progress.finish()
        at.seen.check_version(pushed.entry.label, pushed.entry.digest)
        if plan.submit:
            secret = key_home().signing_key(plan.key)
            subject = Subject(pushed.entry.label, pushed.entry.digest)
            at.registry.add_statement(
                pushed.entry.digest, sign_decision(SUBMIT, subject, secret, {})
            )
        return PushResult(pushed=pushed, registry=at.name, submitted=plan.submit)


def plan_pull(
    reference: str, registry: str | None = None, *, out: Path | None = None, force: bool = False
) -> PullPlan:
    """Find out what a name means, and whether it may be used.

    Raises:
        VersionMissing: There is none.
        PresetRevoked: It was withdrawn.
        PolicyRefused: The channel asks for approvals that it lacks.
        GateFailed: The channel asks for numbers that it does not reach.
        IntegrityError: The registry contradicts what was seen of it before.
    """
    if out is not None:
        ensure_new(out, force)
    with desk(registry, mirrors=True) as at:
        found = resolve(at, reference)
        _check_policy(at, found)
        return PullPlan(reference=reference, registry=at.source, resolved=found, out=out)


def run_pull(plan: PullPlan, progress: Progress) -> Pulled:
    """Fetch it; after an interruption it goes on where it stopped.

    Raises:
        BundleDamaged: What came is not what its digest says.
        SignatureRefused: Nobody of the show has signed it.
        RegistryError: The storage refuses; what came is kept.
    """
    with desk(plan.registry, mirrors=True) as at:
        kept, person = bring(at, plan.resolved, progress)
        if plan.out is not None:
            bundle = open_bundle(kept)
            copy_bundle(bundle, plan.out, archive=plan.out.suffix == FOLDER_SUFFIX)
        return Pulled(resolved=plan.resolved, path=plan.out or kept, packed_by=person)


def bring(at: Desk, found: Resolved, progress: Progress) -> tuple[Path, str | None]:
    """Make sure that a preset is on this machine, compared and signed.

    Returns:
        Its folder, and who packed it.
    """
    kept = kept_folder(found.entry.digest)
    bundle = open_kept(kept, found.entry.digest)
    if bundle is None:
        bundle = _fetch(at, found, kept, progress)
    try:
        person = _packed_by(bundle, at)
    except SignatureRefused:  # it may have been signed since it came
        person = _packed_by(_signed_anew(at, found, kept), at)
    at.remember_asked(found.entry.digest)
    return kept, person


def _signed_anew(at: Desk, found: Resolved, kept: Path) -> Bundle:
    with fetched_alone(found.entry.digest):
        for name, content in at.registry.signatures(found.entry).items():
            write_bytes(kept / name, content)
    return open_bundle(kept)


def _fetch(at: Desk, found: Resolved, kept: Path, progress: Progress) -> Bundle:
    coming = kept.with_name(f".{kept.name}.coming")
    ensure_out_dir(kept.parent)
    with fetched_alone(found.entry.digest):
        if (done := open_kept(kept, found.entry.digest)) is not None:
            return done  # another process was faster
        size = sum(file.size for file in found.manifest.files)
        progress.start(-(-size // _MEGABYTE), f"{found.label}, MB")
        told = in_megabytes(progress)
        for file in found.manifest.files:
            fetch_blob(at.registry.store, (file.sha256, file.size), coming / file.path, told)
        signatures = at.registry.signatures(found.entry)
        for name, content in signatures.items():
            write_bytes(coming / name, content)
        write_bytes(coming / MANIFEST, found.content)
        listed = {file.path for file in found.manifest.files}
        remove_others(coming, {MANIFEST, *signatures, *listed})
        progress.finish()
        _packed_by(open_bundle(coming), at)
        shutil.rmtree(kept, ignore_errors=True)
        coming.rename(kept)
    return open_bundle(kept)


def _check_policy(at: Desk, found: Resolved) -> None:
    if found.pointer is not None:
        check_channel(found.standing, found.manifest, at.show, found.pointer.channel)


def _packed_by(bundle: Bundle, at: Desk) -> str | None:
    try:
        signers: tuple[PublicKey, ...] = bundle.packed_by(at.trusted).signers
    except SignatureRefused:
        if at.show.rules.signed:
            raise
        return None
    return at.show.person_of(signers[0]) or signers[0].name


def _refuse_revoked(bundle: Bundle, at: Desk) -> None:
    """As a pull does, so that nothing comes back by the way that it came."""
    told = bundle.manifest
    standing = standing_of(at.registry, at.show, told.id, bundle.digest, at.now, at.seen)
    refuse_revoked(told.label, standing, at.seen)
