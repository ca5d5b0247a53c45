"""Several characters on one pipeline, each with a strength of its own."""

import torch

from facekit.adapters.character import attach_characters
from facekit.adapters.loaded_character import Character
from facekit.backbones.wan import TOON
from tests.tiny.backbones import sample, tiny_character, tiny_pipe


def characters(pipe):
    return [Character(source=str(seed), file=tiny_character(pipe, seed=seed)) for seed in (0, 1)]


def test_each_character_has_its_own_strength():
    pipe = tiny_pipe()
    mira, tom = characters(pipe)
    with attach_characters(pipe, [mira]) as alone:
        only_mira = sample(pipe, TOON)
        alone.set_strength(0.5)
        half_mira = sample(pipe, TOON)
    with attach_characters(pipe, [mira, tom]) as both:
        everybody = sample(pipe, TOON)
        both.set_strengths([1.0, 0.0])
        assert torch.equal(sample(pipe, TOON), only_mira)
        both.set_strengths([0.5, 0.0])
        assert torch.equal(sample(pipe, TOON), half_mira)
        both.set_strengths([(0.5, 0.5), 0.0])
        assert torch.allclose(sample(pipe, TOON), half_mira, atol=1e-5)
        both.set_strengths([1.0, 1.0])
        assert torch.equal(sample(pipe, TOON), everybody)
    assert not torch.equal(only_mira, everybody)
