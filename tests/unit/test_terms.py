from typing import get_args

import pytest

from facekit.terms import SubjectType, is_person, is_place, is_word


def test_who_has_to_agree() -> None:
    people = [kind for kind in get_args(SubjectType) if is_person(kind)]
    assert people == ["real", "fictional-performed"]


@pytest.mark.parametrize("text", ["Advertising", "", " film", "film\n", "1st", "a" * 65])
def test_words_have_one_spelling(text: str) -> None:
    assert not is_word(text)
    assert is_word("narrative-fiction")


@pytest.mark.parametrize("text", ["us", "USA", "World", "", "US-", "US-CALI", "DE\n"])
def test_places_have_one_spelling(text: str) -> None:
    assert not is_place(text)
    assert all(map(is_place, ("world", "US", "US-CA", "GB-1")))
