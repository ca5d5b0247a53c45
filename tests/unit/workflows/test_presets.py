import hashlib
import json

import pytest
import yaml

from facekit.errors import ConsentRefused, KeyRefused, OutputExists, RightsRefused, UsageError
from facekit.presets.bundle import open_bundle
from facekit.signing.statements import canonical_json
from facekit.types import NoProgress
from facekit.workflows.presets import plan_pack, run_pack

CONSENT = {
    "schema": "facekit.consent/1",
    "subject_ref": "subj_7f3",
    "method": "self-attest",
    "retention": {"templates_until": "2029-05-01"},
}


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


def test_a_consent_goes_in_and_is_named(as_anna, trained, tmp_path):
    (tmp_path / "consent.json").write_text(json.dumps(CONSENT))
    made = run_pack(
        plan(trained, subject=None, consent=tmp_path / "consent.json", pictures=False),
        NoProgress(),
    )
    assert made.manifest.subject.type == "real"
    assert made.manifest.subject.ref == "subj_7f3"
    digest = hashlib.sha256(canonical_json(CONSENT)).hexdigest()
    assert made.manifest.subject.consent_digest == digest
    assert made.manifest.rights.retain_until == "2029-05-01"
    assert made.manifest.eval.parity is None
    assert json.loads(open_bundle(made.path).read("rights/consent.json")) == CONSENT


def test_signatures_are_no_part_of_what_a_consent_says(as_anna, trained):
    one, two = (
        plan(trained, subject=None, consent={**CONSENT, "signatures": signatures})
        for signatures in ([], [{"keyid": "ab", "sig": "cd"}])
    )
    assert one.told.subject == two.told.subject
    assert one.told.consent != two.told.consent


def test_a_consent_and_a_word_on_whose_face_it_is_agree(as_anna, trained):
    drawn = {**CONSENT, "subject": "synthetic", "method": "not-required"}
    assert plan(trained, subject=None, consent=drawn).told.subject.type == "synthetic"
    with pytest.raises(ConsentRefused, match="is about somebody synthetic, expected the same"):
        plan(trained, subject="real", consent=drawn)
    with pytest.raises(ConsentRefused, match="about somebody 'martian'"):
        plan(trained, subject=None, consent={**CONSENT, "subject": "martian"})


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
