"""What cannot be done to save memory is refused before anything is loaded."""

import pytest
import torch

from facekit.errors import UsageError
from facekit.recipe import load_recipe
from facekit.workflows.train_checks import check_memory, is_refused

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["memory.offloaded_blocks=5"], "offloaded_blocks is 5, expected at most 4"),
        (["memory.offloaded_blocks=1", "memory.base_weights=nf4"], "whose blocks do not wait"),
    ],
)
def test_memory_that_cannot_be_saved(changes: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_memory(load_recipe("tiny/train", changes), CPU)
    check_memory(load_recipe("tiny/train", ["memory.offloaded_blocks=4"]), CPU)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ((), False),
        (("memory.base_weights=nf4",), False),
        (("memory.offloaded_blocks=4",), False),
        (("memory.offloaded_blocks=5",), True),
        (("memory.offloaded_blocks=1", "memory.base_weights=nf4"), True),
        (("clips.num_frames=6",), True),
    ],
)
def test_what_no_device_can_do(changes: tuple[str, ...], refused: bool) -> None:
    assert is_refused(load_recipe("tiny/train", changes)) is refused
