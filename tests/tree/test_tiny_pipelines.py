"""Tests get copies of tiny pipelines: what is copied is what would have been built."""

from typing import Any

import pytest
import torch

from facekit.backbones import get_spec
from tests.tiny.backbones import FEW_KINDS, network_of
from tests.tiny.pipelines import remembered


def _parts(pipe: Any) -> dict[str, Any]:
    return {key: part for key, part in pipe.components.items() if isinstance(part, torch.nn.Module)}


@pytest.mark.parametrize("name", FEW_KINDS)
def test_a_copy_is_what_would_have_been_built(name: str) -> None:
    spec = get_spec(name)
    calls: list[str] = []

    def build(spec: Any) -> Any:
        calls.append(spec.name)
        return spec.family.build_tiny(spec)

    tiny = remembered(build)
    built, first, second = tiny(spec), tiny(spec), tiny(spec)
    assert len(calls) == 2
    for copied in (first, second):
        assert type(copied) is type(built)
        assert list(_parts(copied)) == list(_parts(built))
        assert dict(copied.scheduler.config) == dict(built.scheduler.config)
        for key, part in _parts(built).items():
            other = _parts(copied)[key]
            assert dict(other.named_modules()).keys() == dict(part.named_modules()).keys()
            assert other.training is part.training
            for inside in ("named_parameters", "named_buffers"):
                # with every name of a weight that two layers share
                ours, theirs = (
                    dict(getattr(each, inside)(remove_duplicate=False)) for each in (part, other)
                )
                assert ours.keys() == theirs.keys()
                assert all(torch.equal(tensor, theirs[path]) for path, tensor in ours.items())
                assert len(set(map(id, theirs.values()))) == len(set(map(id, ours.values())))
    words = len(second.tokenizer)
    first.tokenizer.add_tokens(["mira"])
    assert (len(second.tokenizer), len(built.tokenizer)) == (words, words)
    with torch.no_grad():
        for parameter in network_of(first).parameters():
            parameter.add_(1.0)
    pairs = zip(network_of(built).parameters(), network_of(second).parameters(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)
