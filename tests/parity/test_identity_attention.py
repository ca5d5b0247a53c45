"""The decoupled attention against its formula written out, and against diffusers' own."""

import math

import pytest
import torch
from torch import nn

from facekit.adapters.attention import SiteTerm, identity_attention
from facekit.adapters.conditioning import Conditioning
from facekit.backbones import get_spec
from facekit.backbones.sites import project_out
from tests.tiny.backbones import GRID, embeddings, tiny_adapter, tiny_pipe, wan_inputs, wan_predict

HEADS = 3


def reference(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, heads: int
) -> torch.Tensor:
    """softmax(Q K^T / sqrt(E)) V, one head and one sample at a time, in float64."""
    out = torch.zeros(query.shape, dtype=torch.float64)
    width = query.shape[2] // heads
    for sample in range(query.shape[0]):
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            q, k, v = (x[sample, :, part].double() for x in (query, key, value))
            out[sample, :, part] = torch.softmax(q @ k.T / math.sqrt(width), dim=-1) @ v
    return out


@pytest.mark.parametrize("shared", [False, True])
def test_against_the_formula(shared: bool) -> None:
    torch.manual_seed(0)
    query = torch.randn(2, 10, 12)
    key, value = (torch.randn(1 if shared else 2, 4, 12) for _ in range(2))
    got = identity_attention(query, SiteTerm(key, value, None), HEADS)
    wanted = reference(query, key.expand(2, -1, -1), value.expand(2, -1, -1), HEADS)
    torch.testing.assert_close(got.double(), wanted, atol=1e-6, rtol=1e-5)


def test_against_diffusers_ip_adapter() -> None:
    """What IPAdapterAttnProcessor2_0 adds is this attention, times its scale, through to_out."""
    from diffusers.models.attention_processor import Attention, IPAdapterAttnProcessor2_0

    torch.manual_seed(0)
    attention = Attention(query_dim=12, cross_attention_dim=8, heads=HEADS, dim_head=4, bias=False)
    processor = IPAdapterAttnProcessor2_0(12, 8, num_tokens=(4,), scale=0.7)
    attention.set_processor(processor)
    hidden, text, tokens = torch.randn(2, 10, 12), torch.randn(2, 5, 8), torch.randn(2, 4, 8)
    with torch.no_grad():
        both = attention(hidden, encoder_hidden_states=(text, [tokens[:, None]]))
        processor.scale = [0.0]
        base = attention(hidden, encoder_hidden_states=(text, [tokens[:, None]]))
        term = SiteTerm(processor.to_k_ip[0](tokens), 0.7 * processor.to_v_ip[0](tokens), None)
        read = identity_attention(attention.to_q(hidden), term, HEADS)
        added = project_out(read, attention.to_out[0])
    torch.testing.assert_close(base + added, both, atol=1e-6, rtol=1e-5)


def test_one_site_of_the_backbone_against_the_formula() -> None:
    """``y = base + W_o (s m Attn(norm_q(W_q x), K_id, V_id))`` on the real attention module."""
    pipe, spec = tiny_pipe(), get_spec("toon")
    adapter = tiny_adapter(pipe.transformer, spec)
    site = spec.sites(pipe.transformer)[0]
    attention = pipe.transformer.get_submodule(site)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    mask = torch.rand(GRID)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    attention.register_forward_hook(lambda module, args, output: seen.append((args[0], output)))
    from facekit.adapters.attach import attach

    with torch.no_grad():
        wan_predict(pipe)
        attachment = attach(adapter, pipe.transformer, spec)
        identity = Conditioning(identity=folded, strength=0.6, mask_LHW=mask)
        with attachment.conditioned_on(identity):
            wan_predict(pipe, **wan_inputs(pipe))
        hidden, base = seen[0]
        query = attention.norm_q(attention.to_q(hidden))
    key, value = (part[site].expand(2, -1, -1) for part in (folded.keys, folded.values))
    read = 0.6 * mask.reshape(1, -1, 1) * reference(query, key, value, attention.heads)
    added = read @ attention.to_out[0].weight.double().T
    torch.testing.assert_close(seen[1][1].double(), base + added, atol=1e-5, rtol=1e-5)


def test_a_layer_that_only_multiplies_by_itself() -> None:
    """Quantised layers have no weight to borrow: their bias is taken away again."""

    class Stored(nn.Linear):
        """Stands for a quantised layer."""

    torch.manual_seed(0)
    plain, stored = nn.Linear(6, 4), Stored(6, 4)
    stored.load_state_dict(plain.state_dict())
    read = torch.randn(2, 3, 6)
    torch.testing.assert_close(project_out(read, stored), project_out(read, plain))
    assert not project_out(torch.zeros(2, 3, 6), stored).any()
