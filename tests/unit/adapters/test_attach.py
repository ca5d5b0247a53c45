"""Attaching, conditioning and guidance: what is accepted, what is refused, what it computes."""

from typing import Any

import pytest
import torch
from diffusers import FirstBlockCacheConfig

from facekit.adapters.attach import Attachment, attach
from facekit.adapters.conditioning import Conditioning
from facekit.adapters.folded import FoldedIdentity
from facekit.backbones import get_spec
from facekit.errors import AdapterError, AdapterMismatch, AlreadyAttached, SiteMissing
from tests.tiny.backbones import (
    embeddings,
    predict,
    sample,
    tiny_adapter,
    tiny_pipe,
    wan_inputs,
    wan_predict,
)

TOON = get_spec("toon")


@pytest.fixture
def pipe() -> Any:
    return tiny_pipe()


@pytest.fixture
def folded(pipe: Any) -> FoldedIdentity:
    adapter = tiny_adapter(pipe.transformer, TOON)
    return adapter.fold(adapter.tokens(embeddings())).detached()


@pytest.fixture
def attachment(pipe: Any) -> Attachment:
    return attach(TOON.sites(pipe.transformer), pipe.transformer, TOON)


def test_a_second_attachment_is_refused(pipe: Any, attachment: Attachment) -> None:
    with pytest.raises(AlreadyAttached, match=r"blocks\.0\.attn2.*detach"):
        attach(attachment.sites, pipe.transformer, TOON)
    attachment.detach()
    attach(attachment.sites, pipe.transformer, TOON)


def test_sites_must_be_exactly_the_specs(pipe: Any) -> None:
    with pytest.raises(SiteMissing, match=r"1 missing \(blocks\.2\.attn2\), 1 unexpected"):
        attach(("blocks.0.attn2", "blocks.1.attn2"), pipe.transformer, TOON)


def test_an_adapter_of_another_width_is_refused(pipe: Any) -> None:
    from facekit.adapters.identity_adapter import IdentityAdapter, IdentityAdapterConfig

    sites = TOON.sites(pipe.transformer)
    config = IdentityAdapterConfig(
        embedding_dim=4,
        token_dim=8,
        inner_dim=16,
        sites=sites,
        num_tokens=4,
        pool="mean",
        max_photos=5,
    )
    with pytest.raises(AdapterMismatch, match="16 wide, expected 24"):
        attach(IdentityAdapter(config), pipe.transformer, TOON)


def test_tokens_need_an_adapter(attachment: Attachment) -> None:
    with pytest.raises(AdapterError, match="without an adapter"):
        attachment.condition(torch.zeros(1, 4, 24))


def test_a_batch_that_does_not_fit_is_refused(pipe: Any, folded: FoldedIdentity) -> None:
    adapter = tiny_adapter(pipe.transformer, TOON)
    attachment = attach(adapter, pipe.transformer, TOON)
    with (
        attachment.conditioned_on(adapter.tokens(embeddings(batch=3))),
        pytest.raises(AdapterError, match="holds 3 samples, expected 1 or the 2"),
    ):
        wan_predict(pipe)


@pytest.mark.parametrize(
    "options",
    [
        {"guidance": "three_way", "identity_guidance": 2.0},
        {"guidance": "three_way", "guidance_scale": 3.0},
        {"guidance": "three_way", "guidance_scale": 1.0, "identity_guidance": 2.0},
        {"identity_guidance": 2.0},
        {"unconditional": "nobody"},
    ],
)
def test_options_that_contradict_each_other(
    attachment: Attachment, folded: FoldedIdentity, options: dict[str, Any]
) -> None:
    with pytest.raises(AdapterError, match="expected"):
        attachment.condition(folded, **options)


def test_scopes_nest(pipe: Any, attachment: Attachment, folded: FoldedIdentity) -> None:
    base = wan_predict(pipe)
    with attachment.conditioned_on(folded):
        full = wan_predict(pipe)
        with attachment.conditioned_on(Conditioning(identity=folded, strength=0.5)):
            half = wan_predict(pipe)
        assert torch.equal(wan_predict(pipe), full)
    assert torch.equal(wan_predict(pipe), base)
    assert not torch.allclose(half, full)


def test_the_window_decides_by_the_noise_level(
    pipe: Any, attachment: Attachment, folded: FoldedIdentity
) -> None:
    bare = {sigma: wan_predict(pipe, **wan_inputs(pipe, sigma=sigma)) for sigma in (0.9, 0.5)}
    with attachment.conditioned_on(folded):
        full = {sigma: wan_predict(pipe, **wan_inputs(pipe, sigma=sigma)) for sigma in (0.9, 0.5)}
    with attachment.conditioned_on(Conditioning(identity=folded, window=(0.0, 0.8))):
        assert torch.equal(wan_predict(pipe, **wan_inputs(pipe, sigma=0.9)), bare[0.9])
        assert torch.equal(wan_predict(pipe, **wan_inputs(pipe, sigma=0.5)), full[0.5])
    with attachment.conditioned_on(Conditioning(identity=folded, strength=0.5)):
        half = wan_predict(pipe, **wan_inputs(pipe, sigma=0.9))
    early = Conditioning(identity=folded, window=lambda sigma_B: 1.0 - 0.5 * (sigma_B > 0.8))
    with attachment.conditioned_on(early):
        torch.testing.assert_close(wan_predict(pipe, **wan_inputs(pipe, sigma=0.9)), half)


def test_a_clean_first_frame_does_not_lower_the_noise_level(
    pipe: Any, attachment: Attachment, folded: FoldedIdentity
) -> None:
    arguments = wan_inputs(pipe, sigma=0.9)
    arguments["timestep"] = arguments["timestep"].clone()
    arguments["timestep"][:, :24] = 0
    base = wan_predict(pipe, **arguments)
    with attachment.conditioned_on(Conditioning(identity=folded, window=(0.0, 0.8))):
        assert torch.equal(wan_predict(pipe, **arguments), base)


def test_two_way_guidance_sees_nobody_without_the_prompt(
    pipe: Any, attachment: Attachment, folded: FoldedIdentity
) -> None:
    base = wan_predict(pipe)
    with attachment.conditioned_on(folded):
        full = wan_predict(pipe)
        with pipe.transformer.cache_context("uncond"):
            assert torch.equal(wan_predict(pipe), base)
        with pipe.transformer.cache_context("cond"):
            assert torch.equal(wan_predict(pipe), full)
    with (
        attachment.conditioned_on(folded, unconditional="same"),
        pipe.transformer.cache_context("uncond"),
    ):
        assert torch.equal(wan_predict(pipe), full)


def test_a_learned_null_stands_for_nobody(pipe: Any) -> None:
    adapter = tiny_adapter(pipe.transformer, TOON, learned_null=True)
    attachment = attach(adapter, pipe.transformer, TOON)
    tokens, null = adapter.tokens(embeddings()), adapter.null_tokens(1)
    with attachment.conditioned_on(null):
        nobody = wan_predict(pipe)
    with (
        attachment.conditioned_on(Conditioning(identity=tokens, null=null)),
        pipe.transformer.cache_context("uncond"),
    ):
        assert torch.equal(wan_predict(pipe), nobody)


@pytest.mark.parametrize("weight", [1.0, 1.7, 3.0])
def test_three_way_guidance_through_the_pipelines_formula(
    pipe: Any, attachment: Attachment, folded: FoldedIdentity, weight: float
) -> None:
    scale = 3.0
    negative = wan_inputs(pipe, seed=7)["encoder_hidden_states"]
    nobody = wan_predict(pipe, encoder_hidden_states=negative)
    options = {
        "guidance": "three_way",
        "identity_guidance": weight,
        "guidance_scale": scale,
    }
    with attachment.conditioned_on(folded):
        somebody = wan_predict(pipe, encoder_hidden_states=negative)
        conditional = wan_predict(pipe)
    with attachment.conditioned_on(folded, **options):
        with pipe.transformer.cache_context("cond"):
            positive = wan_predict(pipe)
        with pipe.transformer.cache_context("uncond"):
            answer = wan_predict(pipe, encoder_hidden_states=negative)
    got = answer + scale * (positive - answer)
    wanted = nobody + weight * (somebody - nobody) + scale * (conditional - somebody)
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)


def test_three_way_guidance_samples(
    pipe: Any, attachment: Attachment, folded: FoldedIdentity
) -> None:
    """With g_i = g the three passes collapse to two-way guidance with nobody."""
    with attachment.conditioned_on(folded):
        two_way = sample(pipe, TOON)
    equal = {"guidance": "three_way", "identity_guidance": 2.0, "guidance_scale": 2.0}
    with attachment.conditioned_on(folded, **equal):
        torch.testing.assert_close(sample(pipe, TOON), two_way, atol=1e-4, rtol=1e-4)
    with attachment.conditioned_on(folded, **(equal | {"identity_guidance": 4.0})):
        assert not torch.allclose(sample(pipe, TOON), two_way)


def test_another_attention_backend_reaches_the_wrapped_processor(
    pipe: Any, attachment: Attachment
) -> None:
    processor = pipe.transformer.get_submodule(attachment.sites[0]).processor
    processor._attention_backend = "native"
    assert processor.wrapped._attention_backend == "native"


def test_half_precision_keeps_its_type(
    pipe: Any, attachment: Attachment, folded: FoldedIdentity
) -> None:
    pipe.transformer.to(torch.bfloat16)
    arguments = {
        name: value.to(torch.bfloat16) if name != "timestep" and torch.is_tensor(value) else value
        for name, value in wan_inputs(pipe).items()
    }
    base = wan_predict(pipe, **arguments)
    with attachment.conditioned_on(folded):
        conditioned = wan_predict(pipe, **arguments)
    assert conditioned.dtype == torch.bfloat16
    assert not torch.equal(conditioned, base)


def test_a_cache_forgets_when_somebody_comes_or_goes() -> None:
    """What it kept was drawn for somebody else, or for nobody."""
    pipe = tiny_pipe()
    adapter = tiny_adapter(pipe.transformer, TOON)
    base = predict(pipe)
    pipe.transformer.enable_cache(FirstBlockCacheConfig(threshold=1e9))
    attachment = attach(adapter, pipe.transformer, TOON)
    for told in (True, False):
        if told:
            attachment.condition(adapter.tokens(embeddings()).detach())
        else:
            attachment.clear()
        with pipe.transformer.cache_context("cond"):
            assert torch.equal(predict(pipe), base) is not told
