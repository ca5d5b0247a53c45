"""LoRAs and prompts kept to regions: each acts on the latent tokens of its own.

Where a layer reads latent tokens, what a LoRA adds is multiplied by its mask, token by token. Keys
and values of the text have no place in the picture; so the attention to the text is run once for
every LoRA with a region, each time with only that one heard in them, and every latent token gets
the answer of the one in whose region it is. A mask of ones is then the same as none. A region that
reads a prompt of its own is asked in the same way, with a LoRA or without.

Shapes: B batch, L latent tokens, C channels.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from facekit.adapters.attention import IdentityProcessor, WrappedProcessor, with_signature_of
from facekit.adapters.conditioning import pool_mask
from facekit.adapters.guards import check_eager, compiled_refusal
from facekit.adapters.lora import lora_layers
from facekit.adapters.regional_prompts import RegionalPrompts
from facekit.backbones.sites import cross_attention_place
from facekit.backbones.spec import BackboneSpec
from facekit.errors import AdapterError

__all__ = ["LoraRegions"]


class LoraRegions:
    """Keeps LoRAs of a network to their masks, until ``remove``."""

    def __init__(
        self,
        network: Any,
        spec: BackboneSpec,
        masks_LHW: Mapping[str, Tensor],
        pipe: Any = None,
        prompts: RegionalPrompts | None = None,
    ) -> None:
        """Put everything on, or nothing.

        Args:
            network: Carries the LoRAs.
            spec: Its backbone; knows whose tokens a layer reads.
            masks_LHW: LoRA to mask, as in ``Conditioning``; a LoRA without one acts everywhere.
                With prompts of regions, a name may be there that no LoRA has.
            pipe: Whose network it is, to notice that it was compiled.
            prompts: What the regions of these names read; the same as all when None. They are
                removed with the rest.

        Raises:
            AdapterError: A layer reads tokens that have no place in the picture, or the network is
                compiled.
        """
        self._network = network
        self._pipe = pipe
        self._spec = spec
        self._masks = dict(masks_LHW)
        self._prompts = prompts
        self.is_off = False
        """Whether the LoRAs have no strength at all, so that the text is read only once."""
        self._grid: tuple[int, int, int] | None = None
        self._gains_BL1: dict[str, Tensor] = {}
        self._shares_BL1: tuple[tuple[str | None, Tensor], ...] = ()
        self._heard: str | None = None
        self._hooks: list[Any] = []
        self._held: dict[str, tuple[Any, _TextByRegion]] = {}
        check_eager(network, pipe)
        if any(module._compiled_call_impl is not None for module in network.modules()):
            raise compiled_refusal()
        found = list(self._layers())
        attentions = {path.rpartition(".")[0] for path, _, place in found if place == "text"}
        if prompts is not None:
            paths = (path for path, module in network.named_modules() if _reads_text(path, module))
            attentions.update(paths)
        for _, layer, place in found:
            for name in self._masks.keys() & layer.lora_B.keys():
                hook = self._select if place == "text" else self._scale
                part = layer.lora_B[name]
                self._hooks.append(part.register_forward_hook(partial(hook, name)))
        for path in sorted(attentions):
            self._wrap(path)
        self._hooks.append(network.register_forward_pre_hook(self._before_pass, with_kwargs=True))

    def remove(self) -> None:
        """Take the masks off; the LoRAs stay. A second call does nothing."""
        for attention, own in self._held.values():
            outer = attention.processor
            if outer is own:
                attention.set_processor(own.wrapped)
            elif isinstance(outer, IdentityProcessor) and outer.wrapped is own:
                outer.wrapped = own.wrapped
        if self._prompts is not None:
            self._prompts.remove()
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._held.clear()

    @contextmanager
    def hearing(self, name: str | None) -> Iterator[None]:
        """Let one LoRA alone change how the text is read; None for none of them."""
        before, self._heard = self._heard, name
        try:
            yield
        finally:
            self._heard = before

    @property
    def shares_BL1(self) -> tuple[tuple[str | None, Tensor], ...]:
        """Who is heard in the text and by which tokens; they add up to 1 at every token."""
        is_same = self.is_off and (self._prompts is None or not self._prompts.is_heard)
        return self._shares_BL1[:1] if is_same else self._shares_BL1

    def text_of(self, name: str | None, given_BTC: Tensor) -> Tensor:
        """What a region reads, of what the attention was given to read."""
        return given_BTC if self._prompts is None else self._prompts.of(name, given_BTC)

    def _layers(self) -> Iterator[tuple[str, Any, str]]:
        for path, layer in lora_layers(self._network):
            if not self._masks.keys() & layer.lora_B.keys():
                continue
            place = self._spec.family.lora_place(path)
            if place is None:
                raise AdapterError(
                    f"{path}: a LoRA here acts on more than the latent tokens of {self._spec.name},"
                    " expected layers that a mask can be laid on; leave the mask away, attach a"
                    " character of level L0 or L1, or set masks of the identity branch alone with"
                    " attached.identity.conditioned_on"
                )
            yield path, layer, place

    def _wrap(self, path: str) -> None:
        attention = self._network.get_submodule(path)
        outer = attention.processor
        is_inside = isinstance(outer, IdentityProcessor)
        inner = outer.wrapped if is_inside else outer
        kind: Any = type(inner)
        own = with_signature_of(kind, _TextByRegion)(inner, self)
        if is_inside:
            outer.wrapped = own
        else:
            attention.set_processor(own)
        self._held[path] = (attention, own)

    def _before_pass(self, network: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        for path, (attention, own) in self._held.items():
            outer = attention.processor
            if outer is not own and getattr(outer, "wrapped", None) is not own:
                raise AdapterError(
                    f"{path}: its processor was changed to a {type(outer).__name__}, which would"
                    " let LoRAs out of their regions, expected the one that attach put there;"
                    " detach, change the processors, and attach again"
                )
        check_eager(network, self._pipe)
        call = self._spec.family.read_call(network, args, kwargs)
        if call.grid == self._grid:
            return
        self._grid = call.grid
        self._gains_BL1 = {
            name: pool_mask(mask, call.grid, call.device).flatten(1).unsqueeze(-1)
            for name, mask in self._masks.items()
        }
        total = sum(self._gains_BL1.values(), torch.zeros(()).to(call.device))
        shares: list[tuple[str | None, Tensor]] = [
            (name, gain / total.clamp(min=1)) for name, gain in self._gains_BL1.items()
        ]
        if bool((total < 1).any()):
            shares.append((None, 1 - total.clamp(max=1)))
        self._shares_BL1 = tuple(shares)

    def _scale(self, name: str, part: nn.Module, args: object, added_BLC: Tensor) -> Tensor:
        gain = self._gains_BL1[name]
        if gain.shape[1] != added_BLC.shape[1]:
            raise AdapterError(
                f"a LoRA with a mask sees {added_BLC.shape[1]} tokens, expected the"
                f" {gain.shape[1]} of the latents; leave the mask away, or attach a character of"
                " level L0 or L1"
            )
        return added_BLC * _for_tokens(gain, added_BLC)

    def _select(self, name: str, part: nn.Module, args: object, added_BTC: Tensor) -> Tensor:
        return added_BTC if name == self._heard else torch.zeros_like(added_BTC)


class _TextByRegion(WrappedProcessor):
    """Asks the text once for each LoRA with a region, and gives each token its own answer."""

    def __init__(self, wrapped: Any, regions: LoraRegions) -> None:
        super().__init__(wrapped)
        self._regions = regions

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        shares = self._regions.shares_BL1
        mixed: Any = None
        for name, share in shares:
            text = self._regions.text_of(name, encoder_hidden_states)
            with self._regions.hearing(name):
                answer = self.wrapped(attn, hidden_states, text, *args, **kwargs)
            if len(shares) == 1:
                return answer
            answer = answer * _for_tokens(share, answer)
            mixed = answer if mixed is None else mixed + answer
        return mixed


def _reads_text(path: str, module: nn.Module) -> bool:
    return cross_attention_place(f"{path}.to_k") == "text" and hasattr(module, "processor")


def _for_tokens(gain_BL1: Tensor, tokens_BLC: Tensor) -> Tensor:
    """A factor for each token, one for all samples or one for each in a row of equals."""
    gain = gain_BL1.to(tokens_BLC)
    return gain.repeat(tokens_BLC.shape[0] // gain.shape[0], 1, 1)
