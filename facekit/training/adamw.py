"""The kinds of AdamW that a recipe can ask for, built by the libraries that have them."""

from collections.abc import Sequence
from typing import Any, Literal

from facekit.faces.packages import import_optional

__all__ = ["OptimizerKind", "build_adamw", "check_optimizer"]

OptimizerKind = Literal["adamw", "adamw_8bit", "adamw_schedule_free"]

_BETAS = (0.9, 0.99)


def check_optimizer(kind: OptimizerKind) -> None:
    """Make sure that the package of an optimizer is there.

    Raises:
        PackageMissing: It is not installed, or it breaks when it is imported.
    """
    if kind == "adamw_8bit":
        import_optional("bitsandbytes", extra="quant")


def build_adamw(kind: OptimizerKind, groups: Sequence[dict[str, Any]], *, on_cuda: bool) -> Any:
    """Build an optimizer with the interface of ``torch.optim.Optimizer``.

    Args:
        kind: AdamW of torch; with moments of 8 bits, of bitsandbytes; or schedule-free, of
            schedulefree (arXiv 2405.15682).
        groups: ``params``, ``lr`` and ``weight_decay`` of each.
        on_cuda: Whether the parameters are on a CUDA device, where fused kernels are the fastest.

    Raises:
        PackageMissing: As for `check_optimizer`.
    """
    options: dict[str, Any] = {"betas": _BETAS}
    if kind == "adamw_8bit":
        # Tensors of fewer than 4096 numbers keep moments of 32 bits.
        return import_optional("bitsandbytes", extra="quant").optim.AdamW8bit(groups, **options)
    if kind == "adamw_schedule_free":
        from schedulefree import AdamWScheduleFree

        free = AdamWScheduleFree(groups, foreach=on_cuda, **options)
        free.train()
        return free
    import torch

    return torch.optim.AdamW(groups, foreach=False, fused=on_cuda, **options)
