"""What is heard of a query stays as it was, whatever the attention does with its own tensor."""

import pytest
import torch

from facekit.backbones import get_spec
from facekit.backbones.sites import CROSS, JOINT, JOINT_AFTER_TEXT, project_out
from tests.tiny.backbones import network_of, tiny_pipe

LATENTS, TEXT, HEADS, EACH = 6, 3, 2, 4


@pytest.mark.parametrize("is_strided", [False, True])
def test_the_text_first_query_is_a_copy_of_the_latents(is_strided: bool) -> None:
    """Rotary embedding turns it in place; some norms keep the strides, so that views would do."""
    heard = torch.randn(1, LATENTS + TEXT, HEADS, EACH).transpose(1, 2)
    heard = heard if is_strided else heard.contiguous()
    query = JOINT_AFTER_TEXT.query(heard, LATENTS)
    wanted = heard[:, :, TEXT:].transpose(1, 2).reshape(1, LATENTS, HEADS * EACH).clone()
    heard.zero_()
    assert torch.equal(query, wanted)
    assert query.abs().min() > 0


def test_the_text_last_query_is_the_latents() -> None:
    heard = torch.randn(1, LATENTS + TEXT, HEADS, EACH)
    assert torch.equal(JOINT.query(heard, LATENTS), heard[:, :LATENTS].flatten(2))
    assert CROSS.query(heard, LATENTS) is heard


def test_a_projection_without_its_bias_in_either_way() -> None:
    layer, read = torch.nn.Linear(4, 4), torch.randn(1, 3, 4)
    plain = project_out(read, layer)
    own_forward = layer.forward
    layer.forward = lambda x: own_forward(x)  # type: ignore[method-assign]
    torch.testing.assert_close(project_out(read, layer), plain)
    assert torch.equal(project_out(torch.zeros_like(read), layer), torch.zeros_like(read))


@pytest.mark.parametrize("name", ["hunyuanvideo", "hunyuanvideo_1_5", "cogvideox_2b", "toon"])
def test_the_keys_of_the_text_are_those_that_identity_starts_from(name: str) -> None:
    """Where the text has a projection of its own, that one and not the latents'."""
    spec, network = get_spec(name), network_of(tiny_pipe(name))
    site = spec.sites(network)[0]
    attention = network.get_submodule(site)
    added = getattr(attention, "add_k_proj", None)
    assert (added is not None) == name.startswith("hunyuan")
    key = spec.family.site_kind(network, site).text_key(attention)
    assert key is (attention.to_k if added is None else added)
