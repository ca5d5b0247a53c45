"""The LoRAs of the characters on one network: put on, filled anew, scaled, taken off."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from facekit.adapters.guards import NetworkGuard, check_alone, reset_caches
from facekit.adapters.lora import (
    LoraSettings,
    LoraStance,
    add_lora,
    join_lora,
    load_lora_state,
    named_lora_parameters,
    remove_lora,
    set_lora_strength,
)
from facekit.adapters.lora_regions import LoraRegions
from facekit.adapters.regional_prompts import RegionalPrompts
from facekit.adapters.tensor_file import differences
from facekit.backbones.family import PassKind, Text
from facekit.backbones.spec import BackboneSpec

__all__ = ["CharacterLoras", "LoraParts"]

LoraParts = tuple[LoraSettings, Mapping[str, Tensor]]
"""A character's LoRA: its size, and its weights."""


class CharacterLoras:
    """One LoRA for each character that has one, and the guard that keeps them.

    They are called after their place and not after the character, for a place can get another.
    """

    def __init__(self, network: Any, spec: BackboneSpec, pipe: Any = None) -> None:
        self._network = network
        self._pipe = pipe
        self._spec = spec
        self._stance = LoraStance(network)
        self._places: dict[str, LoraSettings] = {}
        self._guard: NetworkGuard | None = None
        self._regions: LoraRegions | None = None
        self._masks: dict[str, Tensor] = {}
        self._is_off = False

    @property
    def network(self) -> Any:
        """What carries them."""
        return self._network

    @property
    def names(self) -> tuple[str, ...]:
        """What peft calls them."""
        return tuple(self._places)

    def put(
        self, wanted: Sequence[LoraParts | None], masks_LHW: Sequence[Tensor | None] | None = None
    ) -> None:
        """Let these LoRAs take part, instead of those before.

        A place whose LoRA keeps its size is only filled anew, which takes no time.

        Args:
            wanted: One for each place; None leaves it empty.
            masks_LHW: Where each of them acts, as in ``Conditioning``; everywhere when None.

        Raises:
            AdapterError: A mask for a LoRA on layers that read more than the picture.
            AdapterMismatch: Weights that do not fit.
            SiteMissing: A target that matches no layer.
            AlreadyAttached: Another attachment's characters are on the network.
        """
        self._release()
        check_alone(self._network)
        places = {f"facekit_{index}": parts for index, parts in enumerate(wanted) if parts}
        for name in [name for name in self._places if name not in places]:
            self._remove(name)
        for name, (settings, state) in places.items():
            settings = replace(settings, targets=settings.targets or self._spec.lora_targets)
            # enable_lora_hotswap widens what is there, so its size alone does not tell.
            fits = not differences(state, named_lora_parameters(self._network, name))
            if self._places.get(name) != settings or not fits:
                self._remove(name)
                add_lora(self._network, self._spec, settings, name=name)
                self._places[name] = settings
            load_lora_state(self._network, state, name)
        self._rejoin()
        named = ((f"facekit_{index}", mask) for index, mask in enumerate(masks_LHW or ()))
        self._masks = {name: mask for name, mask in named if mask is not None}
        self._lay(None)

    def set_prompts(
        self,
        texts: Sequence[Text] | None,
        running: Callable[[], PassKind | None] = lambda: None,
    ) -> None:
        """Let the region of each place read a prompt of its own, until the next ``put``.

        Args:
            texts: One for each place, all of which have masks; as for ``RegionalPrompts``. None
                lets all of them read the same again.
            running: As for ``RegionalPrompts``.

        Raises:
            AdapterError: The backbone has one prompt for all of the picture, or it is compiled.
        """
        self._release()
        if texts is None:
            self._lay(None)
            return
        named = {f"facekit_{index}": text for index, text in enumerate(texts)}
        prompts = None
        try:
            prompts = RegionalPrompts(self._network, self._spec, named, running)
            self._lay(prompts)
        except BaseException:
            if prompts is not None:
                prompts.remove()
            self._lay(None)
            raise

    def set_strength(self, strength: float) -> None:
        """Scale all of them; 1 is as trained."""
        for name in self._places:
            set_lora_strength(self._network, strength, name)
        self._switch(strength == 0)

    def set_strengths(self, strengths: Sequence[float]) -> None:
        """Scale each of them by itself, one number per place."""
        for index, strength in enumerate(strengths):
            if f"facekit_{index}" in self._places:
                set_lora_strength(self._network, strength, f"facekit_{index}")
        self._switch(not any(strengths))

    def take_off(self) -> None:
        """Give the network back exactly as it was; a second call does nothing."""
        self._release()
        reset_caches(self._network)
        if not self._places:
            return
        for name in list(self._places):
            self._remove(name)
        self._stance.restore()

    def _lay(self, prompts: RegionalPrompts | None) -> None:
        """Put masks and guard on: masks of LoRAs, and of all places that read prompts."""
        laid = {
            name: mask
            for name, mask in self._masks.items()
            if name in self._places or prompts is not None
        }
        if laid:
            self._regions = LoraRegions(self._network, self._spec, laid, self._pipe, prompts)
        self._guard = NetworkGuard(self._network, self.names, self._rejoin, bool(laid))
        self._switch(self._is_off)

    def _switch(self, is_off: bool) -> None:
        self._is_off = is_off
        if self._regions is not None:
            self._regions.is_off = is_off
        reset_caches(self._network)

    def _release(self) -> None:
        if self._regions is not None:
            self._regions.remove()
            self._regions = None
        if self._guard is not None:
            self._guard.release()
            self._guard = None

    def _remove(self, name: str) -> None:
        if self._places.pop(name, None) is not None:
            remove_lora(self._network, name)

    def _rejoin(self) -> None:
        """Take part, and do not learn."""
        for name in self._places:
            join_lora(self._network, name)
            for parameter in named_lora_parameters(self._network, name).values():
                parameter.requires_grad_(False)
