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
    path = store.add("mira", made)
    for said in ("mira", REF, made.digest, made.digest[:8], str(path)):
        found = store.find(said)
        assert (found.digest, found.name) == (made.digest, "mira")
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


def test_a_damaged_record_stops_its_person_and_nobody_else(store):
    other = "subj_" + "1" * 32
    store.add("mira", consent())
    damaged = store.add("noa", consent(subject_ref=other))
    damaged.write_bytes(b"{}")
    for said in ("mira", REF, store.find("mira").digest[:8]):
        assert store.find(said).name == "mira"
    assert len(store.of_subject(REF)) == 1
    for said in ("noa", other):
        with pytest.raises(ConsentRefused, match="schema") as caught:
            store.find(said)
        assert caught.value.rule == "record"
    damaged.write_text(f'{{"subject_ref": "{REF}"}}')
    with pytest.raises(ConsentRefused, match="schema"):
        store.of_subject(REF)


def test_a_damaged_later_record_of_the_same_name_is_not_passed_over(store):
    store.add("mira", consent())
    late = consent(now=NOW + timedelta(days=1), uses={"allow": ["test"]})
    store.add("mira", late, again=True).write_bytes(b"")
    with pytest.raises(ConsentRefused):
        store.of_subject(REF)


def test_a_damaged_revocation_may_concern_its_person_alone(store):
    other = "subj_" + "1" * 32
    mira, noa = consent(), consent(subject_ref=other)
    store.add("mira", mira)
    store.add("noa", noa)
    path, _ = store.revoke(store.find("noa"), (LEGAL,))
    path.write_text("no JSON")
    revocations, (damaged,) = store.look_at_revocations([LEGAL.public])
    assert revocations == ()
    assert (damaged.may_concern(mira), damaged.may_concern(noa)) == (False, True)
    assert "JSONDecodeError" not in str(damaged.error)
    for unknown in ("x.revoke-1.json", f"x.{'0' * 8}.revoke-1.json"):
        path = path.rename(path.with_name(unknown))
        _, (damaged,) = store.look_at_revocations([LEGAL.public])
        assert damaged.may_concern(mira), unknown
