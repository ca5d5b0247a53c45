"""Who is hired, and where each draws; the cards are pretended."""

from typing import Any, cast

import pytest
import torch

from facekit.workflows.render_crew import hire


def test_each_process_gets_a_card_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    recipe, judge = cast(Any, None), cast(Any, None)
    crew: Any = hire(3, recipe, torch.device("cuda"), judge)
    cards = [maker.args[1] for maker in crew.makers]
    assert cards == [torch.device("cuda", number) for number in (0, 1, 0)]
    named: Any = hire(2, recipe, torch.device("cuda:1"), judge)
    assert [maker.args[1] for maker in named.makers] == [torch.device("cuda:1")] * 2
