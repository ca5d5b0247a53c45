from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from facekit.errors import KeyRefused, OutputError
from facekit.provenance.certificates import (
    certificates_folder,
    ensure_certificates,
    load_certificates,
    own_root,
)
from facekit.signing.home import KeyHome


@pytest.fixture
def home(tmp_path):
    return KeyHome(tmp_path / "keys")


def leaf_of(certificates):
    return x509.load_pem_x509_certificates(certificates.chain.encode())[0]


def test_they_are_made_once_and_only_the_owner_reads_the_keys(home):
    first, second = ensure_certificates(home), ensure_certificates(home)

    assert (first.is_new, second.is_new) == (True, False)
    assert first.chain == second.chain
    folder = certificates_folder(home)
    assert folder.stat().st_mode & 0o077 == 0
    for name in ("facekit", "key.pem"):
        assert (folder / name).stat().st_mode & 0o077 == 0
    assert own_root(home) is not None
    assert home.own() == ()  # it signs no preset


def test_the_leaf_is_for_content_alone_and_by_the_root(home):
    leaf, root = x509.load_pem_x509_certificates(ensure_certificates(home).chain.encode())

    leaf.verify_directly_issued_by(root)
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.EMAIL_PROTECTION
    ]
    assert root.public_key().public_bytes_raw() == own_root(home).raw
    (name,) = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert str(name.value).startswith("facekit ")


def test_several_at_once_get_the_same_ones(home):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: ensure_certificates(home).chain, range(8)))

    assert len(set(found)) == 1
    assert [path.name for path in home.folder.iterdir()] == ["credentials"]


def test_what_ends_soon_is_renewed_by_the_same_root(home):
    old = ensure_certificates(home, now=datetime.now(UTC) - timedelta(days=3600))
    new = ensure_certificates(home)

    assert leaf_of(new).not_valid_after_utc - leaf_of(old).not_valid_after_utc > timedelta(3000)
    assert leaf_of(new).public_key() == leaf_of(old).public_key()
    leaf, root = x509.load_pem_x509_certificates(new.chain.encode())
    leaf.verify_directly_issued_by(root)
    assert root.not_valid_after_utc >= leaf.not_valid_after_utc


def test_several_may_renew_at_once(home):
    early = datetime.now(UTC) - timedelta(days=3600)
    ensure_certificates(home, now=early)
    old = (certificates_folder(home) / "chain.pem").read_text()
    for _ in range(5):
        (certificates_folder(home) / "chain.pem").write_text(old)
        with ThreadPoolExecutor(6) as pool:
            for found in pool.map(lambda _: ensure_certificates(home), range(6)):
                leaf, root = x509.load_pem_x509_certificates(found.chain.encode())
                leaf.verify_directly_issued_by(root)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "keys").write_text("a file")

    with pytest.raises(OutputError, match=r"FACEKIT_KEYS, or make files without credentials"):
        ensure_certificates(KeyHome(tmp_path / "keys"))


def test_damaged_certificates_are_refused(home):
    ensure_certificates(home)
    (certificates_folder(home) / "chain.pem").write_text("nothing")

    with pytest.raises(KeyRefused, match="expected a chain of certificates and its key in PEM"):
        ensure_certificates(home)


def test_no_certificates_are_refused(tmp_path):
    with pytest.raises(KeyRefused):
        load_certificates(tmp_path / "chain.pem", tmp_path / "key.pem")
