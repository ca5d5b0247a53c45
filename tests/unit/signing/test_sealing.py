import pytest

from facekit.errors import KeyRefused
from facekit.signing.keys import SigningKey
from facekit.signing.sealing import is_sealed_for, open_sealed, seal

ANNA, BOB, MALLORY = (SigningKey.generate(name) for name in ("anna", "bob", "mallory"))


def test_each_recipient_reads_it_and_nobody_else():
    sealed = seal(b"embeddings", [ANNA.public, BOB.public])
    assert b"embeddings" not in sealed
    assert open_sealed(sealed, ANNA) == open_sealed(sealed, BOB) == b"embeddings"
    with pytest.raises(KeyRefused, match="sealed for"):
        open_sealed(sealed, MALLORY)


def test_a_changed_byte_is_found():
    sealed = bytearray(seal(b"embeddings", [ANNA.public]))
    sealed[-1] ^= 1
    with pytest.raises(KeyRefused, match="cannot be opened"):
        open_sealed(bytes(sealed), ANNA)


def test_sealing_for_nobody_is_refused():
    with pytest.raises(KeyRefused, match="no recipient"):
        seal(b"embeddings", [])


def test_for_whom_it_is_sealed_is_known_without_opening_it():
    sealed = seal(b"embeddings", [ANNA.public, BOB.public])
    assert is_sealed_for(sealed, ANNA.public)
    assert is_sealed_for(sealed, BOB.public)
    assert not is_sealed_for(sealed, MALLORY.public)
    assert not is_sealed_for(b"", ANNA.public)
