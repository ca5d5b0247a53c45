import pytest

from facekit.training.captions import (
    Subject,
    drop_face_clauses,
    face_words_in,
    shot_size,
    write_caption,
)


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [(0.6, "close-up"), (0.45, "close-up"), (0.35, "medium shot"), (0.2, "wide shot")],
)
def test_shot_size_follows_the_height_of_the_face(fraction: float, expected: str) -> None:
    assert shot_size(fraction) == expected


def test_without_a_sidecar_the_caption_says_size_and_subject() -> None:
    assert write_caption("a mira person", 0.5) == "close-up of a mira person"


@pytest.mark.parametrize("name", ["{trigger}", "{character}", "@mira"])
def test_names_in_a_sidecar_become_the_phrase(name: str) -> None:
    text = f"medium shot of {name} in the park, happy"
    assert write_caption("a person", 0.3, text) == "medium shot of a person in the park, happy"


def test_a_sidecar_without_a_name_gets_the_phrase_in_front() -> None:
    assert write_caption("a person", 0.3, "in the park") == "a person, in the park"


def test_a_closer_view_corrects_the_shot_size() -> None:
    caption = write_caption("a person", 0.6, "wide shot of @mira in the park")
    assert caption == "close-up of a person in the park"


def test_face_words_are_listed_once_in_order() -> None:
    assert face_words_in("Blue eyes, long nose, EYES wide open") == ("eyes", "nose")
    assert face_words_in("@mira with long red hair in the park") == ()


def test_clauses_about_the_face_are_dropped_and_their_words_shown() -> None:
    caption, words = drop_face_clauses("@mira in the park, blue eyes, sharp jaw, happy")
    assert caption == "@mira in the park, happy"
    assert words == ("eyes", "jaw")


def test_the_clause_with_the_character_stays() -> None:
    caption, words = drop_face_clauses("@mira with freckles, in the park")
    assert caption == "@mira with freckles, in the park"
    assert words == ("freckles",)


def test_subject_from_a_name() -> None:
    subject = Subject.from_name("mira", noun="woman")
    assert (subject.trigger, subject.class_phrase) == ("a mira woman", "a woman")
    assert Subject.from_name("mira", trigger="sks").trigger == "sks"
