from dataclasses import replace

import pytest
import torch

from facekit.training.batches import choose_samples, sigmas
from facekit.training.settings import Dropout
from tests.tiny.training import RECIPE_SETTINGS

SETTINGS = replace(RECIPE_SETTINGS, batch_size=4, seed=3)
SQUARE, WIDE = (4, 1, 6, 6), (4, 1, 6, 11)


def _choices(step: int, photos: int = 5, **changes: object) -> list:
    settings = replace(SETTINGS, **changes)
    views = list(range(photos))
    return choose_samples(step, settings, views, [SQUARE] * photos, photos)


def test_choices_depend_on_seed_and_step_alone() -> None:
    assert _choices(7) == _choices(7)
    assert _choices(7) != _choices(8)
    assert _choices(7) != _choices(7, seed=4)


@pytest.mark.parametrize("photos", [3, 4, 8])
def test_target_reference_and_conditions_are_different_photos(photos: int) -> None:
    for step in range(50):
        for choice in _choices(step, photos):
            assert choice.view not in choice.conditions
            assert choice.reference not in (choice.view, *choice.conditions)
            assert len(set(choice.conditions)) == len(choice.conditions) >= 1


def test_two_photos_condition_on_the_other_and_one_on_itself() -> None:
    for choice in _choices(0, photos=2):
        assert choice.conditions == (1 - choice.view,)
        assert choice.reference == choice.view
    for choice in _choices(0, photos=1):
        assert (choice.conditions, choice.reference) == ((0,), 0)


def test_all_samples_of_a_step_stack() -> None:
    for step in range(30):
        assert len({len(choice.conditions) for choice in _choices(step, photos=6)}) == 1


def test_concat_takes_at_most_the_photos_it_can_line_up() -> None:
    for step in range(30):
        for choice in _choices(step, photos=9, pool="concat", max_photos=2):
            assert len(choice.conditions) <= 2


def test_photos_that_make_the_tokens_condition_before_the_others() -> None:
    settings = replace(SETTINGS, pool="concat", max_photos=3)
    tokens = {1, 4, 6}
    photos = list(range(9))
    for step in range(60):
        plain = choose_samples(step, settings, photos, [SQUARE] * 9, 9)
        chosen = choose_samples(step, settings, photos, [SQUARE] * 9, 9, token_photos=tokens)
        for one, choice in zip(plain, chosen, strict=True):
            assert (choice.view, choice.reference) == (one.view, one.reference)
            assert len(choice.conditions) == len(one.conditions)
            free = tokens - {choice.view, choice.reference}
            used = set(choice.conditions)
            assert used <= free or free <= used


def test_where_all_photos_make_the_tokens_chance_alone_decides() -> None:
    photos = list(range(5))
    for step in range(20):
        plain = choose_samples(step, SETTINGS, photos, [SQUARE] * 5, 5)
        assert plain == choose_samples(
            step, SETTINGS, photos, [SQUARE] * 5, 5, token_photos=range(5)
        )


def test_a_batch_holds_one_size() -> None:
    buckets = [SQUARE, WIDE, SQUARE, WIDE, SQUARE]
    seen = set()
    for step in range(40):
        choices = choose_samples(step, SETTINGS, list(range(5)), buckets, 5)
        sizes = {buckets[choice.view] for choice in choices}
        assert len(sizes) == 1
        seen |= sizes
    assert seen == {SQUARE, WIDE}


def test_probabilities_are_kept() -> None:
    dropout = Dropout(identity=0.2, text=0.3, both=0.1)
    drawn = [c for step in range(400) for c in _choices(step, dropout=dropout)]
    share = {
        name: sum(c.dropped == name for c in drawn) / len(drawn)
        for name in ("identity", "text", "both")
    }
    assert share == pytest.approx({"identity": 0.2, "text": 0.3, "both": 0.1}, abs=0.03)
    assert sum(c.masked for c in drawn) / len(drawn) == pytest.approx(0.5, abs=0.03)


def test_sigmas_are_stratified_logit_normal() -> None:
    drawn = torch.tensor([sigmas(0, step, 8, shift=1.0) for step in range(300)])
    assert float(drawn.median()) == pytest.approx(0.5, abs=0.02)
    assert float(torch.logit(drawn).std()) == pytest.approx(1.0, abs=0.05)
    # Every batch has exactly one draw in each eighth of the distribution.
    quantiles = torch.special.ndtr(torch.logit(drawn)).mul(8).floor().sort(dim=1).values
    assert torch.equal(quantiles, torch.arange(8.0).expand(300, 8))


def test_shift_moves_towards_noise() -> None:
    plain, shifted = (torch.tensor(sigmas(0, 1, 16, shift)) for shift in (1.0, 3.0))
    assert bool((shifted > plain).all())
    assert float(shifted.max()) < 1.0


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("between", [(0.0, 0.8), (0.8, 1.0)])
def test_between_two_levels_the_distribution_is_the_same(
    shift: float, between: tuple[float, float]
) -> None:
    """The levels of one expert of two."""
    everything, cut = (
        torch.tensor([sigmas(0, step, 8, shift, ends) for step in range(600)])
        for ends in ((0.0, 1.0), between)
    )
    low, high = between
    assert low <= float(cut.min()) < float(cut.max()) <= high
    kept = everything[(everything > low) & (everything < high)]
    for share in (0.05, 0.5, 0.95):
        assert float(cut.quantile(share)) == pytest.approx(float(kept.quantile(share)), abs=0.03)
