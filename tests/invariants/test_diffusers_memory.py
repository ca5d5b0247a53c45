"""A character on a network whose weights diffusers moves, stores in files or in eight bits.

`docs/howto/python_api.md` has a row for every test here.
"""

import copy
from pathlib import Path
from typing import Any

import accelerate
import pytest
import torch

from facekit.errors import AdapterError
from tests.tiny.backbones import tiny_pipe
from tests.tiny.drawn import CASES, Case, check, check_refused

CPU = torch.device("cpu")
GROUPS = (
    ("block_level", "before"),
    ("leaf_level", "after"),
    pytest.param("block_level", "after", marks=pytest.mark.slow),
    pytest.param("leaf_level", "before", marks=pytest.mark.slow),
)
"""How much moves at once, and whether it was set before the character came or after."""


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{'lora' if case[1] else 'identity'}")
def case(request: pytest.FixtureRequest) -> Case:
    return Case(*request.param)


@pytest.mark.parametrize("order", ["before", "after"])
def test_model_offload(case: Case, order: str) -> None:
    """The hook that enable_model_cpu_offload puts onto the network."""
    attached = case.attach() if order == "after" else None
    accelerate.cpu_offload_with_hook(case.network, CPU)
    check(case, attached or case.attach())


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.filterwarnings("ignore:for .*copying from a non-meta parameter")
def test_sequential_offload_of_what_is_attached(case: Case, where: str, tmp_path: Path) -> None:
    """The hooks that enable_sequential_cpu_offload puts onto every layer."""
    attached = case.attach()
    if where == "disk":
        accelerate.disk_offload(case.network, str(tmp_path), CPU)
    else:
        accelerate.cpu_offload(case.network, CPU)
    check(case, attached)


def test_sequential_offload_first(case: Case) -> None:
    """An identity branch comes later; a LoRA cannot be made where there are no weights."""
    accelerate.cpu_offload(case.network, CPU)
    if not case.has_lora:
        check(case, case.attach())
        return
    with pytest.raises(AdapterError, match="attach first, then enable_sequential_cpu_offload"):
        case.attach()
    torch.testing.assert_close(case.draw(), case.base, atol=1e-4, rtol=1e-4)


def group_offload(network: Any, kind: str, folder: Path | None = None) -> None:
    network.enable_group_offload(
        CPU,
        CPU,
        offload_type=kind,
        num_blocks_per_group=1 if kind == "block_level" else None,
        offload_to_disk_path=str(folder) if folder else None,
    )


@pytest.mark.parametrize(("kind", "order"), GROUPS)
def test_group_offload(case: Case, kind: str, order: str) -> None:
    attached = case.attach() if order == "after" else None
    group_offload(case.network, kind)
    attached = attached or case.attach()
    if kind == "leaf_level":
        linears = [m for m in case.network.modules() if type(m) is torch.nn.Linear]
        assert all(hasattr(linear, "_diffusers_hook") for linear in linears), "LoRA layers too"
    check(case, attached)


@pytest.mark.parametrize(("kind", "order"), GROUPS)
def test_group_offload_to_disk(case: Case, kind: str, order: str, tmp_path: Path) -> None:
    """Weights that are away are never read; a LoRA, which diffusers would lose, is refused."""
    attached = case.attach() if order == "after" else None
    if case.has_lora:
        steps = [lambda: group_offload(case.network, kind, tmp_path), case.attach]
        check_refused(steps, attached, "diffusers does not write layers that came later")
        return
    group_offload(case.network, kind, tmp_path)
    check(case, attached or case.attach())


@pytest.mark.gpu
@pytest.mark.parametrize("how", ["model_cpu", "sequential_cpu", "group"])
def test_offload_of_the_whole_pipeline(case: Case, how: str) -> None:
    attached = case.attach()
    if how == "group":
        case.pipe.enable_group_offload(torch.device("cuda"), offload_type="leaf_level")
    else:
        getattr(case.pipe, f"enable_{how}_offload")()
    torch.testing.assert_close(case.draw().cpu(), case.drawn, atol=1e-2, rtol=1e-2)
    attached.detach()
    torch.testing.assert_close(case.draw().cpu(), case.base, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("order", ["before", "after"])
def test_layerwise_casting(case: Case, order: str) -> None:
    """Eight-bit storage draws what the same numbers draw in full width."""

    def cast(network: Any) -> None:
        network.enable_layerwise_casting(torch.float8_e4m3fn, torch.float32)

    rounded = Case(case.backbone, case.has_lora)
    cast(case.network) if order == "before" else None
    stored = copy.deepcopy(tiny_pipe(case.backbone).transformer)
    cast(stored)
    state = {name: tensor.float() for name, tensor in stored.state_dict().items()}
    rounded.network.load_state_dict(state)
    base = rounded.draw()
    attached = case.attach()
    cast(case.network) if order == "after" else None
    with rounded.attach():
        torch.testing.assert_close(case.draw(), rounded.draw(), atol=1e-4, rtol=1e-4)
    attached.set_strength(0.0)
    torch.testing.assert_close(case.draw(), base)
    attached.detach()
    torch.testing.assert_close(case.draw(), base)
