"""What is put on a network is still there when it is asked, or an error says so."""

import pytest
from diffusers.models.attention_processor import AttnProcessor2_0

from facekit.adapters.attach import attach
from facekit.backbones import get_spec
from facekit.errors import AdapterError
from tests.tiny.backbones import (
    BACKBONES,
    embeddings,
    network_of,
    predict,
    sample,
    tiny_adapter,
    tiny_pipe,
)


@pytest.mark.parametrize("name", BACKBONES)
def test_a_processor_that_was_changed_is_told(name: str) -> None:
    pipe, spec = tiny_pipe(name), get_spec(name)
    network = network_of(pipe)
    adapter = tiny_adapter(network, spec)
    attachment = attach(adapter, network, spec)
    site = spec.sites(network)[-1]
    network.get_submodule(site).set_processor(AttnProcessor2_0())
    with (
        attachment.conditioned_on(adapter.tokens(embeddings())),
        pytest.raises(AdapterError, match=f"{site}: its processor was changed to a AttnProcessor"),
    ):
        predict(pipe)
    attachment.detach()
    assert isinstance(network.get_submodule(site).processor, AttnProcessor2_0)


def test_fused_projections_of_cogvideox() -> None:
    """They come with processors of their own, which know nothing of anybody."""
    pipe, spec = tiny_pipe("cogvideox_2b"), get_spec("cogvideox_2b")
    adapter = tiny_adapter(pipe.transformer, spec)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    base = sample(pipe, spec)
    with attach(adapter, pipe.transformer, spec, pipe=pipe) as attachment:
        attachment.condition(folded)
        pipe.transformer.fuse_qkv_projections()
        with pytest.raises(AdapterError, match="detach, change the processors"):
            sample(pipe, spec)
    with attach(adapter, pipe.transformer, spec, pipe=pipe) as attachment:
        attachment.condition(folded)
        assert not sample(pipe, spec).allclose(base)
