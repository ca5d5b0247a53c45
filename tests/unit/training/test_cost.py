"""The estimate of a step against a real one, and what settings change about it."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from facekit.adapters.lora import LoraSettings
from facekit.backbones import get_spec
from facekit.recipe import load_recipe
from facekit.training.batches import Batch
from facekit.training.cost import (
    Probed,
    Situation,
    StepCost,
    _low_noise,
    probe_step,
    step_cost,
    weigh,
)
from facekit.training.ledger import Ledger
from facekit.training.objective import Objective, StepLosses
from facekit.training.settings import TrainSettings
from facekit.training.sketch import Outline, shortened, tiny_outline
from tests.tiny.training import TinyRun

WAN = get_spec("wan2_1_t2v_1_3b")
LORA = LoraSettings(rank=2, alpha=2.0)


def made(layers: int = 4) -> Outline:
    from diffusers import AutoencoderKLWan, WanTransformer3DModel

    found = tiny_outline(WAN)
    with torch.device("meta"):
        network = WanTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=32,
            ffn_dim=256,
            num_layers=layers,
            in_channels=4,
            out_channels=4,
            text_dim=16,
        )
        vae = AutoencoderKLWan.from_config(found.vae.config)
    return replace(found, network=network, vae=vae)


PLAIN = ("loss.preservation=0", "memory.checkpointing_every=0", "train.precision=float32")
SPEC = replace(WAN, sizes={"1:1": (64, 64)})


def settings_of(*sets: str) -> TrainSettings:
    return TrainSettings.from_recipe(load_recipe("wan2_1_t2v_1_3b/train", (*PLAIN, *sets)))


@cache
def probed(*sets: str, device: str = "cuda") -> Probed:
    situation = Situation(device=device, num_views=2)
    return probe_step(SPEC, made(2), settings_of(*sets), LORA, situation)


def cost(*sets: str, device: str = "cuda") -> StepCost:
    situation = Situation(device=device, num_views=2)
    return weigh(SPEC, made(2), settings_of(*sets), situation)(probed(*sets, device=device))


def held(*sets: str) -> StepCost:
    """Of the plain step, with what changes only how much its parts weigh."""
    return weigh(SPEC, made(2), settings_of(*sets), Situation(num_views=2))(probed())


@pytest.mark.parametrize("every", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_estimate_is_what_a_real_step_holds(
    every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the run itself: its loop, its batches, its adapter, on real tensors."""
    run = TinyRun(tmp_path, steps=3, validate_every=0)
    memory = run.settings.memory.model_copy(update={"checkpointing_every": every})
    weights = replace(run.settings.weights, preservation=0.0, identity=0.0)
    run.settings = replace(run.settings, level="none", memory=memory, weights=weights)
    peaks: list[tuple[tuple[int, ...], int]] = []
    real: Callable[[Objective, Batch], StepLosses] = Objective.backward

    def measured(self: Objective, batch: Batch) -> StepLosses:
        with Ledger() as ledger:
            ledger.add(_held(self))
            before = ledger.live
            found = real(self, batch)
        peaks.append((tuple(batch.latents_BCFHW.shape[3:]), ledger.peak - before))
        return found

    monkeypatch.setattr(Objective, "backward", measured)
    run(validate=None)
    outlined = replace(
        tiny_outline(run.spec),
        network=_empty(run.pipe.transformer),
        vae=_empty(run.pipe.vae),
    )
    monkeypatch.setattr(Objective, "backward", real)
    height, width = max(size for size, _ in peaks)
    scale = run.pipe.vae_scale_factor_spatial
    sizes = {"1:1": (height * scale, width * scale)}
    situation = Situation(device="cpu", num_tokens=4)
    found = step_cost(replace(run.spec, sizes=sizes), outlined, run.settings, run.lora, situation)
    most = max(peak for size, peak in peaks if size == (height, width))
    # Each recomputed block keeps a state of the random generator, which has no fake.
    states = every * 4 * torch.get_rng_state().numel()
    assert found.activations <= most * 1.05
    assert found.activations + states >= most * 0.95


def _held(objective: Objective) -> list[torch.Tensor]:
    network = objective.denoiser.network
    parts: list[Any] = [network, objective.adapter, objective.tokens]
    return [p for part in parts if part is not None for p in (*part.parameters(), *part.buffers())]


def _empty(module: Any) -> Any:
    with torch.device("meta"):
        return type(module).from_config(module.config)


@pytest.mark.slow
def test_few_blocks_tell_of_many() -> None:
    many, few = made(5), made(5)
    settings = TrainSettings.from_recipe(
        load_recipe("wan2_1_t2v_1_3b/train", ["loss.preservation=0", "train.precision=float32"])
    )
    spec = replace(WAN, sizes={"1:1": (64, 64)})
    short = step_cost(spec, few, settings, LORA, Situation(num_views=2))
    assert len(shortened(made(5).network, 1)) == 2
    many.network.register_to_config(num_layers="all of them")  # no number, so none is left out
    whole = step_cost(spec, many, settings, LORA, Situation(num_views=2))
    assert short.flops == pytest.approx(whole.flops, rel=1e-6)
    assert short.trained == whole.trained
    assert short.activations == pytest.approx(whole.activations, rel=0.02)


def test_settings_that_save_memory_do() -> None:
    plain = cost()
    recomputed = cost("memory.checkpointing_every=1")
    assert recomputed.activations < plain.activations
    assert plain.flops < recomputed.flops < 2 * plain.flops
    assert held("train.optimizer=adamw_8bit").trained < plain.trained
    double = cost("train.batch_size=2")
    assert double.activations > 1.5 * plain.activations
    assert double.tokens == 2 * plain.tokens
    assert held("train.precision=bfloat16", "memory.base_weights=bfloat16").base < plain.base


def test_weights_are_counted_as_they_are_held() -> None:
    settings = TrainSettings.from_recipe(load_recipe("wan2_1_t2v_1_3b/train"))
    spec, outlined = replace(WAN, sizes={"1:1": (64, 64)}), made()

    def base(how: str, waiting: int = 0) -> StepCost:
        held = {"base_weights": how, "offloaded_blocks": waiting}
        changed = replace(settings, memory=settings.memory.model_copy(update=held))
        return weigh(spec, outlined, changed, Situation(num_views=2))(probed())

    kinds = [base(how).base for how in ("float32", "bfloat16", "float8", "nf4")]
    assert kinds == sorted(kinds, reverse=True)
    assert kinds[0] == sum(
        p.numel() * 4 for p in (*outlined.network.parameters(), *outlined.network.buffers())
    )
    assert kinds[1] < 0.65 * kinds[0]
    # All four wait, two at a time are here.
    away = base("bfloat16", 4)
    assert away.offloaded > 0
    assert away.base == base("bfloat16").base - away.offloaded // 2


@pytest.mark.parametrize(
    ("more", "less"), [("noise.mean=-2", "noise.mean=1"), ("noise.shift=1", "noise.shift=9")]
)
def test_the_identity_loss_costs_by_the_noise_that_is_trained(more: str, less: str) -> None:
    shares = [
        _low_noise(WAN, tiny_outline(WAN), TrainSettings.from_recipe(recipe), LORA)
        for recipe in (load_recipe("wan2_1_t2v_1_3b/train", [said]) for said in (more, less))
    ]
    assert shares[0] > 1.5 * shares[1] > 0


def test_on_the_cpu_nothing_waits_elsewhere() -> None:
    here, card = cost(device="cpu"), cost()
    assert here.step == card.step + here.autoencoder_weights + here.text_weights
    assert here.encode > card.encode
