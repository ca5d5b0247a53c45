"""What the passes of classifier-free guidance see of the characters."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor

from facekit.adapters.conditioning import Conditioning
from facekit.errors import AdapterError

__all__ = ["Condition", "Guidance", "Unconditional", "make_condition"]

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
