import pytest

from facekit.errors import BundleDamaged, SignatureRefused, UsageError
from facekit.presets.bundle import is_bundle, open_bundle
from facekit.presets.manifest import ADAPTER
from facekit.presets.packing import write_archive
from facekit.signing.keys import SigningKey
from tests.tiny.presets import tiny_contents, write_preset


def test_what_looks_like_a_preset(tmp_path):
    write_preset(tmp_path / "plain", tiny_contents())
    (tmp_path / "other").mkdir()
    assert is_bundle(tmp_path / "plain")
    assert is_bundle(tmp_path / "x.facekit")
    assert not is_bundle(tmp_path / "other")
    assert not is_bundle(tmp_path / "x.safetensors")


def test_who_signed_is_another_question_than_whether_it_is_whole(tmp_path):
    anna, bob = SigningKey.generate("anna"), SigningKey.generate("bob")
    bundle = write_preset(tmp_path / "a", tiny_contents(), key=anna)
    assert bundle.packed_by((anna.public, bob.public)).signers == (anna.public,)
    with pytest.raises(SignatureRefused, match="no valid signature"):
        bundle.packed_by((bob.public,))
    write_archive(tmp_path / "b.facekit", bundle.content, bundle.files, {})
    with pytest.raises(SignatureRefused, match="not signed"):
        open_bundle(tmp_path / "b.facekit").packed_by((anna.public,))


def test_only_listed_files_are_read(tmp_path):
    bundle = write_preset(tmp_path / "a", tiny_contents())
    assert bundle.read(ADAPTER) == b"not a tensor in sight"
    for name in ("facekit.json", "../a/README.md", "nothing.json"):
        with pytest.raises(BundleDamaged, match="expected a file that the manifest lists"):
            bundle.read(name)


def test_nothing_is_there(tmp_path):
    with pytest.raises(UsageError, match="check the spelling"):
        open_bundle(tmp_path / "nothing.facekit")
