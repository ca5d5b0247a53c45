"""Everything that changes an encoding changes the name of its maker, and nothing else does."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from facekit.backbones.spec import get_spec
from facekit.training import makers
from facekit.training.denoiser import Denoiser
from facekit.training.makers import parser_maker, text_maker, vae_maker
from facekit.training.parking import parked
from tests.tiny.far_device import FAR, far_device
from tests.tiny.parsers import tiny_parser

SPEC = get_spec("toon")


def tiny() -> Denoiser:
    return Denoiser(pipe=SPEC.tiny(), spec=SPEC)


def other_vae(pipe: Any) -> None:
    next(pipe.vae.parameters()).data += 0.01


def other_scale(pipe: Any) -> None:
    pipe.vae.register_to_config(latents_mean=[x + 1 for x in pipe.vae.config.latents_mean])


def other_text_encoder(pipe: Any) -> None:
    next(pipe.text_encoder.parameters()).data += 0.01


def other_words(pipe: Any) -> None:
    pipe.tokenizer.add_tokens(["mira"])


def other_transformer(pipe: Any) -> None:
    next(pipe.transformer.parameters()).data += 0.01


def half_vae(pipe: Any) -> None:
    pipe.vae.to(torch.bfloat16)


def half_text(pipe: Any) -> None:
    pipe.text_encoder.to(torch.bfloat16)


def a_prompt(pipe: Any) -> None:
    """Tokenizers remember how they padded the last time."""
    pipe.tokenizer(["a b", "c"], padding="max_length", max_length=9, truncation=True)


@pytest.mark.parametrize(
    ("change", "vae_differs", "text_differs"),
    [
        (other_vae, {"VAE"}, set()),
        (other_scale, {"VAE"}, set()),
        (half_vae, {"VAE", "precision"}, set()),
        (other_text_encoder, set(), {"text encoder"}),
        (other_words, set(), {"text encoder"}),
        (half_text, set(), {"text encoder", "precision"}),
        (other_transformer, set(), set()),
        (a_prompt, set(), set()),
    ],
)
def test_each_part_counts_where_it_takes_part(
    change: Callable[[Any], None], vae_differs: set[str], text_differs: set[str]
) -> None:
    denoiser = tiny()
    before = vae_maker(denoiser).facts, text_maker(denoiser).facts
    change(denoiser.pipe)
    after = vae_maker(denoiser).facts, text_maker(denoiser).facts
    for had, has, expected in zip(before, after, (vae_differs, text_differs), strict=True):
        assert {name for name in had if had[name] != has[name]} == expected


def test_the_same_pipeline_built_again_is_the_same_maker() -> None:
    assert vae_maker(tiny()) == vae_maker(tiny())
    assert text_maker(tiny()) == text_maker(tiny())


def test_where_it_computes_counts_and_not_where_it_waits() -> None:
    here = tiny()
    with far_device(), parked(here.pipe, SPEC, FAR) as parking:
        denoiser = replace(here, parking=parking)
        waiting = vae_maker(denoiser), text_maker(denoiser)
        parking.settle(denoiser.pipe.vae, denoiser.pipe.text_encoder)
        assert (vae_maker(denoiser), text_maker(denoiser)) == waiting
    for on_cpu, there in zip((vae_maker(here), text_maker(here)), waiting, strict=True):
        assert {n for n in on_cpu.facts if on_cpu.facts[n] != there.facts[n]} == {"precision"}


def test_another_version_of_code_is_another_maker(monkeypatch: pytest.MonkeyPatch) -> None:
    denoiser, parser = tiny(), tiny_parser()
    before = vae_maker(denoiser), text_maker(denoiser), parser_maker(parser)
    monkeypatch.setattr(makers, "RULES_OF_ENCODING", makers.RULES_OF_ENCODING + 1)
    after = vae_maker(denoiser), text_maker(denoiser), parser_maker(parser)
    for had, has in zip(before, after, strict=True):
        assert {n for n in had.facts if had.facts[n] != has.facts[n]} == {"code version"}


def test_another_version_of_a_library_is_another_maker(monkeypatch: pytest.MonkeyPatch) -> None:
    denoiser = tiny()
    before = vae_maker(denoiser)
    monkeypatch.setattr(makers, "_version", lambda name: "0.0")
    assert vae_maker(denoiser) != before


def test_captions_of_another_length_are_encoded_again() -> None:
    denoiser = tiny()
    short = replace(denoiser, spec=replace(SPEC, max_sequence_length=8))
    had, has = text_maker(denoiser).facts, text_maker(short).facts
    assert {name for name in had if had[name] != has[name]} == {"length of captions"}


def test_weights_from_files_count_by_their_content_wherever_they_lie(tmp_path: Path) -> None:
    for name in ("a", "b"):
        SPEC.tiny().save_pretrained(tmp_path / name)
    one, two = (Denoiser(pipe=SPEC.load(tmp_path / name), spec=SPEC) for name in ("a", "b"))
    assert vae_maker(one) == vae_maker(two)
    assert text_maker(one) == text_maker(two)
    pipe = SPEC.tiny()
    other_vae(pipe)
    pipe.vae.save_pretrained(tmp_path / "b" / "vae")
    three = Denoiser(pipe=SPEC.load(tmp_path / "b"), spec=SPEC)
    assert vae_maker(three) != vae_maker(one)
    assert text_maker(three) == text_maker(one)
