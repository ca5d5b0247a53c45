import pytest

from facekit.errors import UsageError
from facekit.faces import vendors
from facekit.faces.protocols import FaceDetector, FaceVendor, IdentityEncoder
from tests.tiny.faces import DiscFaces


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendors, "_loaders", dict(vendors._loaders))
    monkeypatch.setattr(vendors, "_loaded", {})


def test_an_unknown_name_lists_the_known_ones():
    for refuse in (vendors.load_faces, vendors.check_vendor):
        with pytest.raises(UsageError, match=r"toon-c: no such.*toon-a, toon-b"):
            refuse("toon-c")
    vendors.check_vendor("toon-a")
    assert vendors._loaded == {}


def test_a_vendor_is_loaded_once():
    vendors.register_vendor("discs", DiscFaces)
    assert "discs" in vendors.known_vendors()
    assert vendors.load_faces("discs") is vendors.load_faces("discs")


def test_a_name_is_given_once():
    with pytest.raises(UsageError, match="toon-a: a face model of this name exists"):
        vendors.register_vendor("toon-a", DiscFaces)


def test_a_vendor_is_known_by_its_protocols_and_its_digest():
    faces = DiscFaces()
    assert isinstance(faces, FaceDetector)
    assert isinstance(faces, IdentityEncoder)
    assert isinstance(faces, FaceVendor)
    assert vendors.encoder_id(faces) == f"discs@{faces.digest[:12]}"
