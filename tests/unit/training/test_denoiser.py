from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

from facekit.backbones.wan import TOON
from facekit.errors import UsageError
from facekit.training import trainer
from facekit.training.denoiser import Denoiser
from tests.tiny.training import TinyRun

UNIPC = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}


def shift_of(scheduler: Any) -> float:
    return Denoiser(pipe=SimpleNamespace(scheduler=scheduler), spec=TOON).shift


def test_the_shift_is_the_schedulers_own_by_either_name() -> None:
    """Stock Wan 2.1 calls it flow_shift; training once drew its noise unshifted."""
    euler = FlowMatchEulerDiscreteScheduler(shift=5.0)
    assert shift_of(euler) == 5.0
    assert shift_of(UniPCMultistepScheduler(**UNIPC)) == 3.0
    # A scheduler built from another one's config keeps keys that it does not read.
    assert shift_of(UniPCMultistepScheduler.from_config(euler.config, **UNIPC)) == 3.0


def test_a_scheduler_without_a_shift_is_refused() -> None:
    with pytest.raises(UsageError, match="DDPMScheduler has neither shift nor flow_shift"):
        shift_of(DDPMScheduler())


def test_training_draws_noise_with_the_shift_of_a_stock_scheduler_and_samples_through_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = TinyRun(tmp_path, steps=1)
    run.pipe.scheduler = UniPCMultistepScheduler(**UNIPC)
    make_batch, drawn = trainer.make_batch, []

    def record(
        step: int, settings: Any, photos: Any, shift: float, *between: Any, **how: Any
    ) -> Any:
        drawn.append(shift)
        return make_batch(step, settings, photos, shift, *between, **how)

    monkeypatch.setattr(trainer, "make_batch", record)
    result = run()
    assert set(drawn) == {3.0}
    assert 0.0 < result.start_score < 1.0


def test_training_draws_no_noise_but_what_the_network_is_asked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = TinyRun(tmp_path, steps=6)
    make_batch, drawn = trainer.make_batch, []

    def record(*arguments: Any, **how: Any) -> Any:
        batch = make_batch(*arguments, **how)
        drawn.extend(batch.sigma_B.tolist())
        return batch

    monkeypatch.setattr(trainer, "make_batch", record)
    monkeypatch.setattr(Denoiser, "sigma_range", (0.2, 0.3))
    run()
    assert 0.2 < min(drawn) < max(drawn) < 0.3
