"""What must hold on every backbone whenever identity is attached.

Backbones whose tiny networks are the same but for the width of the texts share their tests.
"""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from diffusers import ModelMixin
from torch.utils.checkpoint import CheckpointError

from facekit.adapters.attach import attach
from facekit.adapters.attention import IdentityProcessor
from facekit.adapters.conditioning import Conditioning
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import LoraSettings, add_lora
from facekit.backbones import get_spec
from tests.tiny.backbones import (
    FEW_KINDS,
    SAME_BUT_FOR_TEXT,
    embeddings,
    grid_of,
    network_of,
    predict,
    randomise_lora,
    sample,
    site_outputs,
    tiny_adapter,
    tiny_pipe,
)


@pytest.fixture(params=FEW_KINDS)
def backbone(request: pytest.FixtureRequest) -> str:
    return request.param


_PIPES: dict[str, tuple[Any, list[object]]] = {}


@pytest.fixture
def pipe(backbone: str) -> Iterator[Any]:
    """A bare pipeline; the tests of a backbone hand one on as long as they leave it as it was."""
    if backbone not in _PIPES:
        made = tiny_pipe(backbone)
        _PIPES[backbone] = (made, _state(made))
    found, before = _PIPES[backbone]
    yield found
    if _state(found) != before:
        del _PIPES[backbone]


def _state(pipe: Any) -> list[object]:
    """All that attaching could leave behind: modules, hooks, processors, weights, what learns."""
    network = network_of(pipe)
    kept: list[object] = [
        (
            *(path, type(module), len(module._forward_hooks), len(module._forward_pre_hooks)),
            *(module.training, vars(module).get("forward"), vars(module).get("processor")),
        )
        for path, module in network.named_modules()
    ]
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        kept.append((name, tensor.requires_grad, tensor.grad is None, tensor._version))
    return kept


@pytest.fixture
def adapter(pipe: Any, backbone: str) -> IdentityAdapter:
    return tiny_adapter(network_of(pipe), get_spec(backbone))


@pytest.mark.parametrize("name", SAME_BUT_FOR_TEXT)
def test_what_stands_for_another_differs_in_the_width_of_texts_alone(name: str) -> None:
    ours, theirs = (
        {key: dict(part.config) for key, part in pipe.components.items() if _is_net(part)}
        for pipe in (tiny_pipe(name), tiny_pipe(SAME_BUT_FOR_TEXT[name]))
    )
    widths = ("text_dim", "caption_channels")
    for config in (ours["transformer"], theirs["transformer"]):
        assert [config.pop(width) for width in widths if width in config]
    assert ours == theirs
    spec, other = get_spec(name), get_spec(SAME_BUT_FOR_TEXT[name])
    assert spec.family is other.family
    assert spec.process == other.process
    for fact in ("lora_targets", "lora_excluded", "site_every", "num_experts"):
        assert getattr(spec, fact) == getattr(other, fact)


def _is_net(part: Any) -> bool:
    return isinstance(part, ModelMixin)


def test_a_new_adapter_is_a_bit_exact_no_op(pipe: Any, backbone: str) -> None:
    spec = get_spec(backbone)
    base = predict(pipe)
    fresh = tiny_adapter(network_of(pipe), spec, trained=False)
    attachment = attach(fresh, network_of(pipe), spec)
    with attachment.conditioned_on(fresh.tokens(embeddings())):
        assert torch.equal(predict(pipe), base)


def test_strength_zero_nobody_and_detached_are_bit_exact(
    pipe: Any, backbone: str, adapter: IdentityAdapter
) -> None:
    base = predict(pipe)
    tokens = adapter.tokens(embeddings())
    attachment = attach(adapter, network_of(pipe), get_spec(backbone))
    assert torch.equal(predict(pipe), base), "nobody yet"
    for strength in (0.0, (0.0, 0.0)):
        with attachment.conditioned_on(Conditioning(identity=tokens, strength=strength)):
            assert torch.equal(predict(pipe), base), f"strength {strength}"
    with attachment.conditioned_on(tokens):
        assert not torch.allclose(predict(pipe), base), "the adapter has an effect"
        attachment.set_strength(0.0)
        assert torch.equal(predict(pipe), base), "strength of the attachment"
        attachment.set_strength(1.0)
        with attachment.disabled():
            assert torch.equal(predict(pipe), base), "disabled"
        assert not torch.allclose(predict(pipe), base), "on again"
    assert torch.equal(predict(pipe), base), "nobody any more"
    with attachment.conditioned_on(Conditioning(identity=tokens, present_B=torch.zeros(2))):
        assert torch.equal(predict(pipe), base), "absent from every sample"
    attachment.condition(tokens)
    attachment.detach()
    assert torch.equal(predict(pipe), base), "detached"


def test_attached_sites_are_exactly_those_of_the_spec(
    pipe: Any, backbone: str, adapter: IdentityAdapter
) -> None:
    spec = get_spec(backbone)
    keys = list(network_of(pipe).state_dict())
    attach(adapter, network_of(pipe), spec)
    attached = {
        name.removesuffix(".processor")
        for name, processor in network_of(pipe).attn_processors.items()
        if isinstance(processor, IdentityProcessor)
    }
    assert attached == set(spec.sites(network_of(pipe)))
    assert list(network_of(pipe).state_dict()) == keys


def test_detach_leaves_no_trace(pipe: Any, backbone: str, adapter: IdentityAdapter) -> None:
    def trace() -> tuple[Any, ...]:
        modules = [
            (name, len(module._forward_hooks), len(module._forward_pre_hooks))
            for name, module in network_of(pipe).named_modules()
        ]
        processors = network_of(pipe).attn_processors
        return modules, processors, set(network_of(pipe).__dict__)

    before = trace()
    attachment = attach(adapter, network_of(pipe), get_spec(backbone))
    assert trace() != before
    attachment.detach()
    attachment.detach()
    assert trace() == before


def test_folded_equals_unfolded(pipe: Any, backbone: str, adapter: IdentityAdapter) -> None:
    attachment = attach(adapter, network_of(pipe), get_spec(backbone))
    tokens = adapter.tokens(embeddings())
    with attachment.conditioned_on(tokens):
        unfolded = predict(pipe)
    with attachment.conditioned_on(adapter.fold(tokens).detached()):
        assert torch.equal(predict(pipe), unfolded)
        assert torch.equal(predict(pipe), unfolded), "the kept terms are the same"


def test_a_step_changes_only_the_adapter(
    pipe: Any, backbone: str, adapter: IdentityAdapter
) -> None:
    before = copy.deepcopy(network_of(pipe).state_dict())
    attachment = attach(adapter, network_of(pipe), get_spec(backbone))
    optimizer = torch.optim.SGD(adapter.parameters(), lr=0.1)
    with attachment.conditioned_on(adapter.tokens(embeddings(batch=2))):
        predict(pipe).square().mean().backward()
    without = [name for name, parameter in adapter.named_parameters() if parameter.grad is None]
    assert without == []
    assert all(parameter.grad is None for parameter in network_of(pipe).parameters())
    old = adapter.projector.latents.detach().clone()
    optimizer.step()
    assert not torch.equal(adapter.projector.latents, old)
    after = network_of(pipe).state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_gradients_reach_tokens_through_a_frozen_adapter(
    pipe: Any, backbone: str, adapter: IdentityAdapter
) -> None:
    adapter.requires_grad_(False)
    tokens = adapter.tokens(embeddings()).requires_grad_()
    attachment = attach(adapter, network_of(pipe), get_spec(backbone))
    with attachment.conditioned_on(tokens):
        predict(pipe).square().mean().backward()
    assert tokens.grad is not None
    assert tokens.grad.abs().max() > 0


def _gradients(
    pipe: Any, backbone: str, adapter: IdentityAdapter, checkpointing: bool
) -> list[torch.Tensor]:
    adapter.zero_grad()
    attachment = attach(adapter, network_of(pipe), get_spec(backbone))
    if checkpointing:
        network_of(pipe).enable_gradient_checkpointing()
    try:
        with attachment.conditioned_on(adapter.tokens(embeddings(batch=2))):
            loss = predict(pipe).square().mean()
            with attachment.disabled(), torch.no_grad():
                predict(pipe)  # as the preservation loss does in between
            loss.backward()
    finally:
        network_of(pipe).disable_gradient_checkpointing()
        attachment.detach()
    return [parameter.grad.clone() for parameter in adapter.parameters()]


def test_gradient_checkpointing_gives_the_same_gradients(
    pipe: Any, backbone: str, adapter: IdentityAdapter
) -> None:
    plain = _gradients(pipe, backbone, adapter, checkpointing=False)
    checkpointed = _gradients(pipe, backbone, adapter, checkpointing=True)
    for one, other in zip(plain, checkpointed, strict=True):
        torch.testing.assert_close(one, other)


def test_leaving_the_scope_before_backward_fails_loudly(
    pipe: Any, backbone: str, adapter: IdentityAdapter
) -> None:
    attachment = attach(adapter, network_of(pipe), get_spec(backbone))
    network_of(pipe).enable_gradient_checkpointing()
    with attachment.conditioned_on(adapter.tokens(embeddings())):
        loss = predict(pipe).square().mean()
    with pytest.raises(CheckpointError):
        loss.backward()


def test_a_region_mask_leaves_the_other_half_exactly_zero(
    pipe: Any, backbone: str, adapter: IdentityAdapter
) -> None:
    spec = get_spec(backbone)
    grid = grid_of(pipe)
    mask = torch.zeros(grid)
    mask[:, :, : grid[2] // 2] = 1
    attachment = attach(adapter, network_of(pipe), spec)
    site = spec.sites(network_of(pipe))[0]
    outside = _on(mask, spec.family.site_grid(grid, site)) == 0
    seen, _ = site_outputs(pipe, site)
    predict(pipe)
    tokens = adapter.tokens(embeddings())
    with attachment.conditioned_on(Conditioning(identity=tokens, mask_LHW=mask)):
        predict(pipe)
    with attachment.conditioned_on(tokens):
        predict(pipe)
    base, masked, everywhere = seen
    assert torch.equal(masked[:, outside], base[:, outside])
    assert torch.equal(masked[:, ~outside], everywhere[:, ~outside])
    assert not torch.allclose(masked[:, ~outside], base[:, ~outside])


def _on(mask_LHW: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
    """The mask on the tokens of a site."""
    return torch.nn.functional.adaptive_avg_pool3d(mask_LHW[None], grid).flatten()


def test_disjoint_characters_do_not_mix_in_the_branch(
    pipe: Any, backbone: str, adapter: IdentityAdapter
) -> None:
    spec = get_spec(backbone)
    grid = grid_of(pipe)
    left = torch.zeros(grid)
    left[:, :, : grid[2] // 2] = 1
    one, other = (adapter.fold(adapter.tokens(embeddings(seed=seed))) for seed in (1, 2))
    attachment = attach(adapter, network_of(pipe), spec)
    site = spec.sites(network_of(pipe))[0]
    share = _on(left, spec.family.site_grid(grid, site))
    here, there = share == 1, share == 0
    seen, _ = site_outputs(pipe, site)
    both = (
        Conditioning(identity=one, mask_LHW=left),
        Conditioning(identity=other, mask_LHW=1 - left),
    )
    for identities in (one, other, both):
        with attachment.conditioned_on(identities):
            predict(pipe)
    torch.testing.assert_close(seen[2][:, here], seen[0][:, here])
    torch.testing.assert_close(seen[2][:, there], seen[1][:, there])


def test_presence_is_per_sample(pipe: Any, backbone: str, adapter: IdentityAdapter) -> None:
    base = predict(pipe)
    attachment = attach(adapter, network_of(pipe), get_spec(backbone))
    tokens = adapter.tokens(embeddings(batch=2))
    with attachment.conditioned_on(tokens):
        everywhere = predict(pipe)
    present = torch.tensor([1.0, 0.0])
    with attachment.conditioned_on(Conditioning(identity=tokens, present_B=present)):
        mixed = predict(pipe)
    torch.testing.assert_close(mixed[0], everywhere[0])
    assert torch.equal(mixed[1], base[1])


def test_lora_and_identity_live_together(
    pipe: Any, backbone: str, adapter: IdentityAdapter
) -> None:
    """The branch uses the base output projection, whether or not peft wraps it."""
    spec = get_spec(backbone)
    attachment = attach(adapter, network_of(pipe), spec)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    with attachment.conditioned_on(folded):
        before = predict(pipe)
        add_lora(network_of(pipe), spec, LoraSettings(rank=2, alpha=2.0))
        assert torch.equal(predict(pipe), before), "a fresh LoRA adds nothing"
        randomise_lora(network_of(pipe))
        assert not torch.allclose(predict(pipe), before)
    attachment.detach()
    again = tiny_adapter(network_of(pipe), spec)
    for one, other in zip(adapter.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other), "built on a wrapped transformer it starts the same"


def test_the_stock_pipeline_samples_with_it(
    pipe: Any, backbone: str, adapter: IdentityAdapter
) -> None:
    spec = get_spec(backbone)
    base = sample(pipe, spec)
    attachment = attach(adapter, network_of(pipe), spec, pipe=pipe)
    assert torch.equal(sample(pipe, spec), base)
    with attachment.conditioned_on(adapter.fold(adapter.tokens(embeddings())).detached()):
        conditioned = sample(pipe, spec)
    assert conditioned.isfinite().all()
    assert not torch.allclose(conditioned, base)
    attachment.detach()
    assert torch.equal(sample(pipe, spec), base)
