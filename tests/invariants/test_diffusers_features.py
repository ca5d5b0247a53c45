"""A character on a stock pipeline beside everything else that diffusers does to its network.

`docs/howto/python_api.md` has a row for every test here.
"""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    FasterCacheConfig,
    FirstBlockCacheConfig,
    MagCacheConfig,
    PyramidAttentionBroadcastConfig,
    TaylorSeerCacheConfig,
)
from diffusers.models.attention_dispatch import AttentionBackendName, attention_backend

from facekit.adapters.attention import IdentityProcessor
from facekit.errors import AdapterError
from tests.tiny.backbones import wan_inputs
from tests.tiny.drawn import CASES, Case, check, check_refused


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{'lora' if case[1] else 'identity'}")
def case(request: pytest.FixtureRequest) -> Case:
    return Case(*request.param)


@pytest.fixture
def light() -> Case:
    return Case("toon", False)


@pytest.mark.parametrize("order", ["before", "after"])
def test_attention_backend(
    case: Case, order: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry as Registry

    monkeypatch.setattr(Registry, "_active_backend", Registry._active_backend)
    attached = case.attach() if order == "after" else None
    case.network.set_attention_backend("_native_math")
    attached = attached or case.attach()
    set_on = {p._attention_backend for p in case.network.attn_processors.values()}
    assert set_on == {AttentionBackendName._NATIVE_MATH}
    check(case, attached)
    case.network.reset_attention_backend()
    with case.attach(), attention_backend("_native_math"):
        torch.testing.assert_close(case.draw(), case.drawn, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_compile_repeated_blocks() -> None:
    """Compiled and run before, and still both characters and nobody are drawn."""
    torch._dynamo.reset()
    for has_lora in (True, False):
        case = Case("toon", has_lora)
        case.network.compile_repeated_blocks(backend="eager", fullgraph=True)
        assert torch.equal(case.draw(), case.base)
        with case.attach() as attached:
            check(case, attached)
    torch._dynamo.reset()


@pytest.mark.parametrize("order", ["before", "after"])
def test_torch_compile_of_the_network(case: Case, order: str) -> None:
    """The hooks sit inside the wrapper. Not compiled here: a whole network takes half a minute."""
    attached = case.attach() if order == "after" else None
    case.pipe.transformer = torch.compile(case.network, backend="eager")
    with torch.compiler.set_stance("force_eager"):
        check(case, attached or case.attach())


def test_compilation_with_a_region_for_a_lora() -> None:
    """A compiled block goes on with the masks that it was compiled with."""
    told = "torch.compile of a network whose LoRAs have masks would keep"
    case, half = Case("toon", True), torch.eye(2)
    with case.attach(masks_LHW=[half]):
        with pytest.raises(AdapterError, match="compile_repeated_blocks would keep"):
            case.network.compile_repeated_blocks()
        whole = case.pipe.transformer
        case.pipe.transformer = torch.compile(whole, backend="eager")
        with torch.compiler.set_stance("force_eager"), pytest.raises(AdapterError, match=told):
            case.draw()
        case.pipe.transformer = whole
    case.pipe.transformer = torch.compile(whole, backend="eager")
    with pytest.raises(AdapterError, match=told):
        case.attach(masks_LHW=[half])
    case.attach().detach()
    case.pipe.transformer = whole
    whole.blocks[0].compile(backend="eager")
    with pytest.raises(AdapterError, match=told):
        case.attach(masks_LHW=[half])


CACHES = {
    "first block": lambda: FirstBlockCacheConfig(threshold=1e9),
    "taylor": lambda: TaylorSeerCacheConfig(
        cache_interval=9,
        disable_cache_before_step=1,
        taylor_factors_dtype=torch.float32,
        cache_identifiers=[r"blocks\.\d+\.attn\d"],
    ),
    "magnitude": lambda: MagCacheConfig(
        threshold=1e9,
        max_skip_steps=9,
        retention_ratio=0.0,
        num_inference_steps=3,
        mag_ratios=torch.ones(3),
    ),
}


@pytest.mark.parametrize("name", CACHES)
def test_caches_forget_who_was_drawn(case: Case, name: str) -> None:
    def change(pipe: Any, step: int, timestep: Any, given: dict[str, Any]) -> dict[str, Any]:
        attached.set_strength((1.0, 0.5, 0.0)[step])
        return {}

    every_step = {"num_inference_steps": 3, "callback_on_step_end": change}
    attached = case.attach(strength=0.3)
    uncached = case.draw(**every_step)
    attached.set_strength(0.3)
    plain = case.draw(num_inference_steps=3)
    case.network.enable_cache(CACHES[name]())
    assert not torch.allclose(case.draw(num_inference_steps=3), plain), "it caches at all"
    attached.set_strength(0.3)
    torch.testing.assert_close(case.draw(**every_step), uncached)
    attached.detach()
    case.network.disable_cache()
    assert torch.equal(case.draw(), case.base)


def test_pyramid_attention_broadcast(light: Case) -> None:
    """It keeps one answer for both passes of guidance where they are asked apart, as Wan's are."""
    reads = PyramidAttentionBroadcastConfig(
        cross_attention_block_skip_range=9,
        cross_attention_timestep_skip_range=(-1, 1001),
        cross_attention_block_identifiers=("blocks",),
        current_timestep_callback=lambda: 500,
    )
    with light.attach() as attached:
        unguided = light.draw(guidance_scale=1.0)
        light.network.enable_cache(reads)
        with pytest.raises(AdapterError, match="asks them one after the other"):
            light.draw()
        light.network._reset_stateful_cache()  # as after every call that ends well
        cached = light.draw(guidance_scale=1.0)
        assert not torch.equal(cached, unguided)
        attached.set_strength(0.0)
        assert not torch.equal(light.draw(guidance_scale=1.0), cached)


@pytest.mark.parametrize("order", ["before", "after"])
def test_faster_cache_is_refused(case: Case, order: str) -> None:
    attached = case.attach() if order == "after" else None
    config = FasterCacheConfig()
    if attached is None:
        case.network._cache_config = config  # applying it to Wan fails in diffusers
    last = case.attach if attached is None else lambda: case.network.enable_cache(config)
    check_refused([last], None, "tells the character from nobody")


@pytest.mark.parametrize("order", ["before", "after"])
def test_fused_projections(case: Case, order: str) -> None:
    """The query is heard all the same; a LoRA on the single projections would not be."""
    attached = case.attach() if order == "after" else None
    if case.has_lora:
        steps = [case.network.fuse_qkv_projections, case.attach]
        check_refused(steps, attached, "lead past the character's LoRA")
        return
    case.network.fuse_qkv_projections()
    check(case, attached or case.attach())
    case.network.unfuse_qkv_projections()
    assert torch.equal(case.draw(), case.base)


@pytest.mark.parametrize("order", ["before", "after"])
def test_parallel_runs_are_refused(case: Case, order: str) -> None:
    from diffusers import ContextParallelConfig

    config = ContextParallelConfig(ring_degree=2)
    attached = case.attach() if order == "after" else None
    if attached is None:
        case.network._parallel_config = config  # a group of processes would be needed
    enable = case.network.enable_parallelism
    last = case.attach if attached is None else lambda: enable(config=config)
    check_refused([last], None, "facekit has not been run in parallel")


def test_data_parallel_around_an_attached_network(case: Case) -> None:
    """DDP in a single process: the hooks sit inside, and gradients come through it."""
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        with case.attach():
            case.network.requires_grad_(True)
            wrapped = torch.nn.parallel.DistributedDataParallel(case.network)
            inputs = wan_inputs(case.pipe)
            drawn = wrapped(**inputs)[0]
            assert torch.equal(drawn, case.network(**inputs)[0])
            drawn.square().mean().backward()
            assert all(parameter.grad is not None for parameter in case.network.parameters())
    finally:
        torch.distributed.destroy_process_group()
    assert torch.equal(case.draw(), case.base)


@pytest.mark.parametrize("beside", ["group offload", "first block cache"])
def test_three_way_guidance(case: Case, beside: str) -> None:
    """Its third pass is asked from inside the second, in a context of its own."""
    three_way = {"guidance": "three_way", "identity_guidance": 1.5, "guidance_scale": 2.0}
    with case.attach(**three_way):
        plain = case.draw()
        assert not torch.allclose(plain, case.drawn)
    with case.attach(**three_way):
        if beside == "group offload":
            device = torch.device("cpu")
            case.network.enable_group_offload(device, device, offload_type="leaf_level")
        else:
            case.network.enable_cache(FirstBlockCacheConfig(threshold=0.0))
        torch.testing.assert_close(case.draw(), plain, atol=1e-4, rtol=1e-4)


def test_a_copy_while_attached_is_refused(case: Case) -> None:
    with case.attach(), pytest.raises(AdapterError, match="copy first and attach to both"):
        copy.deepcopy(case.network)
    both = copy.deepcopy(case.network)
    with case.attach():
        assert not any(isinstance(p, IdentityProcessor) for p in both.attn_processors.values())


def test_saving_while_attached(case: Case, tmp_path: Path) -> None:
    """An identity branch leaves no trace in the weights; a LoRA would, and is refused."""
    case.network.save_pretrained(tmp_path / "bare")
    with case.attach():
        if case.has_lora:
            with pytest.raises(AdapterError, match=r"among the backbone's weights.*; detach first"):
                case.pipe.save_pretrained(tmp_path / "attached")
            return
        case.network.save_pretrained(tmp_path / "attached")
    for bare in (tmp_path / "bare").iterdir():
        assert (tmp_path / "attached" / bare.name).read_bytes() == bare.read_bytes()


@pytest.mark.parametrize("order", ["before", "after"])
def test_another_type_of_numbers(case: Case, order: str) -> None:
    attached = case.attach() if order == "after" else None
    case.pipe.to(torch.bfloat16)
    attached = attached or case.attach()
    drawn = case.draw()
    attached.detach()
    base = case.draw()
    assert (drawn - case.drawn).abs().mean() < 0.1 * (case.drawn - case.base).abs().mean()
    with case.attach(strength=0.0):
        assert torch.equal(case.draw(), base)
