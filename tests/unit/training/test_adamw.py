import sys
from typing import Any

import pytest
import torch

from facekit.errors import PackageMissing
from facekit.training.adamw import build_adamw, check_optimizer


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    for ask in (
        lambda: check_optimizer("adamw_8bit"),
        lambda: build_adamw("adamw_8bit", [], on_cuda=False),
    ):
        with pytest.raises(PackageMissing, match=r"pip install 'facekit\[quant\]'"):
            ask()


@pytest.mark.parametrize("kind", ["adamw", "adamw_schedule_free"])
def test_what_torch_brings_needs_no_package(kind: Any) -> None:
    check_optimizer(kind)
    weight = torch.nn.Parameter(torch.ones(2))
    built = build_adamw(kind, [{"params": [weight], "lr": 0.1}], on_cuda=False)
    assert isinstance(built, torch.optim.Optimizer)
    weight.grad = torch.ones(2)
    built.step()
    assert float(weight.detach()[0]) < 1.0


def test_fused_kernels_are_for_cuda_alone() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    groups: list[dict[str, Any]] = [{"params": [weight], "lr": 0.1}]
    assert [
        bool(build_adamw("adamw", groups, on_cuda=on_cuda).defaults["fused"])
        for on_cuda in (False, True)
    ] == [False, True]
