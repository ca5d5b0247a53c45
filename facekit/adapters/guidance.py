"""What the passes of classifier-free guidance see of the characters."""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from facekit.adapters.conditioning import Conditioning
from facekit.backbones.family import PassKind
from facekit.errors import AdapterError

__all__ = ["Condition", "Guidance", "GuidanceWatch", "Unconditional", "make_condition"]

Unconditional: TypeAlias = Literal["null", "same"]
Guidance: TypeAlias = Literal["two_way", "three_way"]


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """Who is in the picture, and what guidance makes of it."""

    identities: tuple[Conditioning, ...] = ()
    unconditional: Unconditional = "null"
    identity_guidance: float | None = None
    """g_i of three-way guidance; None for two-way."""
    guidance_scale: float = 1.0
    """g of the pipeline; only used with three-way guidance."""
    is_constant: bool = True
    """Whether the terms are the same in every pass of one shape."""

    def answer(self, nobody: Tensor, somebody: Tensor) -> Tensor:
        """What the unconditional pass must say so that a stock pipeline does three-way guidance.

        The pipeline computes ``u + g (v - u)``. Setting that equal to
        ``v0 + g_i (v_id - v0) + g (v - v_id)`` gives
        ``u = ((g_i - 1) v0 + (g - g_i) v_id) / (g - 1)``, free of v.

        Args:
            nobody: v0, neither prompt nor identity.
            somebody: v_id, the identity without the prompt.
        """
        assert self.identity_guidance is not None, "two-way guidance asks nobody twice"
        weight, scale = self.identity_guidance, self.guidance_scale
        return ((weight - 1) * nobody + (scale - weight) * somebody) / (scale - 1)

    def mix(self, output: Any, second: Any, kind: PassKind) -> Any:
        """`answer`, in the place of what the network gave.

        Args:
            output: Of the unconditional pass, or of both halves.
            second: The same with the identity.
            kind: Which of the two.
        """
        nobody, somebody = (_sample(each) for each in (output, second))
        mixed = self.answer(nobody, somebody)
        if kind == "both":  # the other half is the pipeline's
            half = nobody.shape[0] // 2
            mixed = torch.cat([mixed[:half], nobody[half:]])
        if isinstance(output, tuple):
            return (mixed, *output[1:])
        return type(output)(**{**output, "sample": mixed})


def _sample(answer: Any) -> Tensor:
    sample: Tensor = answer[0] if isinstance(answer, tuple) else answer.sample
    return sample


class GuidanceWatch:
    """Sees to it that three-way guidance is what the pipeline makes of its answers."""

    def __init__(self, condition: Condition) -> None:
        """Begin with the first pass that follows."""
        self._condition = condition
        self._first_sigma: float | None = None
        self._has_second_pass = False

    def see(self, kind: PassKind, sigma_B: Tensor, scale: float | None) -> None:
        """Look at a pass before it is run.

        Args:
            kind: What it is for.
            sigma_B: Its noise levels.
            scale: What the pipeline guides with, as far as it is known.

        Raises:
            AdapterError: The pipeline guides with another scale, or not at all, so that the
                identity would be guided otherwise than was asked, or not at all.
        """
        if self._condition.identity_guidance is None:
            return
        told = self._condition.guidance_scale
        if scale is not None and not math.isclose(scale, told, rel_tol=1e-6):
            raise AdapterError(
                f"three-way guidance was told guidance_scale {told:g} and the pipeline guides with"
                f" {scale:g}, expected the same, all the time and in all networks; call the"
                f" pipeline with {told:g} (without use_dynamic_cfg), or attach with {scale:g}"
            )
        if kind != "conditional":
            self._has_second_pass = True
        if self._has_second_pass:
            return
        sigma = float(sigma_B.max())
        if self._first_sigma is None:
            self._first_sigma = sigma
        elif sigma != self._first_sigma:
            raise AdapterError(
                "three-way guidance, and the pipeline asks for no pass without the prompt, expected"
                " one in every step, for there the identity is guided; call it with"
                f" guidance_scale {told:g} (HunyuanVideo: true_cfg_scale and a negative_prompt),"
                " or attach with two-way guidance"
            )


def make_condition(
    identities: tuple[Conditioning, ...],
    unconditional: Unconditional,
    guidance: Guidance,
    identity_guidance: float | None,
    guidance_scale: float | None,
) -> Condition:
    """Check the options against each other; as for ``Attachment.condition``.

    Raises:
        AdapterError: They contradict each other.
    """
    if unconditional not in ("null", "same") or guidance not in ("two_way", "three_way"):
        raise AdapterError(
            f"unconditional is {unconditional!r} and guidance {guidance!r}, expected 'null' or"
            " 'same', and 'two_way' or 'three_way'; choose one of each"
        )
    if guidance == "three_way":
        if identity_guidance is None or guidance_scale is None or guidance_scale <= 1:
            raise AdapterError(
                f"three-way guidance got identity_guidance {identity_guidance} and guidance_scale"
                f" {guidance_scale}, expected both and a scale above 1; pass the guidance_scale"
                " that the pipeline is called with"
            )
    elif identity_guidance is not None:
        raise AdapterError(
            f"identity_guidance is {identity_guidance} under two-way guidance, expected None; pass"
            " guidance='three_way'"
        )
    return Condition(
        identities=identities,
        unconditional=unconditional,
        identity_guidance=identity_guidance,
        guidance_scale=guidance_scale or 1.0,
        is_constant=all(item.is_constant for item in identities),
    )
