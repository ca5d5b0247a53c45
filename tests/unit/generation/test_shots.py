import dataclasses

import pytest

from facekit.backbones.wan import TOON
from facekit.errors import UsageError
from facekit.generation.shots import (
    check_shots,
    demo_shots,
    expected_attributes,
    name_characters,
    shot_from_prompt,
    slug,
)
from facekit.toon import ToonCharacter, caption, sample_scene
from facekit.toon.scene import ACTIONS, LIGHTS, MOODS, PLACES
from facekit.types import SHOT_SIZES
from tests.tiny.seeds import generator


def test_the_demo_shoots_every_place_size_mood_action_light_and_aspect():
    shots = demo_shots("mira", TOON, num_frames=9)

    asked = [expected_attributes(shot.prompt) for shot in shots]
    assert len(shots) >= 14
    assert {tuple(size) for size in TOON.sizes.values()} == {(s.height, s.width) for s in shots}
    for name, values in {
        "place": PLACES,
        "shot_size": SHOT_SIZES,
        "mood": MOODS,
        "action": ACTIONS,
        "light": LIGHTS,
    }.items():
        assert {found[name] for found in asked} == set(values)
    check_shots(shots, TOON)


def test_shots_of_the_demo_have_their_own_names_and_seeds():
    shots = demo_shots("mira", TOON, num_frames=5, seed=40)

    assert len({shot.name for shot in shots}) == len({shot.seed for shot in shots}) == len(shots)
    assert all("@mira" in shot.prompt for shot in shots)
    assert [shot.kind for shot in shots[:3]] == ["close-up", "medium shot", "wide shot"]


def test_names_become_phrases_and_unknown_ones_are_refused():
    phrases = {"mira": "a person with long red hair", "tom": "a man"}

    assert (
        name_characters("close-up of @mira and @tom.", phrases)
        == "close-up of a person with long red hair and a man."
    )
    with pytest.raises(UsageError, match="names @mara, expected one of @mira, @tom"):
        name_characters("@mara in the park", phrases)


def test_a_shot_takes_its_name_and_its_kind_from_the_prompt():
    shot = shot_from_prompt(
        "Close-up of @mira in the kitchen!", index=2, seed=7, num_frames=5, height=96, width=96
    )

    assert shot.name == "03-close-up-of-mira-in-the-kitchen-s7"
    assert shot.kind == "close-up"
    assert slug("???") == ""


def test_all_mistakes_are_told_at_once():
    good = demo_shots("mira", TOON, num_frames=5, count=2)
    shots = [
        good[0],
        dataclasses.replace(good[1], name=good[0].name),
        dataclasses.replace(good[1], name="odd", height=100),
        dataclasses.replace(good[1], name="long", num_frames=6),
        dataclasses.replace(good[1], name="mute", prompt=" "),
    ]

    with pytest.raises(UsageError) as caught:
        check_shots(shots, TOON)

    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert [line.split(":")[0] for line in lines] == [good[0].name, "odd", "long", "mute"]
    with pytest.raises(UsageError, match="no shots given"):
        check_shots([], TOON)


@pytest.mark.parametrize("seed", range(12))
def test_what_a_caption_says_is_read_back(seed):
    character = ToonCharacter.from_seed(1_000_000 + seed)
    scene = sample_scene((character,), generator(seed))

    found = expected_attributes(caption(scene))

    assert found["place"] == scene.place
    assert found["shot_size"] == scene.shot_size
    assert found["mood"] == scene.figures[0].mood
    assert found["light"] == scene.light
    assert found["action"] == scene.action
    assert found["hair_style"] == character.hair_style
    assert found.get("glasses", "none") == character.glasses
    assert found.get("beard", "none") == character.beard
    assert found["clothes"] == character.clothes


def test_what_a_prompt_does_not_say_is_not_expected():
    assert expected_attributes("a person in the park") == {"place": "park"}
    assert "mood" not in expected_attributes("happy and sad")
    assert expected_attributes("a red shirt and blond hair") == {"hair_color": "blond"}
