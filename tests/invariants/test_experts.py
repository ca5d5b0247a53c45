"""What must hold where two networks share the noise levels."""

from pathlib import Path
from typing import Any

import pytest
import torch

from facekit.adapters.attach import attach
from facekit.adapters.attention import IdentityProcessor
from facekit.adapters.character import Character
from facekit.adapters.lora import LoraSettings, add_lora
from facekit.backbones import get_spec, spec_names
from facekit.backbones.digest import backbone_digest, pipeline_digest
from facekit.errors import AlreadyAttached, UsageError
from facekit.training.denoiser import Denoiser
from facekit.workflows import api
from tests.tiny.backbones import (
    embeddings,
    network_of,
    predict,
    randomise_lora,
    sample,
    tiny_adapter,
    tiny_character,
    tiny_pipe,
)

EXPERTS = [name for name in spec_names() if get_spec(name).num_experts == 2]
MUCH, LITTLE = 0.95, 0.5
"""Noise levels of the one and of the other."""


@pytest.fixture(params=EXPERTS)
def backbone(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def pipe(backbone: str) -> Any:
    return tiny_pipe(backbone)


def trace(pipe: Any) -> list[Any]:
    return [
        (
            [(n, len(m._forward_hooks), len(m._forward_pre_hooks)) for n, m in net.named_modules()],
            net.attn_processors,
            set(net.__dict__),
            list(net.state_dict()),
        )
        for net in (pipe.transformer, pipe.transformer_2)
    ]


def listening(network: Any) -> bool:
    processors = network.attn_processors.values()
    return any(isinstance(processor, IdentityProcessor) for processor in processors)


def test_each_noise_level_is_asked_of_its_own_network(pipe: Any, backbone: str) -> None:
    much, little = predict(pipe, sigma=MUCH), predict(pipe, sigma=LITTLE)
    add_lora(pipe.transformer, get_spec(backbone), LoraSettings(rank=2, alpha=2.0))
    randomise_lora(pipe.transformer)
    assert not torch.allclose(predict(pipe, sigma=MUCH), much)
    assert torch.equal(predict(pipe, sigma=LITTLE), little)


def test_samples_of_both_networks_in_one_batch(pipe: Any, backbone: str) -> None:
    spec = get_spec(backbone)
    text = spec.family.encode_text(pipe, spec, ["a woman", "a man", "a face"])
    noisy = torch.randn(3, 4, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    # The boundary itself is the first network's, as in the stock pipeline.
    sigma_B = torch.tensor([LITTLE, pipe.config.boundary_ratio, 0.1])
    together = spec.family.predict(pipe, spec, noisy, sigma_B, text)
    for index in range(3):
        one = slice(index, index + 1)
        said = {name: tensor[one] for name, tensor in text.items()}
        alone = spec.family.predict(pipe, spec, noisy[one], sigma_B[one], said)
        torch.testing.assert_close(together[one], alone)


def test_identity_goes_into_both_and_comes_off_both(pipe: Any, backbone: str) -> None:
    spec, before = get_spec(backbone), trace(pipe)
    bare = [predict(pipe, sigma=sigma) for sigma in (MUCH, LITTLE)]
    adapter = tiny_adapter(network_of(pipe), spec)
    attachment = attach(adapter, network_of(pipe), spec, pipe=pipe)
    with pytest.raises(AlreadyAttached):
        attach(adapter, pipe.transformer, spec)
    tokens = adapter.tokens(embeddings())

    def differ() -> list[bool]:
        pairs = zip((MUCH, LITTLE), bare, strict=True)
        return [not torch.equal(predict(pipe, sigma=sigma), base) for sigma, base in pairs]

    assert differ() == [False, False], "nobody yet"
    with attachment.conditioned_on(tokens):
        assert differ() == [True, True]
        attachment.set_strength(0.0)
        assert differ() == [False, False], "strength"
        attachment.set_strength(1.0)
        with attachment.disabled():
            assert differ() == [False, False], "disabled"
        assert differ() == [True, True], "on again"
    assert differ() == [False, False], "nobody any more"
    attachment.condition(tokens)
    attachment.detach()
    assert trace(pipe) == before
    assert differ() == [False, False], "detached"


def test_an_error_at_the_second_leaves_the_first_alone(pipe: Any, backbone: str) -> None:
    spec = get_spec(backbone)
    adapter = tiny_adapter(network_of(pipe), spec)
    earlier = attach(adapter, pipe.transformer, spec)
    with pytest.raises(AlreadyAttached):
        attach(adapter, network_of(pipe), spec, pipe=pipe)
    assert not listening(pipe.transformer_2)
    earlier.detach()


def test_a_character_is_identity_in_both_and_lora_in_the_one_for_little_noise(
    pipe: Any, backbone: str
) -> None:
    base = sample(pipe, get_spec(backbone))
    before = trace(pipe)
    character = Character(file=tiny_character(pipe, backbone), source="mira")
    with api.attach(pipe, character):
        assert listening(pipe.transformer)
        assert listening(pipe.transformer_2)
        assert hasattr(pipe.transformer_2, "peft_config")
        assert not hasattr(pipe.transformer, "peft_config")
        assert not torch.allclose(sample(pipe, get_spec(backbone)), base)
    assert trace(pipe) == before
    assert torch.equal(sample(pipe, get_spec(backbone)), base)


def test_three_way_guidance_holds_in_both(pipe: Any, backbone: str) -> None:
    """As strong as the text's, the guidance of the identity is the two-way one."""
    spec = get_spec(backbone)
    adapter = tiny_adapter(network_of(pipe), spec)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    attachment = attach(adapter, network_of(pipe), spec, pipe=pipe)
    with attachment.conditioned_on(folded):
        two_way = sample(pipe, spec)
    options = {"guidance": "three_way", "guidance_scale": 2.0}
    with attachment.conditioned_on(folded, identity_guidance=2.0, **options):
        torch.testing.assert_close(sample(pipe, spec), two_way)
    with attachment.conditioned_on(folded, identity_guidance=1.2, **options):
        assert not torch.allclose(sample(pipe, spec), two_way)


def test_training_is_told_where_the_other_network_begins(pipe: Any, backbone: str) -> None:
    spec = get_spec(backbone)
    denoiser = Denoiser(pipe=pipe, spec=spec)
    assert denoiser.network is pipe.transformer_2
    assert denoiser.highest_sigma == pipe.config.boundary_ratio
    pipe.register_to_config(boundary_ratio=None)
    with pytest.raises(UsageError, match="two transformers and no boundary_ratio"):
        _ = denoiser.highest_sigma


@pytest.mark.parametrize("changed", ["transformer", "transformer_2"])
def test_the_digest_is_of_both(changed: str, tmp_path: Path) -> None:
    spec, pipe = get_spec(EXPERTS[0]), tiny_pipe(EXPERTS[0])
    pipe.save_pretrained(tmp_path)
    before = backbone_digest(tmp_path)
    assert pipeline_digest(spec.load(tmp_path)) == before
    with torch.no_grad():
        getattr(pipe, changed).proj_out.bias += 1
    getattr(pipe, changed).save_pretrained(tmp_path / changed)
    after = backbone_digest(tmp_path)
    assert pipeline_digest(spec.load(tmp_path)) == after != before
