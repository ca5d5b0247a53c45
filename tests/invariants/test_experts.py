"""What must hold where two networks share the noise levels."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FasterCacheConfig, FirstBlockCacheConfig

from facekit.adapters.attach import attach
from facekit.adapters.attention import IdentityProcessor
from facekit.adapters.character import Character
from facekit.adapters.lora import LoraSettings, add_lora
from facekit.backbones import get_spec, spec_names
from facekit.backbones.digest import backbone_digest, pipeline_digest
from facekit.backbones.family import Expert
from facekit.errors import AdapterError, AdapterMismatch, AlreadyAttached, UsageError
from facekit.identity.photo_set import PhotoSet
from facekit.recipe import load_recipe
from facekit.training.captions import Subject
from facekit.training.denoiser import Denoiser
from facekit.training.train_character import train_character
from facekit.workflows import api
from facekit.workflows.train_checks import check_training
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
from tests.tiny.slow import slow_but
from tests.tiny.training import TINY_SETTINGS, TinyFaces, make_photo

EXPERTS = [name for name in spec_names() if get_spec(name).num_experts == 2]
MUCH, LITTLE = 0.95, 0.5
"""Noise levels of the one and of the other."""


@pytest.fixture(params=slow_but(EXPERTS, "wan2_2_t2v_a14b"))
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


def test_the_boundary_itself_is_the_first_networks(pipe: Any, backbone: str) -> None:
    """As in the stock pipeline, which asks it at every timestep from there on."""
    boundary = pipe.config.boundary_ratio
    asked: list[Any] = []
    for network in (pipe.transformer, pipe.transformer_2):
        network.register_forward_hook(lambda module, args, output: asked.append(module))
    for sigma in (boundary, boundary - 1e-3):
        predict(pipe, sigma=sigma)
    assert asked == [pipe.transformer, pipe.transformer_2]


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


def test_training_is_told_which_network_and_its_noise(pipe: Any, backbone: str) -> None:
    spec, boundary = get_spec(backbone), pipe.config.boundary_ratio
    low, high = Denoiser(pipe=pipe, spec=spec), Denoiser(pipe=pipe, spec=spec, expert="high")
    assert low.network is pipe.transformer_2
    assert high.network is pipe.transformer
    assert (low.sigma_range, high.sigma_range) == ((0.0, boundary), (boundary, 1.0))
    pipe.register_to_config(boundary_ratio=None)
    with pytest.raises(UsageError, match="two transformers and no boundary_ratio"):
        _ = low.sigma_range


def test_a_lora_each_is_put_where_it_belongs(pipe: Any, backbone: str, tmp_path: Path) -> None:
    """Files of both attach together; each moves its own noise levels alone."""
    bare = [predict(pipe, sigma=sigma) for sigma in (MUCH, LITTLE)]
    before = trace(pipe)
    paths = []
    experts: tuple[Expert, ...] = ("high", "low")
    for seed, expert in enumerate(experts):
        file = tiny_character(pipe, backbone, seed=seed)
        assert file.header.lora is not None
        lora = dataclasses.replace(file.header.lora, expert=expert)
        header = dataclasses.replace(file.header, level="none", lora=lora, sites=())
        paths.append(tmp_path / f"{expert}.safetensors")
        plain = dataclasses.replace(file, header=header, identity=None, null=None, tokens_BKC=None)
        plain.save(paths[-1])
    for chosen, moved in ((paths[:1], [True, False]), (paths[1:], [False, True])):
        with api.attach(pipe, chosen):
            pairs = zip((MUCH, LITTLE), bare, strict=True)
            assert [not torch.equal(predict(pipe, sigma=s), base) for s, base in pairs] == moved
    with api.attach(pipe, paths) as both:
        assert not torch.equal(predict(pipe, sigma=MUCH), bare[0])
        both.set_strength(0.0)
        for sigma, base in zip((MUCH, LITTLE), bare, strict=True):
            assert torch.equal(predict(pipe, sigma=sigma), base)
    assert trace(pipe) == before


def test_the_other_expert_is_trained_on_request(backbone: str, tmp_path: Path) -> None:
    spec, pipe, faces = get_spec(backbone), tiny_pipe(backbone), TinyFaces()
    photos = tuple(make_photo(index, faces) for index in range(3))
    weights = dataclasses.replace(TINY_SETTINGS.weights, identity=0.0)
    settings = dataclasses.replace(TINY_SETTINGS, level="none", steps=2, weights=weights)
    spec = dataclasses.replace(spec, sizes={"1:1": (32, 32)})
    carriers = []
    for network in spec.family.networks(pipe):
        network.register_forward_hook(
            lambda module, args, output: carriers.append((module, hasattr(module, "peft_config")))
        )
    experts: tuple[Expert, ...] = ("low", "high")
    for expert in experts:
        (tmp_path / expert).mkdir()
        carriers.clear()
        result = train_character(
            settings,
            PhotoSet(train=photos, held_out=(), encoder="tiny@0"),
            Subject(trigger="a man", class_phrase="a person"),
            pipe,
            spec,
            faces,
            tmp_path / expert,
            digest=expert,
            lora=LoraSettings(rank=2, alpha=2.0, expert=expert),
        )
        assert result.lora
        assert carriers
        assert all(net is spec.family.network(pipe, expert) and has for net, has in carriers)


def test_a_backbone_with_one_network_has_no_other_to_train() -> None:
    with pytest.raises(UsageError, match=r"lora\.expert is high, expected low for toon"):
        check_training(load_recipe("toon/train", ["lora.expert=high"]))
    file = tiny_character(tiny_pipe())
    assert file.header.lora is not None
    lora = dataclasses.replace(file.header.lora, expert="high")
    header = dataclasses.replace(file.header, lora=lora)
    character = Character(file=dataclasses.replace(file, header=header), source="mira")
    pipe = tiny_pipe()
    with pytest.raises(AdapterMismatch, match="its LoRA is for much noise alone"):
        api.attach(pipe, character)
    assert not listening(pipe.transformer)


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


def plain(pipe: Any, backbone: str, expert: Expert, seed: int) -> Character:
    """A character that is a LoRA on one of the networks, and nothing else."""
    file = tiny_character(pipe, backbone, seed=seed)
    assert file.header.lora is not None
    lora = dataclasses.replace(file.header.lora, expert=expert)
    header = dataclasses.replace(file.header, level="none", lora=lora, sites=())
    alone = dataclasses.replace(file, header=header, identity=None, null=None, tokens_BKC=None)
    return Character(file=alone, source=expert)


def test_switching_moves_the_lora_to_the_other_network(pipe: Any, backbone: str) -> None:
    before = trace(pipe)
    high, low = plain(pipe, backbone, "high", 0), plain(pipe, backbone, "low", 1)
    wanted = []
    for character in (high, low):
        with api.attach(pipe, character):
            wanted.append([predict(pipe, sigma=sigma) for sigma in (MUCH, LITTLE)])
    with api.attach(pipe, high) as attached:
        for character, expected in ((low, wanted[1]), (high, wanted[0])):
            attached.switch_to(character)
            for sigma, one in zip((MUCH, LITTLE), expected, strict=True):
                assert torch.equal(predict(pipe, sigma=sigma), one)
            holders = [
                hasattr(net, "peft_config") for net in (pipe.transformer, pipe.transformer_2)
            ]
            assert holders == [character is high, character is low]
        broken = dataclasses.replace(low.file, lora={"no.layer": torch.zeros(2, 2)})
        with pytest.raises(AdapterMismatch):
            attached.switch_to([high, Character(file=broken, source="broken")])
        assert torch.equal(predict(pipe, sigma=MUCH), wanted[0][0]), "all of it or nothing"
        assert torch.equal(predict(pipe, sigma=LITTLE), wanted[0][1])
    assert trace(pipe) == before


@pytest.mark.parametrize("which", ["transformer", "transformer_2"])
def test_both_networks_are_guarded(which: str) -> None:
    """Also the one that carries no LoRA of the character, for its identity is there."""
    pipe = tiny_pipe(EXPERTS[0])
    file = tiny_character(pipe, EXPERTS[0])
    network = getattr(pipe, which)
    with api.attach(pipe, Character(file=file, source="mira")):
        with pytest.raises(AdapterError, match=r"copy\.deepcopy"):
            copy.deepcopy(network)
        with pytest.raises(AdapterError, match="FasterCache"):
            network.enable_cache(FasterCacheConfig())
        with pytest.raises(AlreadyAttached):
            api.attach(pipe, Character(file=file, source="mira"))
    assert "_facekit_guard" not in vars(network)
    copy.deepcopy(network)


def test_keyframes_and_caches_in_both(pipe: Any, backbone: str) -> None:
    """A change of strength forgets what a cache keeps in either network."""
    file = tiny_character(pipe, backbone, lora=False)
    bare = [predict(pipe, sigma=sigma) for sigma in (MUCH, LITTLE)]
    for network in (pipe.transformer, pipe.transformer_2):
        network.enable_cache(FirstBlockCacheConfig(threshold=1e9))
    with api.attach(pipe, Character(file=file, source="mira")) as attached:
        nets = (pipe.transformer, pipe.transformer_2)
        for sigma, base, network in zip((MUCH, LITTLE), bare, nets, strict=True):
            for strength in ((1.0, 0.5), 0.0, 1.0):
                attached.set_strength(strength)
                with network.cache_context("cond"):
                    assert torch.equal(predict(pipe, sigma=sigma), base) is (strength == 0.0)
