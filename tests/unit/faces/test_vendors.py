import sys
import types
from pathlib import Path

import pytest

from facekit.errors import ChecksumMismatch, UsageError
from facekit.faces import facexlib, insightface, opencv, vendors
from facekit.faces.protocols import FaceDetector, FaceParser, FaceVendor, IdentityEncoder
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


def test_every_vendor_has_its_name() -> None:
    known = {"facexlib", "insightface", "opencv", "toon-a", "toon-b"}
    assert known == set(vendors.known_vendors())


def test_a_pack_is_named_or_a_folder(tmp_path: Path) -> None:
    for name in ("insightface:auraface", f"insightface:{tmp_path}"):
        vendors.check_vendor(name)
    with pytest.raises(UsageError, match=r"insightface:buffalo: no such pack.*buffalo_l.*folder"):
        vendors.check_vendor("insightface:buffalo")


def test_the_packs_are_those_that_the_vendor_loads() -> None:
    assert set(insightface.PACKS) == set(vendors._INSIGHTFACE_PACKS)
    assert insightface.DEFAULT_PACK in insightface.PACKS


def test_facts_are_told_without_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))
    facts = vendors.vendor_facts("opencv")
    assert (facts.commercial_use, facts.licence) == (True, "MIT; Apache-2.0")
    assert facts.missing_weights == ("yunet", "sface")
    assert facts.is_installed
    (tmp_path / "face_detection_yunet_2023mar.onnx").touch()
    assert facts.missing_weights == ("sface",)
    assert vendors.vendor_facts("toon-a").missing_weights == ()
    assert vendors.vendor_facts("insightface:auraface").commercial_use
    assert vendors.vendor_facts("toon-a").describe() == "toon-a (licence Apache-2.0)"
    assert vendors.vendor_facts("insightface").describe().endswith("), no commercial use)")
    for name in ("insightface", "insightface:antelopev2", "facexlib"):
        assert not vendors.vendor_facts(name).commercial_use
        assert "non-commercial" in vendors.vendor_facts(name).licence


def test_what_nobody_knows_is_not_for_commercial_use(tmp_path: Path) -> None:
    vendors.register_vendor("discs", DiscFaces)
    for name in ("discs", f"insightface:{tmp_path}"):
        facts = vendors.vendor_facts(name)
        assert (facts.licence, facts.commercial_use) == ("not known", False)


def test_a_module_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendors.importlib.util, "find_spec", lambda _: None)
    assert not vendors.vendor_facts("facexlib").is_installed
    assert vendors.vendor_facts("opencv").is_installed


def test_without_facexlib_masks_are_an_estimate_and_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "facexlib", None)
    parser = vendors.load_parser(DiscFaces())
    assert isinstance(parser, FaceParser)
    assert parser.name == "ellipse"
    assert "geometric estimate" in parser.shortfall
    assert "pip install 'facekit[facexlib]'" in parser.shortfall


def test_a_damaged_parser_is_told_and_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan promised BiSeNet, and the run went on with the ellipse."""
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))
    (tmp_path / "parsing_bisenet.pth").write_bytes(b"half of it")
    package = types.ModuleType("facexlib")
    monkeypatch.setitem(sys.modules, "facexlib", package)
    for name in ("parsing", "parsing.bisenet"):
        monkeypatch.setitem(sys.modules, f"facexlib.{name}", types.ModuleType(name))
    with pytest.raises(ChecksumMismatch, match="run facekit weights fetch bisenet"):
        vendors.load_parser(DiscFaces())


def test_for_a_vendor_of_drawings_the_parser_of_photographs_is_not_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(facexlib, "load_bisenet", lambda: pytest.fail("it knows photographs"))
    parser = vendors.load_parser(vendors.load_faces("toon-b"))
    assert parser.name == "ellipse"
    assert parser.shortfall.endswith("toon-b knows drawings, and the parser photographs")
    assert vendors.parser_facts("toon-b") == (None, parser.shortfall.rpartition(": ")[2])


def test_the_parser_of_photographs_is_expected_where_all_it_needs_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(vendors.importlib.util, "find_spec", lambda _: object())
    (tmp_path / "parsing_bisenet.pth").touch()
    facts, reason = vendors.parser_facts("opencv")
    assert reason == ""
    assert facts is not None
    assert not facts.commercial_use
    (tmp_path / "parsing_bisenet.pth").unlink()
    assert vendors.parser_facts("opencv") == (
        None,
        "bisenet needs facekit weights fetch bisenet",
    )


@pytest.mark.parametrize("name", ["toon-a", "toon-b"])
def test_facts_know_what_the_embedded_vendors_were_made_for(name: str) -> None:
    assert vendors.vendor_facts(name).made_for == vendors.load_faces(name).made_for == "drawing"


def test_facts_know_what_fetched_vendors_were_made_for() -> None:
    assert vendors.vendor_facts("opencv").made_for == opencv.OpenCVFaces.made_for
    assert vendors.vendor_facts("insightface").made_for == insightface.InsightFaces.made_for
    assert vendors.vendor_facts("facexlib").made_for == facexlib.FacexlibFaces.made_for


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
