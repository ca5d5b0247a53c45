"""Identity beside joint attention, against the formula written out from the attention's weights."""

from typing import Any

import pytest
import torch
from torch import Tensor

from facekit.adapters.attach import attach
from facekit.backbones import get_spec
from facekit.backbones.spec import site_module
from tests.tiny.backbones import embeddings, predict, tiny_adapter, tiny_pipe

SITES = [
    ("hunyuanvideo", "transformer_blocks.0.attn"),
    ("hunyuanvideo", "single_transformer_blocks.4.attn"),
    ("hunyuanvideo_1_5", "transformer_blocks.2.attn"),
    ("cogvideox_2b", "transformer_blocks.2.attn1"),
    ("cogvideox_5b", "transformer_blocks.0.attn1"),
]


@pytest.mark.parametrize(("backbone", "site"), SITES)
def test_what_is_added_and_to_what(backbone: str, site: str) -> None:
    """The normed query before the rotary embedding, and the text's part left as it was."""
    spec, pipe = get_spec(backbone), tiny_pipe(backbone)
    adapter = tiny_adapter(pipe.transformer, spec)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    attention: Any = site_module(pipe.transformer, site)
    told: list[dict[str, Any]] = []
    hook = attention.register_forward_pre_hook(
        lambda module, args, kwargs: told.append(dict(kwargs)), with_kwargs=True
    )
    with torch.no_grad():
        predict(pipe)
        hook.remove()
        latents, text = attention(**told[0])
        attachment = attach(adapter, pipe.transformer, spec)
        with attachment.conditioned_on(folded):
            predict(pipe)  # makes the terms of the site
            got, got_text = attention(**told[0])
        added = _read(attention, told[0]["hidden_states"], folded.keys[site], folded.values[site])
        if not site.startswith("single_"):
            added = added @ attention.to_out[0].weight.T
    assert torch.equal(got_text, text)
    torch.testing.assert_close(got, latents + added, atol=1e-5, rtol=1e-5)
    assert added.abs().max() > 1e-3
    mask = told[0].get("attention_mask")
    assert (mask is None) == backbone.startswith("cogvideox")


def _read(attention: Any, hidden_BLC: Tensor, key_BKC: Tensor, value_BKC: Tensor) -> Tensor:
    """Softmax of scaled products, head by head, in float64; no rotary embedding."""
    query = attention.norm_q(attention.to_q(hidden_BLC).unflatten(2, (attention.heads, -1)))
    key, value = (
        x.unflatten(2, (attention.heads, -1)).double().expand(len(query), -1, -1, -1)
        for x in (key_BKC, value_BKC)
    )
    weights = torch.einsum("blhe,bkhe->bhlk", query.double(), key) / query.shape[-1] ** 0.5
    return torch.einsum("bhlk,bkhe->blhe", weights.softmax(-1), value).flatten(2).float()
