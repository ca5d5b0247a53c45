"""How fast a device is taken to be."""

import pytest
import torch

from facekit.training.rates import Rate, device_rate, peak_rate


def test_cards_are_known_by_their_names() -> None:
    assert peak_rate("NVIDIA H100 80GB HBM3") == 989e12
    assert peak_rate("NVIDIA H100 PCIe") == 756e12
    assert peak_rate("NVIDIA GeForce RTX 4090") == pytest.approx(165.2e12)
    assert peak_rate("NVIDIA L40S") == 362e12
    assert peak_rate("NVIDIA L4") == 121e12
    assert peak_rate("NVIDIA A10G") is None
    assert peak_rate("NVIDIA A10") == 125e12
    assert peak_rate("NVIDIA A100-SXM4-80GB") == 312e12
    assert peak_rate("NVIDIA GeForce RTX 4090 Laptop GPU") is None
    assert peak_rate("A card of tomorrow") is None


def test_the_cpu_is_measured() -> None:
    rate = device_rate(torch.device("cpu"), "float32")
    assert rate is not None
    assert 1e8 < rate.low < rate.high < 1e14
    assert device_rate(torch.device("mps"), "float32") is None


def test_a_rate_gives_a_range_of_seconds() -> None:
    assert Rate(low=2.0, high=4.0, basis="").seconds(8.0) == (2.0, 4.0)
