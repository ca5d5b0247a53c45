"""Captions and tokenizer: what is said, what is never said, what is known."""

import numpy as np
import pytest

from facekit.toon import FACE_PARAMETERS, ToonCharacter, caption, describe, sample_scene
from facekit.toon.captions import WORDS
from facekit.toon.scene import ACTIONS, MOODS, PLACES
from facekit.toon.text import MAX_TOKENS, new_tokenizer
from facekit.types import SHOT_SIZES


def test_caption_names_scene_and_looks() -> None:
    character = ToonCharacter.from_seed(3)
    scene = sample_scene((character,), np.random.default_rng(0), action="talking")
    text = caption(scene)
    assert scene.place in text
    assert scene.shot_size in text
    assert scene.figures[0].mood in text
    assert "talking" in text
    assert scene.light in text
    assert describe(character, clothes=False).removeprefix("a person") in text


def test_face_parameters_have_no_words() -> None:
    parts = {part for name in FACE_PARAMETERS for part in name.split("_")} - {"hue", "tone", "size"}
    assert not parts & set(WORDS)


def test_names_replace_the_class_noun() -> None:
    scene = sample_scene(
        (ToonCharacter.from_seed(1), ToonCharacter.from_seed(2)), np.random.default_rng(0)
    )
    text = caption(scene, names=("mira",))
    assert "mira with" in text
    assert "a person with" in text
    assert "on the left" in text
    assert "on the right" in text


def test_every_caption_is_known_to_the_tokenizer() -> None:
    tokenizer = new_tokenizer()
    rng = np.random.default_rng(1)
    for seed in range(50):
        text = caption(sample_scene((ToonCharacter.from_seed(seed),), rng), rng=rng)
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert ids[-1] == tokenizer.eos_token_id
        assert len(ids) <= MAX_TOKENS


def test_a_name_is_the_unknown_word() -> None:
    tokenizer = new_tokenizer()
    assert tokenizer("mira in the park")["input_ids"][0] == tokenizer.unk_token_id


@pytest.mark.parametrize("values", [PLACES, SHOT_SIZES, MOODS, ACTIONS])
def test_vocabulary_holds_every_value(values: tuple[str, ...]) -> None:
    assert {word for value in values for word in value.split()} <= set(WORDS)
