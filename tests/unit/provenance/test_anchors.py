from cryptography import x509

from facekit.provenance.anchors import anchors_in
from facekit.provenance.certificates import ensure_certificates, own_root
from facekit.provenance.signing import sign_file
from facekit.signing.home import KeyHome
from facekit.signing.keys import SigningKey
from tests.tiny.provenance import FACTS, chain, clip


def test_roots_are_found_by_their_keys_alone(tmp_path):
    home = KeyHome(tmp_path / "keys")
    ours, theirs = clip(tmp_path / "ours.mp4"), clip(tmp_path / "theirs.mp4")
    sign_file(ours, FACTS, ensure_certificates(home))
    sign_file(theirs, FACTS, chain())
    key = own_root(home)

    found = anchors_in(ours, [key])

    assert x509.load_pem_x509_certificates(found.encode())[0].public_key() is not None
    assert anchors_in(theirs, [key]) == ""
    assert anchors_in(ours, [SigningKey.generate("b").public]) == ""
    (tmp_path / "empty.mp4").touch()
    assert anchors_in(tmp_path / "empty.mp4", [key]) == ""
