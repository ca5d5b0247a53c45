"""Shots with their cast: what each region is told."""

import dataclasses
from collections.abc import Sequence

import pytest

from facekit.adapters.character import Character, CharacterAttachment
from facekit.backbones import get_spec
from facekit.generation.regions import parse_region
from facekit.generation.sample import SampleSettings
from facekit.types import Shot
from facekit.workflows.cast_sampling import sample_cast
from facekit.workflows.casting import ShotCast
from tests.tiny.backbones import tiny_pipe
from tests.tiny.drawn import character

SETTINGS = SampleSettings(num_inference_steps=2, guidance_scale=2.0, fps=8.0)


def named(name: str, backbone: str, seed: int) -> Character:
    made = character(backbone, False, seed)
    header = dataclasses.replace(made.file.header, name=name, trigger=f"a man called {name}")
    return Character(file=dataclasses.replace(made.file, header=header), source=f"{name}.st")


def told(
    monkeypatch: pytest.MonkeyPatch, prompts: Sequence[str], *names: str, backbone: str = "toon"
) -> list[list[list[str]]]:
    """What every call of the pipeline tells the regions."""
    seen: list[list[list[str]]] = []
    tell = CharacterAttachment.set_regional_prompts

    def keep(self: CharacterAttachment, prompts: Sequence[Sequence[str]]) -> None:
        seen.append([list(one) for one in prompts])
        tell(self, prompts)

    monkeypatch.setattr(CharacterAttachment, "set_regional_prompts", keep)
    spec = get_spec(backbone)
    side = 2 * spec.spatial_multiple
    shots = [
        Shot(name=f"{i}", prompt=text, seed=i, num_frames=1, height=side, width=side, kind="")
        for i, text in enumerate(prompts)
    ]
    people = [named(name, backbone, seed) for seed, name in enumerate(names)]
    regions = dict(zip(names, map(parse_region, ("left", "right")), strict=False))
    cast = ShotCast(characters=tuple(people), regions=regions)
    read = [text.replace("@", "") for text in prompts]
    made = sample_cast(tiny_pipe(backbone), shots, read, cast, spec, SETTINGS)
    assert [sorted(where) for _, where in made] == [sorted(names)] * len(shots)
    return seen


def test_each_region_of_several_is_told_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    both = ["@mira and @tom", "@tom, @mira"] * 3
    seen = told(monkeypatch, both, "mira", "tom")
    mira = ["a man called mira and a person", "a person, a man called mira"]
    tom = ["a person and a man called tom", "a man called tom, a person"]
    first = [2 * mira, 2 * tom]
    assert seen == [first, [one[:2] for one in first]], "as many as the pipeline draws at once"


def test_one_alone_and_other_backbones_read_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, ["@mira"], "mira") == []
    assert told(monkeypatch, ["@mira, @tom"], "mira", "tom", backbone="ltx_video_2b") == []
