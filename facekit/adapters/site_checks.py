"""Whether an adapter or a character has the sites of a network, each as wide as it is there."""

from collections.abc import Mapping, Sequence

from torch import nn

from facekit.adapters.attention import IdentityProcessor
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.backbones.spec import BackboneSpec, site_module
from facekit.errors import AdapterMismatch, AlreadyAttached, SiteMissing

__all__ = ["check_adapter", "check_sites", "check_widths"]


def check_adapter(
    adapter: IdentityAdapter | Sequence[str], network: nn.Module, spec: BackboneSpec
) -> None:
    """Refuse to attach an adapter, or only its sites, to a network.

    Raises:
        AlreadyAttached: A site carries an identity.
        SiteMissing: The sites are not exactly those of the backbone.
        AdapterMismatch: The adapter was built for another width.
    """
    sites = spec.sites(network)
    if not isinstance(adapter, IdentityAdapter):
        check_sites(tuple(adapter), sites, spec)
        _check_free(network, sites)
        return
    config = adapter.config
    check_sites(config.sites, sites, spec)
    _check_free(network, sites)
    check_widths(dict(zip(config.sites, config.widths, strict=True)), network, spec)


def check_sites(offered: Sequence[str], expected: Sequence[str], spec: BackboneSpec) -> None:
    """Refuse sites that are not exactly those of a backbone, in any order.

    Raises:
        SiteMissing: Naming what is missing and what is too much.
    """
    if set(offered) == set(expected):
        return
    missing = sorted(set(expected) - set(offered))
    extra = sorted(set(offered) - set(expected))
    raise SiteMissing(
        f"the adapter's sites are not those of {spec.name}: {len(missing)} missing"
        f" ({', '.join(missing[:5])}), {len(extra)} unexpected ({', '.join(extra[:5])}), expected"
        f" {len(expected)}; use the adapter of that backbone"
    )


def check_widths(
    widths: Mapping[str, int], network: nn.Module, spec: BackboneSpec, source: str = "the adapter"
) -> None:
    """Refuse keys and values of another width than the network's.

    Args:
        widths: Site to channels.
        network: Has these sites.
        spec: Its backbone.
        source: For the message.

    Raises:
        AdapterMismatch: Naming the first such site.
    """
    for site, got in widths.items():
        kind = spec.family.site_kind(network, site)
        expected = kind.width(site_module(network, site))
        if got != expected:
            raise AdapterMismatch(
                f"{source}: {site} is {got} wide, expected {expected} for {spec.name}; use one"
                " that was made for that backbone"
            )


def _check_free(network: nn.Module, sites: Sequence[str]) -> None:
    for site in sites:
        if isinstance(site_module(network, site).processor, IdentityProcessor):
            raise AlreadyAttached(
                f"{site}: an identity is attached already, expected a transformer without one;"
                " call detach() of the earlier attachment, or condition it on several characters"
            )
