import json

import pytest

from facekit.wording import counted, in_words, nearest, one_of


def test_numbers_and_choices_read_well() -> None:
    assert (counted(1, "blob"), counted(2, "blob")) == ("1 blob", "2 blobs")
    assert one_of(["dev", "prod"], "its channels") == "one of its channels (dev, prod)"
    assert "none" in one_of([], "its channels")
    assert nearest("mirra", ["mira", "tomas"]) == " (did you mean mira?)"
    assert nearest("xyz", ["mira"]) == ""


def test_errors_of_others_are_told_without_their_class() -> None:
    with pytest.raises(ValueError, match="Expecting") as error:
        json.loads("{")
    assert "Error" not in in_words(error.value)
    assert in_words(KeyError("schema")) == "no 'schema'"
    assert in_words(FileNotFoundError(2, "No such file or directory", "x")).startswith("No such")
