import json

import pytest

from facekit.errors import BundleDamaged, PresetError
from facekit.presets.manifest import ADAPTER, manifest_schema, preset_digest, read_manifest
from facekit.signing.statements import canonical_json
from tests.tiny.presets import tiny_contents, tiny_manifest


def told(**changes):
    content = json.loads(tiny_manifest(tiny_contents()).to_bytes())
    return {**content, **changes}


def test_a_manifest_comes_back_as_it_was_written():
    manifest = tiny_manifest(tiny_contents())
    assert read_manifest(manifest.to_bytes()) == manifest
    assert manifest.label == "org.studio.show/mira@1.0.0"


def test_unknown_keys_are_passed_over_and_count_in_the_digest():
    plain, later = canonical_json(told()), canonical_json(told(mood="happy"))
    assert read_manifest(later) == read_manifest(plain)
    assert preset_digest(later) != preset_digest(plain)
    deep = told()
    deep["rights"] = {**deep["rights"], "zone": "x"}
    assert read_manifest(canonical_json(deep)) == read_manifest(plain)


def test_a_later_minor_is_read_and_a_later_major_is_not():
    assert read_manifest(canonical_json(told(schema="facekit.preset/1.4"))).version == "1.0.0"
    with pytest.raises(PresetError, match=r"preset/2, expected facekit\.preset/1; update"):
        read_manifest(canonical_json(told(schema="facekit.preset/2")))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"schema":NaN}',
        canonical_json({"schema": "facekit.preset/x"}),
        canonical_json({"schema": 1}),
        canonical_json({"schema": "facekit.preset/1"}),
        json.dumps(told()).encode(),  # not canonical
        canonical_json(told()) + b"\n",
        canonical_json(told()).replace(b'"kind":', b'"id":"x/y","kind":'),
        b" " * 1_000_001,
    ],
)
def test_what_is_no_manifest_is_told_as_such(content):
    with pytest.raises(BundleDamaged, match="expected the manifest of a preset; get"):
        read_manifest(content)


def file(path, **changes):
    return {
        "path": path,
        "size": 1,
        "sha256": "0" * 64,
        "role": "media",
        "biometric": False,
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "mira"}, "id is 'mira'"),
        ({"version": "1"}, "version is '1'"),
        ({"files": [file("../x.json")]}, "leads out of the bundle"),
        ({"files": [file(ADAPTER), file("facekit.json")]}, "is no content"),
        ({"files": [file("signatures/x.json"), file(ADAPTER)]}, "is no content"),
        ({"files": [file(ADAPTER), file("README.md")]}, "not in the order"),
        ({"files": [file("a.json")]}, f"names {ADAPTER}, which it does not list"),
        ({"files": [file(ADAPTER, size=5_000_000_000)]}, "size"),
        ({"files": [file(ADAPTER, size=-1)]}, "size"),
        ({"files": [file(ADAPTER, sha256="x")]}, "sha256"),
        ({"files": [file(f"a{n}.json", size=3 * 10**9) for n in range(3)]}, "larger than"),
        ({"subject": {"type": "real"}}, "there is no consent"),
        ({"subject": {"type": "real", "consent": "rights/consent.json"}}, "does not list"),
        ({"title": "a\nb"}, "title"),
        ({"rights": {"license": "MIT", "commercial": True, "retain_until": "soon"}}, "rights"),
    ],
)
def test_a_manifest_that_does_not_hold_together_is_refused(changes, said):
    with pytest.raises(BundleDamaged) as refused:
        read_manifest(canonical_json(told(**changes)))
    assert said in str(refused.value)


def test_the_schema_describes_what_is_written():
    schema = manifest_schema()
    assert set(json.loads(tiny_manifest(tiny_contents()).to_bytes())) == set(schema["properties"])
    assert schema["additionalProperties"] is False
