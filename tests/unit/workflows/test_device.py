"""Where a backbone runs; graphics cards are pretended, for the tests' machine has none."""

import pytest
import torch

from facekit.errors import UsageError
from facekit.workflows.device import choose_device, device_text


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card of {device}")


@pytest.fixture
def no_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_is_the_processor_where_there_is_no_card(no_cards: None) -> None:
    assert choose_device() == choose_device("cpu") == torch.device("cpu")
    assert device_text(choose_device()) == "cpu"


def test_auto_is_the_card_where_there_is_one(cards: None) -> None:
    assert choose_device() == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    assert choose_device("cpu") == torch.device("cpu")
    assert device_text(choose_device("cuda:1")) == "cuda:1 (card of cuda:1)"


@pytest.mark.parametrize("asked", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_not_there(no_cards: None, asked: str) -> None:
    with pytest.raises(
        UsageError, match=rf"device '{asked}': .* expected one of auto, cpu; choose"
    ):
        choose_device(asked)


def test_a_card_too_many(cards: None) -> None:
    with pytest.raises(UsageError, match="expected one of auto, cpu, cuda, cuda:0, cuda:1"):
        choose_device("cuda:2")


@pytest.mark.parametrize("asked", ["gpu", "", "meta", "cuda:x"])
def test_no_device_at_all(no_cards: None, asked: str) -> None:
    with pytest.raises(UsageError, match="no such name, expected one of auto, cpu; correct"):
        choose_device(asked)
