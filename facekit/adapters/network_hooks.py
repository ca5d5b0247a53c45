"""What an attachment puts on a network: processors at its sites, and hooks around its passes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from facekit.adapters.attention import IdentityProcessor, SiteTerm, wrap_processor
from facekit.backbones.family import Family
from facekit.backbones.spec import site_module
from facekit.errors import AdapterError

__all__ = ["NetworkHooks"]


class NetworkHooks:
    """Wraps the processors at the sites, until ``remove``."""

    def __init__(
        self,
        network: Any,
        sites: tuple[str, ...],
        family: Family,
        before: Callable[..., None],
        after: Callable[..., Any],
    ) -> None:
        """Put everything on.

        Args:
            network: The transformer or UNet.
            sites: Where identity is injected.
            family: Knows the kind of each site.
            before: Called before every pass, as a forward pre-hook with keywords.
            after: Called after every pass, as a forward hook with keywords.
        """
        self._network = network
        self._held: dict[str, tuple[Any, IdentityProcessor]] = {}
        self._hooks: list[Any] = []
        self.pass_name: str | None = None
        """What the pipeline calls the pass that is running: the name of its cache context."""
        for site in sites:
            attention = site_module(network, site)
            kind = family.site_kind(network, site)
            processor = wrap_processor(attention.processor, site, kind)
            attention.set_processor(processor)
            self._held[site] = (attention, processor)
            heard = kind.listens_to(attention)
            if heard is not None:
                self._hooks.append(heard.register_forward_hook(processor.hear))
        self._hooks.append(network.register_forward_pre_hook(before, with_kwargs=True))
        self._hooks.append(network.register_forward_hook(after, with_kwargs=True))
        self._own_context = self._context = None
        if hasattr(network, "cache_context"):
            # Pipelines name their passes here, and nowhere else.
            self._own_context = network.__dict__.get("cache_context")
            self._context = network.cache_context
            network.cache_context = self._named_pass

    def check(self) -> None:
        """Refuse a pass in which somebody would not be heard.

        Raises:
            AdapterError: The processor of a site was changed since.
        """
        for site, (attention, processor) in self._held.items():
            if attention.processor is not processor:
                raise AdapterError(
                    f"{site}: its processor was changed to a {type(attention.processor).__name__},"
                    " which would lose the identity, expected the one that attach put there;"
                    " detach, change the processors (fuse_qkv_projections does so too), and attach"
                    " again"
                )

    @property
    def terms(self) -> dict[str, tuple[SiteTerm, ...]]:
        """What every site adds."""
        return {site: processor.terms for site, (_, processor) in self._held.items()}

    def set_terms(self, terms: Mapping[str, tuple[SiteTerm, ...]]) -> None:
        """Let every site add this, and the others nothing."""
        for site, (_, processor) in self._held.items():
            processor.terms = terms.get(site, ())

    def context(self, name: str) -> AbstractContextManager[Any]:
        """The network's own cache context of that name, where it has such."""
        return nullcontext() if self._context is None else self._context(name)

    def remove(self) -> bool:
        """Give the network back exactly as it was.

        Returns:
            False when that had been done already.
        """
        for attention, processor in self._held.values():
            if attention.processor is processor:
                attention.set_processor(processor.wrapped)
        for hook in self._hooks:
            hook.remove()
        own: dict[str, Any] = vars(self._network)
        if own.get("cache_context") == self._named_pass:
            del own["cache_context"]
            if self._own_context is not None:
                self._network.cache_context = self._own_context
        was_on = bool(self._held)
        self._hooks.clear()
        self._held.clear()
        return was_on

    @contextmanager
    def _named_pass(self, name: str, **kwargs: Any) -> Iterator[None]:
        before, self.pass_name = self.pass_name, name
        try:
            assert self._context is not None  # this is called in its place
            with self._context(name, **kwargs):
                yield
        finally:
            self.pass_name = before
