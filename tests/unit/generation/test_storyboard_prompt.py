import pytest

from facekit.generation.storyboard_prompt import (
    PromptParts,
    call_names,
    join_prompt,
    names_in,
    place_words,
    size_kind,
)

KNOWN = {"close-up", "medium", "shot", "wide"}


def test_parts_are_joined_as_the_captions_have_them():
    parts = PromptParts(
        size="CU",
        characters=("mira",),
        expressions=("happy",),
        action="talking",
        place="kitchen",
        light="warm light",
        move="zoom in",
        lens=35,
        angle="low",
        props=("a letter", "a cup"),
        style="grainy.",
    )
    assert join_prompt(parts) == (
        "close-up of @mira in the kitchen, happy, talking, warm light, zoom in, low angle,"
        " 35 mm lens, with a letter and a cup, grainy"
    )


def test_who_is_named_in_the_action_stands_there():
    parts = PromptParts(size="MS", characters=("mira", "tom"), action="@mira sees the letter")
    assert join_prompt(parts) == "medium shot of @tom, @mira sees the letter"


def test_who_does_something_alone_follows_the_size():
    parts = PromptParts(size="WS", characters=("tom",), action="@tom walking in", place="park")
    assert join_prompt(parts) == "wide shot of @tom in the park, walking in"


def test_several_are_told_with_their_sides_and_moods():
    parts = PromptParts(
        characters=("mira", "tom"),
        expressions=("happy", "happy"),
        sides=("on the left", "on the right"),
    )
    assert join_prompt(parts) == "@mira on the left and @tom on the right, happy"


@pytest.mark.parametrize(
    ("size", "said"),
    [("ECU", "close-up"), ("FS", "wide shot"), ("OTS", "medium shot"), ("POV", "point-of-view")],
)
def test_a_size_with_unknown_words_is_called_by_the_nearest_known_one(size, said):
    def knows(text):
        return set(text.split()) <= KNOWN

    assert join_prompt(PromptParts(size=size, place="x"), knows).startswith(said)


def test_sizes_say_whether_a_face_is_demanded():
    assert [size_kind(x) for x in ("ECU", "MS", "EST", "INSERT", "")] == [
        "close-up", "medium shot", "wide shot", "", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("kitchen", "in the kitchen"),
        ("Lisbon, 1974", "in Lisbon, 1974"),
        ("a dark room", "in a dark room"),
        ("on the beach", "on the beach"),
        ("", ""),
    ],
)
def test_places_read_as_english(place, words):
    assert place_words(place) == words


def test_names_are_replaced_whole():
    assert names_in("@mira, @mira2 and @mira") == ("mira", "mira2")
    assert call_names("@mira sees @mira2 and @max", {"mira": "A", "mira2": "B"}) == (
        "A sees B and @max"
    )
