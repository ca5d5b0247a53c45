"""Bytes and operations, counted alike with and without numbers."""

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from facekit.training.ledger import Ledger, fake_ledger


def work() -> torch.Tensor:
    weight = torch.ones(64, 32, requires_grad=True)
    x = torch.ones(128, 32)
    hidden = functional.gelu(x @ weight.T)
    loss = hidden.square().sum()
    loss.backward()  # type: ignore[no-untyped-call]
    return loss


def test_fake_tensors_count_as_real_ones() -> None:
    with Ledger() as real:
        work()
    with fake_ledger() as fake:
        work()
    assert (real.peak, real.flops) == (fake.peak, fake.flops)
    # Forward, and the gradient of the weight.
    assert real.flops == 2 * 2 * 128 * 32 * 64


def test_what_is_dropped_counts_no_more() -> None:
    with Ledger() as ledger:
        kept = torch.zeros(1000)
        before = ledger.live
        dropped = torch.zeros(5000)
        assert ledger.live - before == 20000
        del dropped
        assert ledger.live == before == 4000
        assert ledger.peak == 24000
        ledger.restart()
        assert ledger.peak == 4000
    assert kept.numel() == 1000


def test_a_view_is_no_second_tensor() -> None:
    with Ledger() as ledger:
        base = torch.zeros(100)
        view = base[10:20].view(2, 5)
        assert ledger.live == base.numel() * 4
    assert ledger.add([view]) == 0


def test_attention_counts_forward_and_backward() -> None:
    """Two products forward, five backward, of 4 heads x 16 x 16 pairs x 8 channels."""
    query = torch.ones(1, 4, 16, 8, requires_grad=True)
    with Ledger() as ledger:
        out = functional.scaled_dot_product_attention(query, query, query)
        assert ledger.flops == 2 * 2 * 4 * 16 * 16 * 8
        out.sum().backward()  # type: ignore[no-untyped-call]
    assert ledger.flops == 7 * 2 * 4 * 16 * 16 * 8


def test_a_question_for_a_number_is_answered() -> None:
    """The objective asks which samples are of little noise: all of them, so that nothing is cut."""
    with fake_ledger():
        sigma_B = torch.ones(3)
        assert float(sigma_B.mean()) == 1.0
        assert bool((sigma_B < 0).all())
        chosen = [int(index) for index in (sigma_B < 0).nonzero().flatten()]
        assert len(chosen) == 3
        assert sigma_B[sigma_B < 0].shape == (3,)


def test_operations_are_those_that_torch_counts_whatever_was_seen_before() -> None:
    for channels in (4, 8, 4):
        net = torch.nn.Sequential(
            torch.nn.Conv2d(3, channels, 3), torch.nn.Flatten(2), torch.nn.Linear(16, channels)
        )
        with FlopCounterMode(display=False) as counter, Ledger() as ledger:
            net(torch.rand(2, 3, 6, 6)).sum().backward()
        assert ledger.flops == counter.get_total_flops() > 0
