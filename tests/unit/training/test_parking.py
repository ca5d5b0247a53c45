"""Parts that are not computed with wait in main memory, and come when they are asked."""

from typing import Any

import pytest
import torch

from facekit.backbones import get_spec
from facekit.training.parking import parked, parts_of
from tests.tiny.backbones import sample, tiny_pipe
from tests.tiny.far_device import FAR, far_device

CPU = torch.device("cpu")


def places(pipe: Any) -> dict[str, str]:
    found = {name: x for name, x in pipe.components.items() if isinstance(x, torch.nn.Module)}
    return {name: next(part.parameters()).device.type for name, part in found.items()}


def frozen_pipe(name: str) -> Any:
    pipe = tiny_pipe(name)
    for part in parts_of(pipe):
        part.requires_grad_(False)
    return pipe


@pytest.mark.parametrize("backbone", ["toon", "wan2_2_t2v_a14b", "hunyuanvideo"])
def test_what_is_never_computed_with_together_is_never_there_together(backbone: str) -> None:
    spec = get_spec(backbone)
    expected = sample(frozen_pipe(backbone), spec)
    pipe = frozen_pipe(backbone)
    networks = [name for name, x in pipe.components.items() if x in spec.family.networks(pipe)]
    seen: dict[str, list[dict[str, str]]] = {}
    with far_device():
        with parked(pipe, spec, FAR) as parking:
            assert set(places(pipe).values()) == {"cpu"}
            for name in ("text_encoder", *networks):
                getattr(pipe, name).register_forward_hook(
                    lambda *_, name=name: seen.setdefault(name, []).append(places(pipe))
                )
            found = sample(pipe, spec).to(CPU)
            encoded = len(seen["text_encoder"])
            sample(pipe, spec)
            assert len(seen["text_encoder"]) == encoded, "prompts are remembered"
            parking.settle(getattr(pipe, networks[0]), pipe.vae)
            now = places(pipe)
            there = {name for name, place in now.items() if place == FAR.type}
            assert there == {networks[0], "vae"}
        assert set(places(pipe).values()) == {"cpu"}
        assert "encode_prompt" not in vars(pipe)
        assert not any(hasattr(part, "_hf_hook") for part in parts_of(pipe))
    assert len(seen) == 1 + len(networks)
    for name, moments in seen.items():
        here = {"text_encoder"} if name == "text_encoder" else {name}
        for moment in moments:
            others = {"text_encoder", *networks} - here
            assert moment[name] == FAR.type
            assert {moment[other] for other in others} == {"cpu"}
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_nothing_moves_on_the_cpu_or_where_somebody_else_moves_it() -> None:
    pipe = frozen_pipe("toon")
    with parked(pipe, get_spec("toon"), CPU) as parking:
        assert not parking.moves
        assert "encode_prompt" not in vars(pipe)
        parking.settle(pipe.transformer)
    pipe.vae._hf_hook = object()
    with parked(pipe, get_spec("toon"), FAR) as parking:
        assert not parking.moves
