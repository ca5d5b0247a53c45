import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from facekit.adapters.character_file import CharacterFile
from facekit.adapters.character_header import SubjectRecord
from facekit.errors import ConsentRefused, KeyRefused, OutputExists, RightsRefused, UsageError
from facekit.presets.bundle import open_bundle
from facekit.rights.consent import sign_consent
from facekit.signing.home import key_home
from facekit.signing.keys import SigningKey
from facekit.types import NoProgress
from facekit.workflows.preset_export import plan_export
from facekit.workflows.preset_files import load_any
from facekit.workflows.preset_look import plan_verify_preset
from facekit.workflows.presets import plan_pack, run_pack
from facekit.workflows.rights import permit_character
from facekit.workflows.rights_doubts import doubts_about
from facekit.workflows.rights_place import find_rights
from facekit.workflows.verify import verify_files
from tests.tiny.consents import today_terms


@pytest.fixture
def agreed(as_anna):
    """What somebody agrees to, signed by who packs."""
    kept = str(datetime.now(UTC).date() + timedelta(99))
    terms = today_terms(retention={"templates_until": kept})
    return sign_consent(terms, [key_home().signing_key()])


def plan(trained, **options):
    return plan_pack(str(trained.adapter), **{"subject": "synthetic", "device": "cpu", **options})


def test_a_preset_has_everything_that_a_team_asks_for(as_anna):
    bundle = open_bundle(as_anna.path)
    assert sorted(bundle.files) == [
        "LICENSE.md",
        "README.md",
        "eval/parity.json",
        "eval/parity.webp",
        "identity/templates.safetensors",
        "media/contact.webp",
        "media/thumb.webp",
        "provenance/lineage.json",
        "provenance/sbom.json",
        "provenance/training.json",
        "rights/license.json",
        "weights/adapter.safetensors",
        "weights/recipe.toml",
    ]
    told = bundle.manifest
    assert told.label == "org.studio.show/mira@1.0.0"
    assert [file.path for file in told.biometric_files] == [
        "identity/templates.safetensors",
        "weights/adapter.safetensors",
    ]
    assert told.authors[0].name == "anna"
    assert told.training.photos > 0
    card = bundle.read("README.md").decode()
    front = yaml.safe_load(card.split("---")[1])
    assert front["library_name"] == "facekit"
    assert front["thumbnail"] == "media/thumb.webp"
    sbom = json.loads(bundle.read("provenance/sbom.json"))
    assert {"torch", "diffusers"} <= {one["name"] for one in sbom["components"]}


def test_nothing_says_where_or_of_what_files_it_was_made(as_anna, trained):
    """No photos, no names of photos, no folders of this machine outside of the templates."""
    bundle = open_bundle(as_anna.path)
    names = [path.name for path in trained.photos.iterdir()]
    assert names
    for path in bundle.files:
        content = bundle.read(path)
        assert str(trained.photos.parent).encode() not in content
        if path != "identity/templates.safetensors":
            assert not [name for name in names if name.encode() in content], path


def test_packed_again_it_is_the_same_to_the_byte(as_anna, trained, tmp_path):
    again = run_pack(
        plan(
            trained,
            out=tmp_path / "deep" / "again.facekit",
            preset_id="org.studio.show/mira",
            templates="clear",
        ),
        NoProgress(),
        pipe=trained.backbone.pipe,
    )
    assert again.digest == as_anna.digest
    assert again.path.read_bytes() == as_anna.path.read_bytes()


def test_a_plan_writes_nothing_and_tells_all(as_anna, trained, tmp_path):
    made = plan(trained, version="1.1.0", follows=as_anna.path, created="2026-11-21T20:15:00Z")
    assert made.out.name == "mira-1.1.0.facekit"
    assert made.told.lineage.parent == as_anna.digest
    assert made.told.lineage.supersedes == "1.0.0"
    assert made.told.created == "2026-11-21T20:15:00Z"
    assert "signed by: anna" in made.describe()
    json.dumps(made.to_json())
    assert not list(tmp_path.iterdir())


def test_nobody_is_packed_without_a_word_on_whose_face_it_is(as_anna, trained):
    with pytest.raises(ConsentRefused, match="nobody says whose face it is") as refused:
        plan(trained, subject=None)
    assert refused.value.exit_code == 4
    with pytest.raises(ConsentRefused, match="no consent, expected the record"):
        plan(trained, subject="real")


def test_a_consent_goes_in_and_is_named(agreed, trained, tmp_path):
    (tmp_path / "consent.json").write_bytes(agreed.to_bytes())
    made = run_pack(
        plan(trained, subject=None, consent=tmp_path / "consent.json", pictures=False),
        NoProgress(),
    )
    assert made.manifest.subject.type == "real"
    assert made.manifest.subject.ref == agreed.record.subject_ref
    assert made.manifest.subject.consent_digest == agreed.digest
    assert made.manifest.rights.retain_until == str(agreed.record.retention.templates_until)
    assert made.manifest.eval.parity is None
    assert open_bundle(made.path).read("rights/consent.json") == agreed.to_bytes()


def test_signatures_are_no_part_of_what_a_consent_says(agreed, trained):
    both = [key_home().signing_key(), SigningKey.generate("tom")]
    signatures = sign_consent(agreed.content, both).to_bytes()
    one, two = (
        plan(trained, subject=None, consent=json.loads(content))
        for content in (agreed.to_bytes(), signatures)
    )
    assert one.told.subject == two.told.subject
    assert one.told.consent != two.told.consent


def test_a_consent_and_a_word_on_whose_face_it_is_agree(agreed, trained):
    told = today_terms(subject="synthetic", method="not-required", reason="drawn", evidence=[])
    drawn = json.loads(sign_consent(told, [key_home().signing_key()]).to_bytes())
    assert plan(trained, subject=None, consent=drawn).told.subject.type == "synthetic"
    with pytest.raises(ConsentRefused, match="is about somebody synthetic, expected the same"):
        plan(trained, subject="real", consent=drawn)
    with pytest.raises(ConsentRefused, match="subject: Input should be"):
        plan(trained, subject=None, consent={**agreed.content, "subject": "martian"})


def test_a_consent_that_does_not_allow_it_now_packs_nothing(agreed, trained):
    def rule(**other):
        signed = sign_consent(today_terms(**other), [key_home().signing_key()])
        with pytest.raises(ConsentRefused) as refused:
            plan(trained, subject=None, consent=json.loads(signed.to_bytes()))
        return refused.value.rule

    assert rule(valid_from="2020-01-01", valid_until="2021-01-01") == "dates"
    assert rule(project="org.studio.other") == "project"
    with pytest.raises(ConsentRefused, match="rule: signature"):
        plan(trained, subject=None, consent={**agreed.content, "signatures": []})
    with pytest.raises(ConsentRefused, match="rule: exists"):
        plan(trained, subject=None, consent=Path("nobody"))


def test_a_character_of_a_person_is_packed_by_the_consent_that_holds(agreed, trained, tmp_path):
    file = CharacterFile.load(trained.adapter)
    ref = agreed.record.subject_ref
    whose = SubjectRecord(type="real", ref=ref, consent=agreed.digest)
    real = tmp_path / "mira" / "adapter.safetensors"
    dataclasses.replace(file, header=dataclasses.replace(file.header, subject=whose)).save(real)
    with pytest.raises(ConsentRefused, match="no consent of the person"):
        plan_pack(str(real), pictures=False)
    with pytest.raises(ConsentRefused, match="rule: subject"):
        plan_pack(str(real), pictures=False, subject="synthetic")
    other = sign_consent(today_terms(subject_ref="subj_" + "1" * 32), [key_home().signing_key()])
    with pytest.raises(ConsentRefused, match="rule: subject"):
        plan_pack(str(real), pictures=False, consent=json.loads(other.to_bytes()))

    find_rights().store.add("mira", agreed)
    made = run_pack(plan_pack(str(real), pictures=False), NoProgress())

    assert made.manifest.subject.consent_digest == agreed.digest
    packed, place = load_any(made.path), find_rights()
    assert packed.file.header.subject == whose
    permit = permit_character("mira", packed.source, packed.file.header, place.use("shoot"), place)
    assert (permit.consent, permit.preset) == (agreed.digest, made.digest)
    place.store.revoke(agreed, (key_home().signing_key(),), effect="withdraw")
    with pytest.raises(ConsentRefused, match="rule: revoked"):
        plan_pack(str(made.path), pictures=False)
    for again in (
        lambda: plan_export(made.path, Path("out.safetensors"), to="character"),
        lambda: plan_verify_preset(made.path),
    ):
        with pytest.raises(ConsentRefused, match="rule: revoked") as caught:
            again()
        assert "delete" not in caught.value.next_step
    told = verify_files([made.path])
    assert (told.exit_code, told.presets[0].tampered) == (4, "")
    assert "CONSENT TAKEN BACK" in told.describe()
    (doubt,) = doubts_about(packed)
    assert "rule: revoked" in doubt


def test_a_preset_says_whose_face_it_is_where_its_character_does_not(agreed, trained):
    find_rights().store.add("mira", agreed)
    made = run_pack(plan(trained, subject=None, consent=Path("mira"), pictures=False), NoProgress())
    packed, place = load_any(made.path), find_rights()
    assert packed.file.header.subject is None
    permit = permit_character("mira", packed.source, packed.file.header, place.use("shoot"), place)
    assert (permit.by, permit.consent) == ("consent", agreed.digest)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": "facekit.consent/2"}'])
def test_what_is_no_consent_is_refused(as_anna, trained, tmp_path, content):
    (tmp_path / "consent.json").write_text(content)
    with pytest.raises(ConsentRefused):
        plan(trained, subject=None, consent=tmp_path / "consent.json")


def test_a_commercial_preset_needs_every_part_to_allow_it(as_anna, trained):
    with pytest.raises(RightsRefused, match=r"encoder \(not known: .* adapter \(") as refused:
        plan(trained, commercial=True)
    assert refused.value.exit_code == 4
    with pytest.raises(RightsRefused, match=r"CC-BY-NC-4\.0"):
        plan(trained, commercial=True, licence="CC-BY-NC-4.0", allows_commercial_use=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"preset_id": "Mira"}, "--id Mira"),
        ({"version": "1"}, "--version 1"),
        ({"licence": "my own"}, "--license my own"),
        ({"created": "yesterday"}, "created 'yesterday'"),
        ({"title": "a\nb"}, "title"),
        ({"terms": "nowhere.txt"}, "nowhere.txt"),
        ({"templates": "clear", "seal_for": ("ssh-ed25519 x",)}, "both given"),
    ],
)
def test_what_no_preset_can_hold_is_told_before_anything_is_drawn(
    as_anna, trained, tmp_path, options, said
):
    if "terms" in options:
        options = {"terms": tmp_path / options["terms"]}
    with pytest.raises(UsageError) as refused:
        plan(trained, **options)
    assert said in str(refused.value)


def test_nothing_is_replaced_and_nothing_goes_unsigned(as_anna, trained, tmp_path, monkeypatch):
    (tmp_path / "mira-1.0.0.facekit").write_bytes(b"x")
    with pytest.raises(OutputExists):
        plan(trained)
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "nobody"))
    with pytest.raises(KeyRefused, match="make one with facekit keys init"):
        plan(trained, version="2.0.0")
