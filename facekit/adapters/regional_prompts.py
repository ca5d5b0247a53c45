"""What the regions of a picture read in place of its prompt.

Shapes: B batch, T text tokens, L latent tokens, C channels.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from facekit.backbones.family import PassKind, Text
from facekit.backbones.spec import BackboneSpec
from facekit.errors import AdapterError

__all__ = ["RegionalPrompts"]


class RegionalPrompts:
    """Encoded prompts of regions, made ready in every pass by the network itself."""

    def __init__(
        self,
        network: Any,
        spec: BackboneSpec,
        texts: Mapping[str, Text],
        running: Callable[[], PassKind | None],
    ) -> None:
        """Listen to the module that makes the prompt ready, until ``remove``.

        Args:
            network: Reads the prompts.
            spec: Its backbone.
            texts: Region to its encoded prompts, one for all samples or one for each.
            running: Says what the pass that is running is for; none of the regions is heard in
                the pass without the prompt, or where it says None.

        Raises:
            AdapterError: The backbone has one prompt for all of the picture.
        """
        projection = spec.family.text_projection(network)
        if projection is None:
            raise AdapterError(
                f"prompts of regions on {spec.name}, expected a backbone whose attentions to the"
                " text stand apart and read nothing else (Wan from text); leave them away"
            )
        self._encoded = {name: text["encoder_hidden_states"] for name, text in texts.items()}
        self._running = running
        self._ready: dict[str, Tensor] = {}
        self._is_asking = False
        self._hook = projection.register_forward_hook(self._prepare)

    def remove(self) -> None:
        """Listen no longer."""
        self._hook.remove()
        self._ready.clear()

    @property
    def is_heard(self) -> bool:
        """Whether the pass that is running reads them."""
        return self._running() not in (None, "unconditional")

    def of(self, name: str | None, given_BTC: Tensor) -> Tensor:
        """What a region reads.

        Args:
            name: Of the region; None for where none is.
            given_BTC: What the attention was given to read.

        Raises:
            AdapterError: A number of prompts that is neither 1 nor that of the samples.
        """
        own_BTC = self._ready.get(name) if name is not None else None
        if own_BTC is None or not self.is_heard:
            return given_BTC
        first = given_BTC.shape[0] // 2 if self._running() == "both" else 0
        count = given_BTC.shape[0] - first
        if own_BTC.shape[0] not in (1, count):
            raise AdapterError(
                f"{own_BTC.shape[0]} prompts of a region in a pass of {count} clips, expected one"
                " for all or one for each; set as many as the pipeline is called with"
            )
        own_BTC = own_BTC.to(given_BTC).expand(count, -1, -1)
        return torch.cat([given_BTC[:first], own_BTC]) if first else own_BTC

    def _prepare(self, projection: Any, args: tuple[Tensor, ...], output: Tensor) -> None:
        """Ask the module once more for each region; its weights are where they are needed now."""
        if self._is_asking or not self.is_heard:
            return
        self._is_asking = True
        try:
            self._ready = {
                name: projection(encoded.to(args[0])) for name, encoded in self._encoded.items()
            }
        finally:
            self._is_asking = False
