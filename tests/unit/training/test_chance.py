import torch

from facekit.training.chance import generator, uniform


def test_equal_keys_give_equal_draws_and_others_differ() -> None:
    first = torch.randn(8, generator=generator(3, "noise", 5, 1))
    again = torch.randn(8, generator=generator(3, "noise", 5, 1))
    assert torch.equal(first, again)
    for keys in [(4, "noise", 5, 1), (3, "mask", 5, 1), (3, "noise", 6, 1), (3, "noise", 5, 2)]:
        assert not torch.equal(first, torch.randn(8, generator=generator(*keys)))


def test_keys_do_not_run_together() -> None:
    assert uniform(0, "noise", 1, 12) != uniform(0, "noise", 11, 2)


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    uniform(0, "noise", 1)
    assert torch.equal(before, torch.get_rng_state())


def test_draws_are_even() -> None:
    draws = torch.tensor([uniform(0, "mask", step, 0) for step in range(2000)])
    assert abs(float(draws.mean()) - 0.5) < 0.02
    assert float(draws.min()) >= 0.0
    assert float(draws.max()) < 1.0
