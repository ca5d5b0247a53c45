"""Push and pull as the command line does it, in the folder of a show."""

import shutil
from pathlib import Path

import pytest

from facekit.errors import (
    ConsentRefused,
    IntegrityError,
    OutputExists,
    PolicyRefused,
    PresetRevoked,
    RegistryError,
    SignatureRefused,
    UsageError,
    VersionMissing,
)
from facekit.presets.bundle import Bundle, open_bundle
from facekit.presets.seen import Seen
from facekit.presets.store import full_uri
from facekit.signing.home import key_home
from facekit.signing.keys import SigningKey
from facekit.types import NoProgress
from facekit.workflows.consent import ConsentTerms, record_consent, revoke_consent
from facekit.workflows.fetching import fetched_alone
from facekit.workflows.preset_decisions import revoke
from facekit.workflows.preset_list import list_presets, plan_gc, run_gc
from facekit.workflows.preset_look import inspect_preset, plan_verify_preset
from facekit.workflows.preset_refs import desk, kept_folder
from facekit.workflows.preset_transfer import Pulled, plan_pull, plan_push, run_pull, run_push
from tests.tiny.presets import ADAPTER, tiny_contents, write_preset
from tests.tiny.registries import killed_at
from tests.tiny.shows import ShowFolder, show_folder


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShowFolder:
    return show_folder(tmp_path, monkeypatch)


def pull(reference: str, out: Path | None = None) -> Pulled:
    return run_pull(plan_pull(reference, out=out), NoProgress())


def test_what_is_pushed_is_pulled_byte_by_byte(show: ShowFolder, tmp_path: Path) -> None:
    bundle = show.bundle("1.0.0", archive=True)
    result = run_push(plan_push(bundle.source, submit=True), NoProgress())
    assert result.pushed.is_new
    pulled = pull("mira@1.0.0", tmp_path / "out.facekit")
    assert pulled.path.read_bytes() == bundle.source.read_bytes()
    assert pulled.packed_by == "ana"
    assert pulled.resolved.standing.state.value == "submitted"
    assert open_bundle(kept_folder(bundle.digest)).digest == bundle.digest


def test_the_newest_version_is_no_prerelease(show: ShowFolder) -> None:
    for version in ("1.9.0", "1.10.0", "2.0.0-rc.1"):
        show.push(version)
    assert plan_pull("mira").resolved.entry.version == "1.10.0"


def test_a_damaged_copy_on_this_machine_is_fetched_anew(show: ShowFolder) -> None:
    bundle = show.push("1.0.0")
    pull("mira@1.0.0")
    (kept_folder(bundle.digest) / ADAPTER).write_bytes(b"spoilt")
    pull("mira@1.0.0")
    assert open_bundle(kept_folder(bundle.digest)).digest == bundle.digest


def test_an_interrupted_pull_goes_on(show: ShowFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second file is refused once; the first one is not fetched again."""
    bundle = show.push("1.0.0")
    from facekit.presets.fsspec_store import FsspecStore

    real, asked = FsspecStore.blocks, []

    def blocks(self: FsspecStore, path: str, start: int, size: int) -> object:
        asked.append(path)
        if len(asked) == 2:
            raise RegistryError("lost; try again")
        return real(self, path, start, size)

    monkeypatch.setattr(FsspecStore, "blocks", blocks)
    with pytest.raises(RegistryError, match="lost"):
        pull("mira@1.0.0")
    assert not kept_folder(bundle.digest).exists()
    pull("mira@1.0.0")
    assert len(asked) == len(bundle.manifest.files) + 1
    assert len(list(kept_folder(bundle.digest).parent.iterdir())) == 1


def test_what_nobody_of_the_show_has_packed_is_neither_pushed_nor_pulled(
    show: ShowFolder,
) -> None:
    bundle = show.bundle("1.0.0", signer=None)
    with pytest.raises(SignatureRefused, match="not signed"):
        plan_push(bundle.source)
    with desk() as at:
        at.registry.push(bundle.content, bundle.files, bundle.signatures)
    with pytest.raises(SignatureRefused, match="not signed"):
        pull("mira@1.0.0")
    show.write("[rules]\nsigned = false\n")
    assert pull("mira@1.0.0").packed_by is None


def test_what_was_published_unsigned_can_be_signed(show: ShowFolder) -> None:
    path = show.folder / "facekit.toml"
    text = path.read_text()
    show.write("[rules]\nsigned = false\n")
    plain = show.bundle("1.0.0", signer=None)
    assert not run_push(plan_push(plain.source), NoProgress()).pushed.is_signed_now
    pull("mira@1.0.0")
    path.write_text(text)
    with pytest.raises(SignatureRefused, match="not signed"):
        pull("mira@1.0.0")
    shutil.rmtree(plain.source)
    pushed = run_push(plan_push(show.bundle("1.0.0").source), NoProgress())
    assert (pushed.pushed.is_new, pushed.pushed.entry.digest) == (False, plain.digest)
    assert "signature: added" in pushed.describe()
    assert pull("mira@1.0.0").packed_by == "ana"


def test_a_channel_gives_what_its_policy_takes(show: ShowFolder) -> None:
    bundle: Bundle = show.push("1.0.0")
    show.promote("1.0.0")
    assert pull("mira@prod").resolved.entry.digest == bundle.digest
    with desk() as at:
        for name in at.registry.statements(bundle.digest):
            at.registry.store.delete(f"statements/{bundle.digest}/{name}")
    with pytest.raises(PolicyRefused, match="legal: 0 of 1, td: 0 of 1"):
        pull("mira@prod")


def test_what_was_seen_is_kept_even_when_it_is_refused(show: ShowFolder) -> None:
    show.push("1.0.0")
    show.promote("1.0.0")
    pull("mira@prod")
    with desk() as at:
        at.registry.store.delete("channels/org.studio.show/mira/prod/000000001.json")
    for _ in range(2):
        with pytest.raises(IntegrityError, match="is none, expected 1"):
            plan_pull("mira@prod")


def test_a_mirror_shares_what_was_seen(show: ShowFolder) -> None:
    show.push("1.0.0")
    show.promote("1.0.0")
    show.mirror()
    show.push("1.1.0")
    show.promote("1.1.0")
    assert plan_pull("mira@1.0.0", "far").registry == "far"
    with pytest.raises(IntegrityError, match="a mirror may be behind"):
        plan_pull("mira@prod", "far")
    with pytest.raises(UsageError, match="a mirror"):
        run_push(plan_push(show.bundle("1.2.0").source, "far"), NoProgress())


def test_nothing_is_replaced_without_force(show: ShowFolder, tmp_path: Path) -> None:
    show.push("1.0.0")
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputExists):
        plan_pull("mira@1.0.0", out=tmp_path / "out")


@pytest.mark.parametrize("reference", ["nobody", "mira@9.9.9", "mira@gold"])
def test_what_is_not_there_is_told(show: ShowFolder, reference: str) -> None:
    show.push("1.0.0")
    with pytest.raises(VersionMissing):
        plan_pull(reference)


def test_the_keys_of_the_test_are_its_own(show: ShowFolder, tmp_path: Path) -> None:
    assert tmp_path in key_home().folder.parents


def test_what_was_revoked_does_not_come_back(show: ShowFolder) -> None:
    bundle = show.push("1.0.0")
    revoke("mira@1.0.0", note="consent withdrawn", key="tom")
    for path in (bundle.source, show.bundle("1.0.0").source):
        with pytest.raises(PresetRevoked, match="consent withdrawn"):
            plan_push(path)
    plan = plan_push(show.bundle("1.1.0").source)
    seen = Seen.open(full_uri("kept", show.folder))
    seen.remember_revoked(plan.bundle.digest)
    seen.save()
    with pytest.raises(PresetRevoked, match="has seen before"):
        run_push(plan, NoProgress())


def test_a_pull_that_is_killed_anywhere_goes_on(show: ShowFolder, tmp_path: Path) -> None:
    bundle = show.push("1.0.0")
    kept = kept_folder(bundle.digest)
    cache = kept.parent.parent
    step = 0
    while killed_at(step := step + 7, cache, lambda: pull("mira@1.0.0")):
        pull("mira@1.0.0")
        assert open_bundle(kept).digest == bundle.digest
        shutil.rmtree(cache)
    assert step > 20


def test_what_a_killed_pull_has_left_is_not_taken_for_a_part(show: ShowFolder) -> None:
    kept = kept_folder(show.push("1.0.0").digest)
    coming = kept.with_name(f".{kept.name}.coming")
    for name in ("signatures/.manifest.dsse-12ab34cd.json", "media/x.webp.part", "a/.b"):
        (coming / name).parent.mkdir(parents=True, exist_ok=True)
        (coming / name).write_bytes(b"half")
    pull("mira@1.0.0")
    assert not coming.exists()


def test_one_fetches_at_a_time_and_gc_leaves_that_alone(show: ShowFolder) -> None:
    digest = show.push("1.0.0").digest
    coming = kept_folder(digest).with_name(f".{digest}.facekit.coming")
    coming.mkdir(parents=True)
    with fetched_alone(digest):
        with pytest.raises(RegistryError, match="another process of this machine"):
            pull("mira@1.0.0")
        assert plan_gc().paths == ()
    plan = plan_gc()
    assert plan.paths == (str(coming),)
    with fetched_alone(digest):
        assert run_gc(plan, NoProgress()).paths == ()
    assert run_gc(plan, NoProgress()).paths == (str(coming),)
    pull("mira@1.0.0")


def test_the_list_and_a_bare_name_mean_the_same_version(show: ShowFolder) -> None:
    for version in ("1.0.0", "2.0.0-rc.1"):
        show.push(version)
    assert list_presets().presets == (("org.studio.show/mira", "1.0.0", 2),)


def test_a_preset_is_looked_up_by_its_name(show: ShowFolder) -> None:
    bundle = show.push("1.0.0")
    assert plan_verify_preset("mira@1.0.0").bundle.digest == bundle.digest
    (show.folder / "kept").rename(show.folder / "away")
    with pytest.raises(RegistryError, match="no registry there"):
        inspect_preset("mira@1.0.0")
    (show.folder / "away").rename(show.folder / "kept")
    with pytest.raises(VersionMissing):
        inspect_preset("mira@2.0.0")


def test_a_signature_that_does_not_count_is_told_once(show: ShowFolder) -> None:
    show.team.keys["stranger"] = SigningKey.generate("ana")
    said = inspect_preset(show.bundle("1.0.0", signer="stranger").source).signature
    assert said.count("it names") == 1
    assert "facekit keys show" not in said


def test_a_person_who_took_it_back_is_not_published(show: ShowFolder) -> None:
    terms = ConsentTerms(
        method="agreement-ref",
        reason="contract 7",
        controller="Studio",
        purpose="a film",
        allow=("narrative-fiction",),
        contact="legal@studio.example",
    )
    kept = record_consent([], "mira", terms, adult=True).consent
    subject = {
        "type": "real",
        "ref": kept.record.subject_ref,
        "consent": "rights/consent.json",
        "consent_digest": kept.digest,
    }
    contents = tiny_contents({"rights/consent.json": kept.to_bytes()})
    key = show.team.keys["ana"]
    bundle = write_preset(show.folder / "real.facekit", contents, key=key, subject=subject)
    plan_push(bundle.source)
    revoke_consent("mira", effect="withdraw", reason="asked by mail")
    with pytest.raises(ConsentRefused, match="taken back"):
        plan_push(bundle.source)
