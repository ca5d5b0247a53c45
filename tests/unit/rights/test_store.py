"""Records in a folder: found, renewed, taken back."""

from datetime import timedelta

import pytest

from facekit.errors import ConsentRefused, OutputExists, SignatureRefused, UsageError
from facekit.rights.store import ConsentStore
from tests.tiny.consents import LEGAL, NOW, REF, STRANGER, consent


@pytest.fixture
def store(tmp_path):
    return ConsentStore(tmp_path / "consent")


def test_a_record_is_found_by_whatever_it_is_called(store):
    made = consent()
    path = store.add("mira", made, places={"ab" * 32: "/scans/mira.pdf"})
    for said in ("mira", REF, made.digest, made.digest[:8], str(path)):
        found = store.find(said)
        assert (found.digest, found.name) == (made.digest, "mira")
    assert store.places(store.find("mira")) == {"ab" * 32: "/scans/mira.pdf"}
    assert b"scans" not in path.read_bytes()
    with pytest.raises(ConsentRefused, match="one of mira") as caught:
        store.find("tomas")
    assert caught.value.rule == "exists"


def test_nothing_is_replaced_and_the_latest_counts(store):
    store.add("mira", consent())
    late = consent(now=NOW + timedelta(days=1), purpose="more")
    with pytest.raises(OutputExists, match="--renew"):
        store.add("mira", late)
    store.add("mira", late, again=True)
    assert store.find("mira").digest == late.digest
    assert len(store.of_subject(REF)) == 2


@pytest.mark.parametrize("name", ["", "../mira", "a/b", ".mira", "a.b", "x" * 65])
def test_names_are_plain(store, name):
    with pytest.raises(UsageError):
        store.add(name, consent())


def test_taking_back_adds_a_statement(store):
    store.add("mira", consent())
    path, made = store.revoke(store.find("mira"), (LEGAL,), effect="withdraw", reason="asked")
    (found,) = store.revocations([LEGAL.public])
    assert (found, found.reason) == (made, "asked")
    assert found.concerns(store.find("mira"))
    assert len(store.records()) == 1
    with pytest.raises(SignatureRefused):
        store.revocations([STRANGER.public])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # of the payload, where every bit counts
    path.write_bytes(content)
    with pytest.raises(SignatureRefused):
        store.revocations([LEGAL.public])
