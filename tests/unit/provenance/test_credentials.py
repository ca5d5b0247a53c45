import pytest

from facekit.errors import MediaError
from facekit.provenance.certificates import ensure_certificates, own_root
from facekit.provenance.credentials import read_credentials, read_manifest, sidecar_of
from facekit.provenance.signing import sign_file
from facekit.signing.home import KeyHome
from tests.tiny.provenance import FACTS, chain, clip


def test_none_are_none(tmp_path):
    path = clip(tmp_path / "a.mp4")
    (tmp_path / "junk.mp4").write_bytes(b"abc")
    (tmp_path / "empty.png").touch()

    for name in ("a.mp4", "junk.mp4", "empty.png"):
        assert read_credentials(tmp_path / name).state == "none"
    assert read_manifest(path) is None


def test_trust_comes_from_the_key_of_the_root(tmp_path):
    home, path = KeyHome(tmp_path / "keys"), clip(tmp_path / "a.mp4")
    certificates = ensure_certificates(home)
    sign_file(path, FACTS, certificates)

    assert read_credentials(path).state == "valid"
    found = read_credentials(path, [own_root(home)])
    assert (found.state, found.facts, found.problems) == ("trusted", FACTS, ())


def test_further_roots_are_given_as_pem(tmp_path):
    path, certificates = clip(tmp_path / "a.mp4"), chain(name="studio")
    sign_file(path, FACTS, certificates)
    root = certificates.chain.partition("-----END CERTIFICATE-----\n")[2]

    assert read_credentials(path, anchors=root).state == "trusted"
    assert read_credentials(path, anchors=chain().chain).state == "valid"


def test_sidecars_lie_beside(tmp_path):
    assert sidecar_of(tmp_path / "a.0001.exr") == tmp_path / "a.0001.c2pa"


def test_no_file_is_refused(tmp_path):
    with pytest.raises(MediaError, match="no such file"):
        read_credentials(tmp_path / "a.mp4")
