import pytest

from facekit.errors import UsageError
from facekit.presets.hub_place import HubPlace, hub_place


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("hf://datasets/org/name", HubPlace("dataset", "org/name", "main", "")),
        ("hf://org/name/a/b", HubPlace("model", "org/name", "main", "a/b")),
        ("hf://datasets/org/name@team/a", HubPlace("dataset", "org/name", "team", "a")),
        ("hf://models/org/name@refs/pr/3", HubPlace("model", "org/name", "refs/pr/3", "")),
    ],
)
def test_a_folder_of_a_repository_is_named(uri: str, place: HubPlace) -> None:
    assert hub_place("main", uri, {}) == place


def test_paths_begin_at_its_folder() -> None:
    place = hub_place("main", "hf://datasets/org/name/a", {})
    assert (place.full("b"), place.full("")) == ("a/b", "a")
    assert place.below("b").full("c") == "a/b/c"
    assert "--type dataset --private" in place.create_command


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("hf://buckets/org/name", "bucket cannot create .*use hf://datasets/org/name"),
        ("hf://spaces/org/name", "a space is an app"),
        ("hf://name", "expected a repository"),
        ("hf://datasets/org/name/../x", "leads elsewhere"),
    ],
)
def test_what_is_no_repository_is_refused(uri: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        hub_place("main", uri, {})


def test_no_option_can_send_a_token_elsewhere() -> None:
    with pytest.raises(UsageError, match="HF_ENDPOINT"):
        hub_place("main", "hf://datasets/org/name", {"endpoint": "http://127.0.0.1"})
