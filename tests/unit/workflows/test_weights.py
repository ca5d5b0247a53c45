import hashlib
from pathlib import Path

import pytest

from facekit.errors import UsageError, WeightsMissing
from facekit.types import NoProgress
from facekit.weights import CatalogueEntry, CatalogueFile, catalogue, store
from facekit.workflows import weights
from facekit.workflows.weights import (
    list_weights,
    plan_add,
    plan_fetch,
    run_add,
    run_fetch,
    verify_weights,
    weights_place,
)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch, folder: Path) -> CatalogueEntry:
    """One more entry in the catalogue."""
    sha256 = hashlib.sha256(b"net").hexdigest()
    file = CatalogueFile(name="net.onnx", sha256=sha256, num_bytes=3, url="http://x/net.onnx")
    entry = CatalogueEntry(
        name="net",
        title="A net",
        licence="research only",
        commercial_use=False,
        source="the test",
        files=(file,),
    )
    both = {**catalogue(), "net": entry}
    monkeypatch.setattr(weights, "catalogue", lambda: both)
    for module in (weights, store):
        monkeypatch.setattr(module, "catalogue_entry", both.__getitem__)
    return entry


def test_the_list_tells_size_licence_and_what_is_here(net: CatalogueEntry, folder: Path) -> None:
    folder.mkdir()
    (folder / "net.onnx").write_bytes(b"net")
    text = list_weights().describe()
    assert "here  net" in text
    assert "38.7 MB  sface" in text
    assert "licence: research only - no commercial use" in text
    assert str(folder) in text
    here = {entry["name"]: entry["here"] for entry in list_weights().to_json()["weights"]}
    assert here["net"]
    assert not here["sface"]


def test_the_plan_shows_the_licence_before_anything_is_fetched(
    net: CatalogueEntry, folder: Path
) -> None:
    plan = plan_fetch(["net", "buffalo_l", "net"])
    assert [entry.name for entry in plan.entries] == ["net", "buffalo_l"]
    text = plan.describe()
    assert "licence: non-commercial research only (InsightFace) - no commercial use" in text
    assert "buffalo_l: 288.6 MB" in text
    assert "from: https://github.com/deepinsight/" in text
    assert text.endswith(f"into: {folder}")
    assert not folder.exists()
    assert plan.to_json()["folder"] == str(folder)


def test_an_unknown_name_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="no such weights"):
        plan_fetch(["buffalo"])


def test_what_is_here_is_not_fetched_and_what_is_damaged_is(
    net: CatalogueEntry, folder: Path
) -> None:
    folder.mkdir()
    (folder / "net.onnx").write_bytes(b"net")
    plan = plan_fetch(["net"])
    assert (plan.entries, plan.present) == ((), ("net",))
    assert run_fetch(plan, NoProgress()).exit_code == 0
    (folder / "net.onnx").write_bytes(b"damaged")
    assert plan_fetch(["net"]).entries == (net,)


def test_progress_counts_megabytes(
    net: CatalogueEntry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counting(NoProgress):
        steps = 0

        def advance(self, n: int = 1, info: str = "") -> None:
            self.steps += n

    def fetch(entry: CatalogueEntry, advance) -> None:
        for piece in (600_000, 600_000, -1_200_000, 2_500_000):
            advance(piece)
        (folder / "net").mkdir(parents=True)
        (folder / "net" / "net.onnx").write_bytes(b"net")

    monkeypatch.setattr(weights, "fetch_weights", fetch)
    progress = Counting()
    result = run_fetch(plan_fetch(["net"]), progress)
    assert progress.steps == 2
    assert str(folder / "net" / "net.onnx") in result.describe()


def test_what_is_at_hand_is_added(net: CatalogueEntry, folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.onnx"
    mine.write_bytes(b"net")
    plan = plan_add("net", mine)
    assert "research only - no commercial use" in plan.describe()
    assert run_add(plan, NoProgress()).exit_code == 0
    assert weights_place("net").describe() == str(folder / "net" / "net.onnx")
    with pytest.raises(WeightsMissing, match="no such file or folder"):
        plan_add("net", tmp_path / "none")


def test_verification_names_every_fault(net: CatalogueEntry, folder: Path) -> None:
    assert verify_weights().describe().startswith("nothing is here")
    folder.mkdir()
    (folder / "net.onnx").write_bytes(b"damaged")
    result = verify_weights()
    assert result.exit_code == 6
    assert "net.onnx: sha256" in result.describe()
    assert result.to_json()["bad"]["net"]["code"] == "checksum_mismatch"
    assert verify_weights(["sface"]).to_json()["bad"]["sface"]["code"] == "weights_missing"


def test_the_place(net: CatalogueEntry, folder: Path) -> None:
    assert weights_place().describe() == str(folder)
    assert weights_place().to_json() == {"folders": [str(folder)], "files": None}
    with pytest.raises(WeightsMissing, match="run facekit weights fetch net"):
        weights_place("net")
