"""Ways to make a file say what is not so: none of them is ever taken for a trusted one."""

from dataclasses import replace
from pathlib import Path

import pytest

from facekit.errors import KeyRefused
from facekit.provenance.certificates import Certificates, certificates_folder
from facekit.provenance.credentials import EMBEDDED
from facekit.provenance.signing import sign_file
from facekit.signing.home import KeyHome
from facekit.workflows.credentials import sign_output
from facekit.workflows.verify import verify_files
from tests.tiny.provenance import FACTS, chain, clip
from tests.tiny.provenance_attacks import REFUSED, STRIPPED, TAMPERED, make_files, signer_name


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("FACEKIT_CREDENTIALS")
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "keys"))
    monkeypatch.chdir(tmp_path)
    return KeyHome(tmp_path / "keys")


@pytest.fixture
def files(home, tmp_path) -> dict[str, Path]:
    return make_files(tmp_path)


@pytest.mark.parametrize("attack", TAMPERED)
def test_tampering_is_found(attack, files):
    path = TAMPERED[attack](files)

    result = verify_files([path])

    (found,) = result.files
    assert found.tampered
    assert not found.is_sure
    assert result.exit_code == 6
    is_cut = attack == "cut_short"
    assert ("damaged or cut off" if is_cut else "TAMPERED") in result.describe()


@pytest.mark.parametrize("attack", STRIPPED)
def test_without_credentials_it_is_recognised_and_never_trusted(attack, files):
    make, how = STRIPPED[attack]

    (found,) = verify_files([make(files)]).files

    assert found.how == how
    assert found.credentials.state == "none"
    assert found.is_sure == (how == "file")
    assert bool(found.unknown) == (how != "file")


def test_what_somebody_else_signs_is_whole_and_not_trusted(files):
    path = clip(files["clip"].with_name("theirs.mp4"), seed=9)
    sign_file(path, replace(FACTS, render_id="9" * 32), chain(name=signer_name(files)))

    result = verify_files([path])

    (found,) = result.files
    assert (found.credentials.state, found.is_sure, result.exit_code) == ("valid", False, 0)
    assert "as it says, mira" in result.describe()
    assert "anybody can make such a key" in result.describe()


def test_a_root_that_a_file_brings_counts_only_by_its_key(files, home, tmp_path):
    """The certificate says the same names as ours, and the root lies in the file."""
    theirs = chain(name=signer_name(files))
    ours = (certificates_folder(home) / "root.pem").read_text()
    path = clip(tmp_path / "theirs.mp4", seed=9)
    both = Certificates(chain=theirs.chain + ours, private_key=theirs.private_key)
    try:
        sign_file(path, replace(FACTS, render_id="9" * 32), both)
    except KeyRefused:
        return

    (found,) = verify_files([path]).files

    assert found.credentials.state != "trusted"


@pytest.mark.parametrize("attack", REFUSED)
def test_certificates_that_will_not_do_sign_nothing(attack, tmp_path):
    path = clip(tmp_path / "a.mp4")
    before = path.read_bytes()

    with pytest.raises(KeyRefused, match="expected certificates that are valid now"):
        sign_file(path, FACTS, chain(**REFUSED[attack]))

    assert path.read_bytes() == before


def test_the_key_of_another_certificate_signs_nothing_that_holds(files, tmp_path):
    mine, other = chain(), chain()
    path = clip(tmp_path / "a.mp4")
    wrong = Certificates(chain=mine.chain, private_key=other.private_key)

    try:
        sign_file(path, replace(FACTS, render_id="9" * 32), wrong)
    except KeyRefused:
        return
    assert verify_files([path]).exit_code == 6


def test_a_key_that_others_may_read_is_refused(files, home, tmp_path):
    (certificates_folder(home) / "key.pem").chmod(0o644)

    with pytest.raises(KeyRefused, match="others may read it"):
        sign_output(clip(tmp_path / "a.mp4"), FACTS)


def test_files_of_every_format_are_found(files):
    assert {path.suffix for path in files.values()} <= {*EMBEDDED, ".exr"}
    assert len(TAMPERED) + len(STRIPPED) + len(REFUSED) >= 25
