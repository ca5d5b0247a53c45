"""The training loop: resuming is exact, averages are kept, and what explodes stops."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facekit.errors import NonFiniteLoss, OutputExists, WeightsMissing
from facekit.toon import fitting
from facekit.toon.fitting import CPU, Batch, FitSettings, fit, load_average, seed_checkpoint
from tests.tiny.far_device import FAR, assert_same_far_away, far_device

SETTINGS = FitSettings(steps=8, lr=0.05, muon_lr=0.02, warmup=2, ema=0.9, checkpoint_s=0.0)


class Killed(Exception):
    """Stands for a process that ends."""


def _model() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))


def _batch_of(step: int) -> dict[str, np.ndarray]:
    return {"inputs": np.random.default_rng(step).standard_normal((5, 4), np.float32)}


def _value_of(value: float) -> Callable[[int], dict[str, np.ndarray]]:
    return lambda step: {"inputs": np.full((1, 4), value, np.float32)}


Losses = Callable[[int, Batch], dict[str, Tensor]]


def _losses(model: nn.Module, *, stop_at: int = -1) -> Losses:
    def losses_of(step: int, batch: Batch) -> dict[str, Tensor]:
        if step == stop_at:
            raise Killed
        inputs = batch["inputs"]
        outputs = model(inputs)
        return {
            "square": (outputs - inputs[:, :2]).square().mean(),
            "size": outputs.abs().mean() * 0.1,
        }

    return losses_of


def _sum(model: nn.Module) -> Losses:
    return lambda step, batch: {"sum": model(batch["inputs"]).square().sum()}


def _fit(
    model: nn.Module,
    path: Path,
    settings: FitSettings = SETTINGS,
    stop_at: int = -1,
    device: torch.device = CPU,
) -> None:
    def is_muon(name: str) -> bool:
        return name == "2.weight"

    losses_of = _losses(model, stop_at=stop_at)
    fit(model, _batch_of, losses_of, settings, path, device=device, muon=is_muon)


def _equal(one: nn.Module, other: nn.Module) -> bool:
    states = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in states)


@pytest.mark.parametrize("stop_at", [1, 5])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_resuming_is_bit_identical(tmp_path: Path, stop_at: int, ema: float) -> None:
    settings = dataclasses.replace(SETTINGS, ema=ema)
    straight, killed, resumed = _model(), _model(), _model()
    _fit(straight, tmp_path / "straight.pt", settings)
    with pytest.raises(Killed):
        _fit(killed, tmp_path / "x.pt", settings, stop_at)
    _fit(resumed, tmp_path / "x.pt", settings)
    assert _equal(straight, resumed)
    assert not _equal(straight, _model())


def test_a_finished_fit_is_left_as_it_is(tmp_path: Path) -> None:
    first, again = _model(), _model()
    _fit(first, tmp_path / "x.pt")
    _fit(again, tmp_path / "x.pt", stop_at=8)
    assert _equal(first, again)


def test_the_average_follows_the_weights(tmp_path: Path) -> None:
    start, model = _model(), _model()
    _fit(model, tmp_path / "x.pt", dataclasses.replace(SETTINGS, steps=1))
    last = torch.load(tmp_path / "x.pt", weights_only=True)["model"]
    for name, begun in start.state_dict().items():
        # in the first step the decay is a tenth
        expected = torch.lerp(begun, last[name], 0.9)
        torch.testing.assert_close(model.state_dict()[name], expected)
    assert not torch.equal(model.state_dict()["0.weight"], last["0.weight"])


def test_load_average_gives_what_fit_returned(tmp_path: Path) -> None:
    model, loaded = _model(), _model()
    _fit(model, tmp_path / "x.pt")
    assert load_average(loaded, tmp_path / "x.pt") == SETTINGS.steps
    assert _equal(model, loaded)


def test_frozen_parameters_stay(tmp_path: Path) -> None:
    model = _model()
    model[0].requires_grad_(False)
    _fit(model, tmp_path / "x.pt")
    assert _equal(model[0], _model()[0])
    assert not _equal(model[2], _model()[2])


def test_the_log_names_every_loss(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    model = _model()
    fit(
        model,
        _batch_of,
        _losses(model),
        SETTINGS,
        tmp_path / "x.pt",
        on_progress=lambda done, total: seen.append((done, total)),
    )
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 7]
    assert {"square", "size", "norm", "seconds"} <= set(lines[0])
    assert seen == [(1, 8), (8, 8)]


def test_ten_non_finite_steps_in_a_row_raise(tmp_path: Path) -> None:
    model, calls = _model(), []

    def batch_of(step: int) -> dict[str, np.ndarray]:
        calls.append(step)
        return _value_of(float("nan"))(step)

    settings = dataclasses.replace(SETTINGS, steps=50)
    with pytest.raises(NonFiniteLoss, match="step 9 is the tenth in a row with gradients"):
        fit(model, batch_of, _sum(model), settings, tmp_path / "x.pt")
    assert len(calls) == 10
    assert _equal(model, _model())


def test_nine_non_finite_steps_are_skipped(tmp_path: Path) -> None:
    model = _model()

    def batch_of(step: int) -> dict[str, np.ndarray]:
        return _value_of(float("nan") if step < 9 else 1.0)(step)

    settings = dataclasses.replace(SETTINGS, steps=10)
    fit(model, batch_of, _sum(model), settings, tmp_path / "x.pt")
    assert not _equal(model, _model())
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_seeded_checkpoint_is_trained_on_with_new_optimisers(tmp_path: Path) -> None:
    origin, straight, seeded = _model(), _model(), _model()
    with torch.no_grad():
        for model in (origin, straight):
            for parameter in model.parameters():
                parameter.mul_(0.5)
    seed_checkpoint(origin, tmp_path / "x.pt", step=0)
    _fit(straight, tmp_path / "straight.pt")
    _fit(seeded, tmp_path / "x.pt")
    assert _equal(straight, seeded)
    with pytest.raises(OutputExists, match=r"x\.pt: a checkpoint is there already, .*; move it"):
        seed_checkpoint(origin, tmp_path / "x.pt", step=0)


def test_a_seed_that_counts_as_done_is_left_as_it_is(tmp_path: Path) -> None:
    origin, loaded = _model(), _model()
    seed_checkpoint(origin, tmp_path / "x.pt", step=SETTINGS.steps)
    with torch.no_grad():
        for parameter in loaded.parameters():
            parameter.zero_()
    _fit(loaded, tmp_path / "x.pt")
    assert _equal(origin, loaded)


def test_a_missing_checkpoint_names_the_part_to_build(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"x\.pt: no such checkpoint, .*--part") as caught:
        load_average(_model(), tmp_path / "x.pt")
    assert caught.value.next_step


def test_another_device_gives_the_same(tmp_path: Path) -> None:
    def train(path: Path, steps: int, device: torch.device) -> None:
        _fit(_model(), path, dataclasses.replace(SETTINGS, steps=steps), device=device)

    assert_same_far_away(train, tmp_path)


def test_a_checkpoint_goes_on_elsewhere(tmp_path: Path) -> None:
    """What a graphics card has saved is read by a machine without one."""
    straight, resumed = _model(), _model()
    settings = dataclasses.replace(SETTINGS, steps=1)
    with far_device():
        _fit(_model(), tmp_path / "x.pt", settings, device=FAR)
    saved = torch.load(tmp_path / "x.pt", weights_only=True)
    assert {value.device for value in saved["model"].values()} == {CPU}
    settings = dataclasses.replace(SETTINGS, steps=2)
    _fit(resumed, tmp_path / "x.pt", settings)
    _fit(straight, tmp_path / "straight.pt", settings)
    for name, value in straight.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_batches_that_others_make_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with CUDA, where other processes work ahead."""
    here, elsewhere = _model(), _model()
    _fit(here, tmp_path / "here.pt")
    monkeypatch.setattr(fitting, "spare_workers", lambda: 3)
    monkeypatch.setattr(fitting, "_WORK_AHEAD", ("cpu",))
    _fit(elsewhere, tmp_path / "elsewhere.pt")
    assert _equal(here, elsewhere)
