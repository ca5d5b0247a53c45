import pytest

from facekit.errors import KeyRefused, OutputExists, UsageError
from facekit.signing.home import KeyHome, key_home
from facekit.signing.keys import SigningKey


@pytest.fixture
def home(tmp_path):
    return KeyHome(tmp_path / "keys")


def test_the_first_key_signs_until_another_is_chosen(home):
    home.create("anna")
    home.create("anna-2027")
    assert home.signing_key().public.name == "anna"
    home.use("anna-2027")
    assert home.signing_key().public.name == "anna-2027"
    assert [key.name for key in home.own()] == ["anna", "anna-2027"]


def test_private_keys_are_their_owners_alone(home):
    home.create("anna")
    assert (home.folder / "anna").stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_replaced(home):
    key = home.create("anna")
    with pytest.raises(OutputExists, match="never replaced"):
        home.create("anna")
    assert home.signing_key().public == key.public


@pytest.mark.parametrize("name", ["", "../anna", "anna.pub", "default", ".hidden", "a/b"])
def test_a_name_that_is_no_file_is_refused(home, name):
    with pytest.raises(UsageError, match="not a name"):
        home.create(name)


def test_without_a_key_nothing_is_signed(home):
    with pytest.raises(KeyRefused, match="facekit keys init"):
        home.signing_key()


def test_own_keys_and_those_of_others_are_trusted(home):
    own, other = home.create("anna").public, SigningKey.generate("bob").public
    assert home.trust(other)
    assert not home.trust(other)
    assert home.trusted() == (own, other)


def test_the_passphrase_comes_from_the_environment(home, monkeypatch):
    home.create("anna", passphrase="correct horse")
    with pytest.raises(KeyRefused, match="FACEKIT_PASSPHRASE"):
        home.signing_key()
    monkeypatch.setenv("FACEKIT_PASSPHRASE", "correct horse")
    assert home.signing_key().public == home.own()[0]


def test_the_folder_is_that_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path))
    assert key_home().folder == tmp_path
    monkeypatch.delenv("FACEKIT_KEYS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert key_home().folder == tmp_path / "facekit" / "keys"


@pytest.mark.parametrize("lost", [["anna.pub", "default"], ["default"], ["anna.pub"]])
def test_a_key_that_a_kill_left_half_made_is_made_whole(home, lost):
    key = home.create("anna").public
    for name in lost:
        (home.folder / name).unlink()
    assert home.create("anna").public == key
    assert (home.own(), home.default_name()) == ((key,), "anna")
    with pytest.raises(OutputExists):
        home.create("anna")


def test_a_private_key_is_there_whole_or_not_at_all(home, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        home.create("anna")
    assert list(home.folder.iterdir()) == []


def test_trust_is_taken_back(home):
    own = home.create("anna").public
    bob, eve = (SigningKey.generate(name).public for name in ("bob", "eve"))
    for key in (bob, eve):
        home.trust(key)
    assert home.distrust("bob") == (bob,)
    assert home.trusted() == (own, eve)
    assert home.distrust(eve.keyid[:12]) == (eve,)
    for name in ("bob", "anna", own.keyid, "", eve.keyid[:4]):
        with pytest.raises(KeyRefused, match="not trusted"):
            home.distrust(name)
    home.trust(bob)
    assert home.trusted() == (own, bob)
