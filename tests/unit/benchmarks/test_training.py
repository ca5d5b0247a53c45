from types import SimpleNamespace

import pytest

from benchmarks import training
from benchmarks.training_shapes import SHAPES, Work, flops_of_a_step, outline
from facekit.backbones.wan import TOON


def _work(shape: str, latents_shape: tuple[int, int, int, int]) -> Work:
    return Work(
        pipe=SimpleNamespace(transformer=outline(shape)),
        spec=TOON,
        latents_shape=latents_shape,
        text_tokens=SHAPES[shape].text_tokens,
        text_dim=SHAPES[shape].text_dim,
        pixels=480,
    )


@pytest.mark.parametrize(
    ("shape", "parameters", "pflop"), [("wan-1.3b", 1.42e9, 0.27), ("wan-14b", 14.3e9, 1.77)]
)
def test_the_large_shapes_are_those_of_wan(shape: str, parameters: float, pflop: float) -> None:
    """33 frames of 480 x 832, checkpointed; keys and values of the text are made once for all."""
    work = _work(shape, (16, 9, 60, 104))
    assert work.tokens == 14_040
    counted = sum(p.numel() for p in work.network.parameters())
    assert counted == pytest.approx(parameters, rel=0.01)
    assert flops_of_a_step(work, 1, True) / 1e15 == pytest.approx(pflop, rel=0.03)
    assert flops_of_a_step(work, 1, False) < flops_of_a_step(work, 1, True)


class _Rows:
    """Stands for a bench whose rows have these first steps."""

    def __init__(self, **first: tuple[float, float]) -> None:
        self.first = first

    def steps(self, row: str):
        yield self.first.get(row, (1.0, 2.0))


@pytest.mark.parametrize(
    ("found", "comparable"),
    [((1.009, 2.03), True), ((1.011, 2.0), False), ((1.0, 1.95), False), ((1.0, 2.05), False)],
)
def test_a_row_that_does_something_else_is_not_comparable(found, comparable) -> None:
    gated = training.gate(_Rows(lora_identity=found))
    assert gated["lora_identity"]["comparable"] is comparable
    assert gated["lora"]["comparable"] is True


def test_ratios_are_of_repetitions_and_spread_of_all_steps() -> None:
    taken = {"floor": [[1.0, 1.0, 3.0], [2.0, 2.0, 2.0]], "lora": [[1.1, 1.1, 1.1], [2.0] * 3]}
    found = training.summary(taken, "floor", tokens=100, flops=2e12)
    assert found["lora"]["ratio_of_medians"] == 1.05
    assert found["floor"]["seconds_median"] == 2.0
    assert found["floor"]["seconds_p90"] == 2.5
    assert found["floor"]["tokens_per_second"] == 50.0
    assert found["floor"]["tflops"] == 1.0


def test_what_is_not_comparable_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        training, "gate", lambda bench: {"floor": {"comparable": True}, "lora": {"comparable": 0}}
    )
    options = training.parse(["--shape", "tiny", "--rank", "2"])
    options.shape = "tiny"
    found = training.measure(options, {})
    assert found["comparable"] is False
    assert "step" not in found
