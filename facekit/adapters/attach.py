"""Attach identity to a transformer, say who is in the picture, and take it off again.

Shapes: B batch, L latent tokens, K identity tokens, C inner channels.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeAlias

from torch import Tensor, nn

from facekit.adapters.conditioning import Conditioning, Strength, as_conditionings, is_zero
from facekit.adapters.folded import FoldedIdentity
from facekit.adapters.guards import check_network, check_pass, copy_refusal, reset_caches
from facekit.adapters.guidance import (
    Condition,
    Guidance,
    GuidanceWatch,
    Unconditional,
    make_condition,
)
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.network_hooks import NetworkHooks
from facekit.adapters.passes import Pass, Terms, make_terms
from facekit.adapters.site_checks import check_adapter, check_sites
from facekit.backbones.family import PassKind
from facekit.backbones.spec import BackboneSpec
from facekit.errors import AdapterError

__all__ = ["Attachment", "Identities", "attach"]

Identities: TypeAlias = Conditioning | FoldedIdentity | Tensor | Sequence[Conditioning]


def attach(
    adapter: IdentityAdapter | Sequence[str],
    transformer: nn.Module,
    spec: BackboneSpec,
    *,
    pipe: Any = None,
) -> "Attachment":
    """Wrap the processors at the sites of a transformer.

    Nothing changes until somebody is in the picture: ``Attachment.condition``.

    Args:
        adapter: Folds tokens; or only its sites, when every identity comes folded.
        transformer: The backbone's transformer or UNet, with or without LoRA.
        spec: Its backbone; decides the sites.
        pipe: Whose it is. Pipelines that ask for both halves of their guidance in one batch
            need it to be told apart. Where experts share the noise levels, all of the pipeline's
            get the same identity; without it the transformer alone does.

    Raises:
        AlreadyAttached: The transformer carries an attachment.
        SiteMissing: The adapter's sites are not exactly the spec's.
        AdapterMismatch: The adapter was built for another width.
        AdapterError: The transformer is set up in a way that would lose the identity.
    """
    shared = pipe is not None and spec.num_experts > 1
    experts = spec.family.networks(pipe) if shared else ()
    others = [expert for expert in experts if expert is not transformer]
    for network in (transformer, *others):
        check_network(network, has_lora=False)
        check_adapter(adapter, network, spec)
    folds = adapter if isinstance(adapter, IdentityAdapter) else None
    sites = spec.sites(transformer)
    mates = tuple(Attachment(folds, sites, other, spec, pipe) for other in others)
    return Attachment(folds, sites, transformer, spec, pipe, mates)


class Attachment:
    """Identity on a transformer; made by ``attach``.

    Under gradient checkpointing the blocks run a second time during ``backward``, so the
    condition must still stand then: keep ``backward`` inside ``conditioned_on``. Leaving earlier
    raises torch's ``CheckpointError``.
    """

    def __init__(
        self,
        adapter: IdentityAdapter | None,
        sites: tuple[str, ...],
        transformer: nn.Module,
        spec: BackboneSpec,
        pipe: Any = None,
        mates: tuple["Attachment", ...] = (),
    ) -> None:
        self.adapter = adapter
        self.sites = sites
        self.transformer: Any = transformer
        self.spec = spec
        self._pipe = pipe
        self._mates = mates  # on the other experts; whatever is asked of this one, they do too
        self.strength: Strength = 1.0
        self._running: PassKind | None = None
        self._condition = Condition()
        self._watch = GuidanceWatch(self._condition)
        self._terms_key: tuple[object, ...] | None = None
        self._hooks = NetworkHooks(
            transformer, sites, spec.family, self._before_pass, self._after_pass
        )

    def condition(
        self,
        identities: Identities,
        *,
        unconditional: Unconditional = "null",
        guidance: Guidance = "two_way",
        identity_guidance: float | None = None,
        guidance_scale: float | None = None,
    ) -> None:
        """Put characters into every following pass, until ``clear``.

        Args:
            identities: One or several; what several add is summed, so their masks should not
                overlap.
            unconditional: What the pass without the prompt sees: ``null`` is nobody, ``same``
                the same characters.
            guidance: ``three_way`` makes the unconditional pass of a stock pipeline answer so
                that its formula yields ``v0 + g_i (v_id - v0) + g (v - v_id)``; it costs a third
                pass.
            identity_guidance: g_i of ``three_way``.
            guidance_scale: The pipeline's own g, needed for ``three_way``; above 1.

        Raises:
            AdapterError: Options that contradict each other, or tokens without an adapter.
        """
        conditionings = as_conditionings(identities)
        for conditioning in conditionings:
            self._check(conditioning)
        self._set(
            make_condition(
                conditionings, unconditional, guidance, identity_guidance, guidance_scale
            )
        )

    def clear(self) -> None:
        """Take everybody out; the backbone is bit-exactly itself again."""
        self._set(Condition())

    @contextmanager
    def conditioned_on(self, identities: Identities, **options: Any) -> Iterator[Self]:
        """Put characters into the passes inside the block; arguments as for ``condition``.

        What stood before stands again afterwards. ``backward`` belongs inside the block.
        """
        with self._kept():
            self.condition(identities, **options)
            yield self

    @contextmanager
    def disabled(self) -> Iterator[Self]:
        """Take everybody out of the passes inside the block."""
        with self._kept():
            self.clear()
            yield self

    def set_strength(self, strength: Strength) -> None:
        """Multiply every character's strength; 0 gives the bare backbone bit-exactly."""
        self.strength = strength
        self._terms_key = None
        reset_caches(self.transformer)
        for mate in self._mates:
            mate.set_strength(strength)

    def pass_kind(self, network: Any) -> PassKind | None:
        """Tell what the pass of a network is for that is running; None where nobody is in it."""
        return next(one._running for one in (self, *self._mates) if one.transformer is network)

    def detach(self) -> None:
        """Give the transformer back exactly as it was; a second call does nothing."""
        for mate in self._mates:
            mate.detach()
        if self._hooks.remove():
            reset_caches(self.transformer)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Refuse, with ``AdapterError``: nobody could take the characters off a copy."""
        raise copy_refusal()

    def __enter__(self) -> Self:
        """Nothing happens; the block ends with ``detach``."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Detach."""
        self.detach()

    def _before_pass(
        self, transformer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._running = None
        if not self._condition.identities or is_zero(self.strength):
            self._apply({}, None)
            return
        self._hooks.check()
        this = self._read(args, kwargs)
        self._running = this.kind
        family, pipe = self.spec.family, self._pipe
        scale = None if pipe is None else family.guidance_scale(pipe, self.transformer)
        self._watch.see(this.kind, this.sigma_B, scale)
        is_same = self._condition.unconditional == "same"
        if is_same and self._condition.identity_guidance is None:
            this = replace(this, kind="conditional")
        self._prepare(this)

    def _after_pass(
        self, transformer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> Any:
        """Answer the unconditional pass of three-way guidance; see ``Condition.mix``."""
        condition = self._condition
        if condition.identity_guidance is None or is_zero(self.strength):
            return output
        this = self._read(args, kwargs)
        if this.kind == "conditional":
            return output
        self._prepare(replace(this, kind="conditional"))
        # A context of its own, so that a cache does not mix the two unconditional passes.
        with self._hooks.context("uncond_identity"):
            second = transformer.forward(*args, **kwargs)
        return condition.mix(output, second, this.kind)

    def _read(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Pass:
        family = self.spec.family
        call = family.read_call(self.transformer, args, kwargs)
        kind = family.pass_kind(self._hooks.pass_name, kwargs)
        if kind == "both":
            if self._pipe is None:
                raise AdapterError(
                    f"{self.spec.name} asks for both halves of its guidance in one batch, expected"
                    " to know the pipeline; attach to the pipeline: facekit.attach(pipe, ...), or"
                    " attach(..., pipe=pipe)"
                )
            kind = "both" if family.is_guided(self._pipe, call) else "conditional"
        check_pass(self.transformer, kind)
        sigma_B = self.spec.process.sigma(call.timestep_B).to(call.device)
        return Pass(call, sigma_B.expand(call.batch), kind)

    def _prepare(self, this: Pass) -> None:
        key = this.key if self._condition.is_constant else None
        if key is not None and key == self._terms_key:
            return
        terms = make_terms(
            self._condition.identities,
            self.sites,
            this,
            self._fold,
            self.strength,
            lambda site: self.spec.family.site_grid(this.call.grid, site),
        )
        self._apply(terms, key)

    def _fold(self, tokens_BKC: Tensor) -> FoldedIdentity:
        assert self.adapter is not None, "checked in condition"
        return self.adapter.fold(tokens_BKC)

    def _check(self, conditioning: Conditioning) -> None:
        for source in (conditioning.identity, conditioning.null):
            if isinstance(source, Tensor) and self.adapter is None:
                raise AdapterError(
                    "identity tokens were passed to an attachment without an adapter, expected a"
                    " folded identity; fold the tokens first or attach the adapter"
                )
            if isinstance(source, FoldedIdentity):
                check_sites(source.sites, self.sites, self.spec)

    def _set(self, condition: Condition) -> None:
        self._condition, self._watch = condition, GuidanceWatch(condition)
        self._apply({}, None)
        reset_caches(self.transformer)
        for mate in self._mates:
            mate._set(condition)

    def _apply(self, terms: Terms, key: tuple[object, ...] | None) -> None:
        self._terms_key = key
        self._hooks.set_terms(terms)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Put the condition back at the end, with the terms that a pending backward needs."""
        condition, watch, key = self._condition, self._watch, self._terms_key
        terms = self._hooks.terms
        try:
            with ExitStack() as others:
                for mate in self._mates:
                    others.enter_context(mate._kept())
                yield
        finally:
            self._condition, self._watch = condition, watch
            self._apply(terms, key)
            reset_caches(self.transformer)
