import json

import pytest

from facekit.errors import KeyRefused, KeyUnknown, OutputExists, SignatureRefused, UsageError
from facekit.signing.home import KeyHome
from facekit.workflows.keys import distrust_key, init_key, rotate_key, show_keys, trust_key


@pytest.fixture
def home(tmp_path, monkeypatch):
    def be(name):
        monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / name))
        return tmp_path / name

    return be


def test_a_key_is_made_once_and_shown(home):
    folder = home("anna")
    assert "make one with: facekit keys init" in show_keys().describe()
    made = init_key("anna")
    assert (folder / "anna").stat().st_mode & 0o777 == 0o600
    assert made.key.line in made.describe()
    listed = show_keys()
    assert listed.own == {"anna": made.key}
    assert listed.default == "anna"
    json.dumps([made.to_json(), listed.to_json()])
    with pytest.raises(OutputExists):
        init_key("anna")


def test_a_passphrase_locks_it(home, monkeypatch):
    folder = home("anna")
    assert init_key("anna", passphrase="open sesame").is_locked
    with pytest.raises(KeyRefused, match="FACEKIT_PASSPHRASE"):
        KeyHome(folder).signing_key()
    monkeypatch.setenv("FACEKIT_PASSPHRASE", "open sesame")
    assert KeyHome(folder).signing_key().public.name == "anna"


def test_a_line_and_a_file_are_trusted_once(home, tmp_path):
    anna_home = home("anna")
    anna = init_key("anna").key
    home("bob")
    assert trust_key(anna.line, name="anna of the show").is_new
    assert not trust_key(str(anna_home / "anna.pub")).is_new
    assert [key.name for key in show_keys().others] == ["anna of the show"]
    for bad in ("ssh-rsa AAAA", "nothing", str(anna_home / "anna")):
        with pytest.raises(KeyRefused):
            trust_key(bad)


def test_a_new_key_is_trusted_on_the_word_of_the_old_one(home):
    home("anna")
    old = init_key("anna").key
    done = rotate_key()
    assert done.new.name == "anna-2"
    assert show_keys().default == "anna-2"
    assert rotate_key().new.name == "anna-3"
    assert set(show_keys().own) == {"anna", "anna-2", "anna-3"}

    home("bob")
    with pytest.raises(SignatureRefused, match="no valid signature by a trusted key"):
        trust_key(str(done.statement))
    trust_key(old.line)
    trusted = trust_key(str(done.statement))
    assert (trusted.key, trusted.instead_of) == (done.new, old.keyid)
    assert trusted.is_new
    json.dumps([done.to_json(), trusted.to_json()])


def test_a_stranger_cannot_hand_over_for_a_trusted_key(home, tmp_path):
    home("mallory")
    init_key("mallory")
    forged = rotate_key()
    home("anna")
    anna = init_key("anna").key
    real = rotate_key()
    home("bob")
    trust_key(anna.line)
    told = json.loads(real.statement.read_text())
    stolen = json.loads(forged.statement.read_text())
    for changed in (
        {**told, "payload": stolen["payload"]},
        {**stolen, "signatures": told["signatures"]},
        stolen,
    ):
        path = tmp_path / "x.rotate.json"
        path.write_text(json.dumps(changed))
        with pytest.raises(SignatureRefused):
            trust_key(str(path))
    (tmp_path / "big.pub").write_bytes(bytes(5_000_000))
    with pytest.raises(KeyRefused):
        trust_key(str(tmp_path / "big.pub"))


def test_an_open_key_is_replaced_by_a_locked_one(home, monkeypatch):
    folder = home("anna")
    init_key("anna")
    monkeypatch.setenv("FACEKIT_PASSPHRASE", "open sesame")
    assert rotate_key(passphrase="open sesame").new.name == "anna-2"
    (folder / "anna.pub").unlink()
    assert not init_key("anna", passphrase="open sesame").is_locked
    monkeypatch.delenv("FACEKIT_PASSPHRASE")
    with pytest.raises(KeyRefused, match="FACEKIT_PASSPHRASE"):
        KeyHome(folder).signing_key("anna-2")


def test_half_a_key_is_in_nobodys_way(home):
    folder = home("anna")
    init_key("anna")
    (folder / "anna-2").write_text("cut off by a kill")
    assert rotate_key().new.name == "anna-3"


def test_trust_in_an_old_key_is_told_and_taken_back(home, tmp_path):
    home("anna")
    old = init_key("anna").key
    statement = str(rotate_key().statement)
    home("bob")
    trust_key(old.line)
    assert "still trusted: anna" in trust_key(statement).describe()
    assert len(show_keys().others) == 2
    replaced = trust_key(statement, replace=True)
    assert "trusted no longer: anna (" in replaced.describe()
    (left,) = show_keys().others
    assert left == replaced.key
    gone = distrust_key("anna-2")
    assert gone.keys == (left,)
    assert not gone.counted_by_show
    json.dumps([replaced.to_json(), gone.to_json()])
    assert show_keys().others == ()
    with pytest.raises(KeyRefused, match="not trusted"):
        distrust_key("anna-2")
    with pytest.raises(UsageError, match="names no old key"):
        trust_key(old.line, replace=True)
    home("anna")
    with pytest.raises(UsageError, match="a key of your own"):
        trust_key(statement, replace=True)


def test_what_is_no_key_is_a_mistake_and_is_not_repeated(home, tmp_path):
    home("anna")
    init_key("anna")
    (tmp_path / "passwd").write_text("root:x:0:0:root")
    with pytest.raises(KeyUnknown, match="passwd: not a public key") as error:
        trust_key(str(tmp_path / "passwd"))
    assert "root" not in str(error.value).replace(str(tmp_path), "")
    for wrong in (lambda: trust_key("x"), lambda: distrust_key("x"), lambda: rotate_key("x")):
        with pytest.raises(KeyUnknown) as error:
            wrong()
        assert error.value.exit_code == 2
