import pytest

from facekit.signing.open_secrets import find_secret

NAMES = """secret account_key connection_string sas sas_token passphrase passwd key api_key db_pwd
credentials AWS_SECRET_ACCESS_KEY"""


@pytest.mark.parametrize("name", NAMES.split())
def test_an_option_that_is_a_secret_is_named(name):
    assert find_secret("s3://b", {"anon": True, name: "x"}) == f"options.{name} is a secret"


@pytest.mark.parametrize(
    "uri", ["sftp://anna:pw@host/x", "https://h/x?sv=1&sig=ab", "https://h/x?X-Amz-Signature=ab"]
)
def test_an_address_that_lets_in_whoever_has_it_is_named(uri):
    assert find_secret(uri, {}) == "uri holds a secret"
    assert find_secret("x", {"proxy": uri}) == "options.proxy holds a secret"


def test_what_everybody_may_know_passes():
    options = {"endpoint_url": "http://h:9000", "key_filename": "~/.ssh/a", "account_name": "a"}
    assert find_secret("sftp://anna@host:22/presets?region=eu", options) == ""
    assert find_secret("s3://passage/tokyo", {"profile": "show", "keyboard": "de"}) == ""
