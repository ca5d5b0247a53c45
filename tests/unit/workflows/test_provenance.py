import pytest

from facekit.errors import MediaError, UsageError
from facekit.provenance.credentials import read_credentials
from facekit.types import Clip, Shot
from facekit.workflows.provenance import show_manifest, sign_takes
from facekit.workflows.takes import write_take
from tests.tiny.provenance import clip, frames


@pytest.fixture
def unsigned(tmp_path, monkeypatch):
    """A take that was made without credentials; they are wanted now."""
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "keys"))
    monkeypatch.chdir(tmp_path)
    shot = Shot(name="a", prompt="p", seed=1, num_frames=3, height=48, width=48, kind="close-up")
    path = write_take(
        tmp_path / "out", shot, Clip(frames=frames(), fps=8.0), {"fingerprint": "f" * 64}
    )
    monkeypatch.delenv("FACEKIT_CREDENTIALS")
    return path


def test_a_take_is_signed_afterwards_by_its_record(unsigned):
    result = sign_takes([unsigned, unsigned.with_suffix(".png")])

    assert len(result.signed) == 2
    assert read_credentials(unsigned).facts.fingerprint == "f" * 64
    assert "signed: " in result.describe()
    again = sign_takes([unsigned])
    assert again.to_json() == {"signed": [], "passed_over": [str(unsigned)]}
    manifest = show_manifest(unsigned)
    assert "trainedAlgorithmicMedia" in manifest.describe()
    assert manifest.to_json()["manifest"]["validation_state"] == "Valid"


def test_what_facekit_did_not_make_is_not_signed(unsigned, tmp_path, monkeypatch):
    other = clip(tmp_path / "other.mp4")
    with pytest.raises(UsageError, match=r"no record of a take beside it .* sign only what"):
        sign_takes([other])
    with pytest.raises(MediaError, match="no credentials in it or beside it"):
        show_manifest(other)
    monkeypatch.setenv("FACEKIT_CREDENTIALS", "none")
    with pytest.raises(UsageError, match="credentials are switched off"):
        sign_takes([unsigned])
