"""The loss at fixed noise on the tiny backbone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from facekit.adapters.lora import LoraSettings
from facekit.backbones import get_spec
from facekit.training import fixed_loss
from facekit.training.denoiser import Denoiser
from facekit.training.encoded import EncodedPhotos
from facekit.training.encoding import encode_photos
from facekit.training.fixed_loss import FixedLoss
from facekit.training.metrics import read_metrics
from facekit.training.objective import Objective
from facekit.training.trainer import METRICS_FILE, Validation
from tests.tiny.backbones import sample
from tests.tiny.far_device import FAR, far_device
from tests.tiny.training import TINY_SETTINGS, TinyRun

BETWEEN = (0.0, 1.0)


def _encoded(run: TinyRun, photos: Any, denoiser: Denoiser) -> EncodedPhotos:
    shown = replace(run.photos, train=photos, held_out=(), views=())
    return encode_photos(shown, run.subject, denoiser, run.faces)


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Objective, EncodedPhotos, EncodedPhotos]:
    run = TinyRun(tmp_path, level="none", loss_levels=3)
    denoiser = Denoiser(pipe=run.pipe, spec=run.spec)
    encoded = (_encoded(run, some, denoiser) for some in (run.photos.train, run.photos.train[1:3]))
    return Objective(denoiser, run.settings, run.faces), *encoded


def _measure(parts: tuple[Objective, EncodedPhotos, EncodedPhotos]) -> dict[str, float]:
    return FixedLoss(*parts, shift=1.0, sigma_range=BETWEEN).measure()


def test_it_says_the_same_every_time_and_leaves_no_gradient(parts: Any) -> None:
    state = torch.random.get_rng_state()
    first = _measure(parts)
    assert list(first) == ["loss", "loss@0.28", "loss@0.50", "loss@0.72", "loss_trained"]
    assert _measure(parts) == first
    assert torch.equal(torch.random.get_rng_state(), state)
    levels = [first[name] for name in first if "@" in name]
    assert first["loss"] == pytest.approx(sum(levels) / 3)
    weights = parts[0].denoiser.network.parameters()
    assert all(weight.grad is None for weight in weights)


def test_it_does_not_matter_who_shares_a_batch(parts: Any) -> None:
    objective, trained, held_out = parts
    whole = _measure(parts)
    objective.settings = replace(objective.settings, batch_size=1)
    alone = _measure((objective, trained, held_out))
    assert alone == pytest.approx(whole, rel=1e-5)


def test_the_loss_is_that_of_the_photos(parts: Any) -> None:
    """A backbone that knows the answer for the held-out photos has no loss there."""
    objective, trained, held_out = parts
    denoiser = objective.denoiser
    known = {held_out.latents[i].numpy().tobytes(): held_out.latents[i] for i in range(2)}
    seen = []

    class Knows:
        network, process = denoiser.network, denoiser.process

        def predict(self, noisy: Any, sigma_B: Any, text: Any) -> Any:
            seen.append(len(noisy))
            clean = torch.stack(list(known.values()))
            sigma = sigma_B.view(-1, 1, 1, 1, 1)
            return (noisy - (1 - sigma) * clean) / sigma - clean

    objective.denoiser = Knows()
    found = _measure((objective, trained, held_out))
    assert found["loss"] == pytest.approx(0.0, abs=1e-9)
    assert found["loss_trained"] > 0.01
    assert seen == [2] * 6  # as many trained views as held-out ones, at three levels each


def test_noise_is_of_the_seed_the_photo_and_the_level(
    parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = fixed_loss.generator

    def watched(*keys: Any) -> Any:
        asked.append(keys)
        return real(*keys)

    monkeypatch.setattr(fixed_loss, "generator", watched)
    _measure(parts)
    expected = {(0, "fixed", role, view, level) for role in ("held out", "trained")
                for view in (0, 1) for level in (0, 1, 2)}  # fmt: skip
    assert set(asked) == expected


def test_levels_that_are_near_get_more_digits() -> None:
    assert fixed_loss._level_texts([0.5, 0.25]) == ["0.50", "0.25"]
    assert fixed_loss._level_texts([0.9912, 0.9918]) == ["0.991", "0.992"]


def test_a_run_logs_it_and_learns_the_same_without(tmp_path: Path) -> None:
    def judge(step: int) -> Validation:
        return Validation(score=0.1 * step)

    weights = replace(TINY_SETTINGS.weights, identity=0.0, preservation=0.0)
    changes: dict[str, Any] = {"steps": 3, "validate_every": 0, "weights": weights}
    runs = [TinyRun(tmp_path / str(n), loss_levels=n, **changes) for n in (0, 2)]
    plain, measured = (run(validate=judge) for run in runs)
    assert plain.tokens_KC is not None
    assert measured.tokens_KC is not None
    assert torch.equal(plain.tokens_KC, measured.tokens_KC)
    rows = [
        [row for row in read_metrics(run.out_dir / METRICS_FILE) if "validate/score" in row]
        for run in runs
    ]
    assert not [name for row in rows[0] for name in row if "loss" in name]
    assert [row["step"] for row in rows[1]] == [0, 3]
    first, last = rows[1]
    assert first.keys() == last.keys()
    assert len([name for name in last if name.startswith("validate/loss@")]) == 2
    assert last["validate/loss"] < first["validate/loss"]


def test_the_trained_expert_is_back_after_sampling_has_ended_with_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = []

    def measure(self: FixedLoss) -> dict[str, float]:
        places.append(self._objective.denoiser.network.device)
        return {}

    monkeypatch.setattr(FixedLoss, "measure", measure)
    with far_device():
        weights = replace(TINY_SETTINGS.weights, identity=0.0, preservation=0.0)
        run = TinyRun(tmp_path, level="none", loss_levels=1, steps=1, weights=weights)
        run.spec = replace(get_spec("wan2_2_t2v_a14b"), sizes={"1:1": (32, 32)})
        run.pipe = run.spec.tiny()
        run.lora = LoraSettings(rank=2, alpha=2.0, expert="high")

        def judge(step: int) -> Validation:
            sample(run.pipe, run.spec)
            return Validation(score=0.0)

        run(validate=judge, device=FAR)
    assert places == [FAR, FAR]
