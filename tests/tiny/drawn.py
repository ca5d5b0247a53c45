"""What the tiny Wan pipelines draw, with a character and without, to compare with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from facekit.adapters.character import Character, CharacterAttachment, attach_characters
from facekit.backbones import BackboneSpec, get_spec
from facekit.errors import AdapterError
from tests.tiny.backbones import sample, tiny_character, tiny_pipe

CASES = (("toon", True), ("wan2_1_t2v_1_3b", False))
"""A backbone, and whether the character has a LoRA beside its identity branch.

One network is told the time of each token and the other one time for all; no code looks at both
that and the LoRA.
"""


@dataclass
class Case:
    """A fresh pipeline, its character, and what both draw when nothing else happens."""

    backbone: str
    has_lora: bool

    def __post_init__(self) -> None:
        self.pipe: Any = tiny_pipe(self.backbone)
        self.spec: BackboneSpec = get_spec(self.backbone)
        self.character, self.base, self.drawn = _known(self.backbone, self.has_lora)

    @property
    def network(self) -> Any:
        return self.pipe.transformer

    def attach(self, **options: Any) -> CharacterAttachment:
        return attach_characters(self.pipe, self.character, **options)

    def draw(self, **options: Any) -> Tensor:
        return sample(self.pipe, self.spec, **options)


@cache
def character(backbone: str = "toon", has_lora: bool = True, seed: int = 0) -> Character:
    file = tiny_character(tiny_pipe(backbone), backbone, lora=has_lora, seed=seed)
    return Character(file=file, source=f"mira{seed}")


def as_plain_lora(given: Character) -> Character:
    """The same without its identity branch."""
    header = replace(given.file.header, sites=(), level="none")
    return replace(given, file=replace(given.file, header=header, identity=None, null=None))


@cache
def _known(backbone: str, has_lora: bool) -> tuple[Character, Tensor, Tensor]:
    pipe, spec = tiny_pipe(backbone), get_spec(backbone)
    mira = character(backbone, has_lora)
    base = sample(pipe, spec)
    with attach_characters(pipe, mira):
        drawn = sample(pipe, spec)
    assert not torch.allclose(base, drawn)
    return mira, base, drawn


def check(case: Case, attached: Any) -> None:
    """The same picture as without the feature, and afterwards the bare one."""
    torch.testing.assert_close(case.draw(), case.drawn, atol=1e-4, rtol=1e-4)
    attached.set_strength(0.0)
    torch.testing.assert_close(case.draw(), case.base, atol=1e-4, rtol=1e-4)
    attached.set_strength(1.0)
    attached.detach()
    torch.testing.assert_close(case.draw(), case.base, atol=1e-4, rtol=1e-4)


def check_refused(steps: Sequence[Callable[[], Any]], attached: Any, told: str) -> None:
    """The last step is refused; when something is attached already, the first one."""
    for step in [] if attached else steps[:-1]:
        step()
    with pytest.raises(AdapterError, match=told):
        (steps[0] if attached else steps[-1])()
