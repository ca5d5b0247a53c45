import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from facekit.errors import KeyRefused, UsageError
from facekit.signing.keys import KEYID_LENGTH, PublicKey, SigningKey


def test_a_signature_is_good_for_its_message_and_key_alone():
    anna, bob = SigningKey.generate("anna"), SigningKey.generate("bob")
    signature = anna.sign(b"yes")
    assert anna.public.verify(b"yes", signature)
    assert not anna.public.verify(b"no", signature)
    assert not bob.public.verify(b"yes", signature)
    assert not anna.public.verify(b"yes", signature[:-1])


def test_a_public_key_is_one_line_of_openssh_and_comes_back():
    key = SigningKey.generate("anna on her laptop").public
    assert key.line.startswith("ssh-ed25519 AAAA")
    assert key.line.endswith(" anna on her laptop")
    back = PublicKey.from_line(key.line)
    assert (back, back.name, back.keyid) == (key, key.name, key.keyid)
    assert len(key.keyid) == KEYID_LENGTH


def test_the_name_plays_no_part_in_what_a_key_is():
    key = SigningKey.generate("anna").public
    assert PublicKey(key.raw, "mallory") == key


@pytest.mark.parametrize("line", ["", "ssh-ed25519", "ssh-ed25519 AAAA anna", "nonsense x y"])
def test_a_line_that_is_no_key_is_refused(line):
    with pytest.raises(KeyRefused, match="not a public key"):
        PublicKey.from_line(line)


def test_keys_of_other_kinds_are_refused():
    other = generate_private_key(SECP256R1()).public_key()
    line = other.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    with pytest.raises(KeyRefused, match="not a public key"):
        PublicKey.from_line(line)


def test_a_name_is_one_printable_line():
    with pytest.raises(UsageError, match="not a name"):
        SigningKey.generate("anna\nssh-ed25519 AAAA")


def test_a_file_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "anna"
    path.write_bytes(SigningKey.generate("anna").private_bytes())
    path.chmod(0o640)
    with pytest.raises(KeyRefused, match=r"others may read it \(mode 640\)"):
        SigningKey.load(path)


def test_a_passphrase_locks_the_file(tmp_path):
    path = tmp_path / "anna"
    key = SigningKey.generate("anna")
    path.write_bytes(key.private_bytes("correct horse"))
    path.chmod(0o600)
    assert SigningKey.load(path, passphrase="correct horse").public == key.public
    (tmp_path / "open").write_bytes(key.private_bytes())
    (tmp_path / "open").chmod(0o600)
    opened = SigningKey.load(tmp_path / "open", passphrase="of another key")
    assert opened.public == key.public
    for wrong in (None, "battery staple"):
        with pytest.raises(KeyRefused, match="cannot be opened"):
            SigningKey.load(path, passphrase=wrong)


def test_a_key_tells_nothing_secret_of_itself():
    key = SigningKey.generate("anna")
    assert key.private_bytes().decode().splitlines()[1] not in repr(key)
