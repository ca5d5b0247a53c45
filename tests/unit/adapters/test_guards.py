"""Methods of a network that are stood before while characters are attached."""

import inspect
from typing import Any

import pytest
import torch

from facekit.adapters.guards import NetworkGuard, check_alone, check_network, reset_caches
from facekit.errors import AdapterError, AlreadyAttached
from tests.tiny.backbones import tiny_pipe


def test_a_guard_leaves_no_trace_and_lets_the_rest_through() -> None:
    network = tiny_pipe().transformer
    before, signature = dict(vars(network)), inspect.signature(network.save_pretrained)
    guard = NetworkGuard(network, ["facekit_0"], lambda: None)
    assert inspect.signature(network.save_pretrained) == signature
    network.delete_adapters([])
    guard.release()
    guard.release()
    assert dict(vars(network)) == before


@pytest.mark.parametrize("method", ["fuse_lora", "unload_lora", "disable_lora", "save_pretrained"])
def test_what_would_lose_a_lora_is_refused_only_beside_one(method: str, tmp_path: Any) -> None:
    network = tiny_pipe().transformer
    guard = NetworkGuard(network, ["facekit_0"], lambda: None)
    with pytest.raises(AdapterError, match=f"^{method} would .*; "):
        getattr(network, method)(tmp_path)
    guard.release()
    NetworkGuard(network, [], lambda: None)
    assert method not in vars(network)


def test_what_sets_adapters_is_followed_by_the_characters() -> None:
    network, told = tiny_pipe().transformer, []
    network.set_adapters = lambda *names: told.append(names)
    guard = NetworkGuard(network, ["facekit_0"], lambda: told.append("and we"))
    network.set_adapters("style")
    assert told == [("style",), "and we"]
    guard.release()


def test_one_attachment_at_a_time() -> None:
    network = tiny_pipe().transformer
    check_alone(network)
    NetworkGuard(network, [], lambda: None)
    with pytest.raises(AlreadyAttached, match="attach all of them at once"):
        check_alone(network)


def test_a_plain_network_is_fit_and_has_no_cache_to_forget() -> None:
    network = tiny_pipe().transformer
    check_network(network, has_lora=True)
    reset_caches(network)
    check_network(torch.nn.Linear(2, 2), has_lora=True)
