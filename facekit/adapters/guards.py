"""What diffusers does to a network, and what of it would lose a character without a word."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from facekit.errors import AdapterError, AlreadyAttached

__all__ = [
    "NetworkGuard",
    "check_alone",
    "check_eager",
    "check_network",
    "check_pass",
    "compiled_refusal",
    "copy_refusal",
    "reset_caches",
]

_LOST_LORA = {
    "fuse_lora": (
        "melt the character into the weights, and a fused layer hears no other LoRA",
        "detach, fuse, call unload_lora_weights, and attach again",
    ),
    "unload_lora": (
        "take the character's LoRA away with the others",
        "name the others in delete_adapters, or detach first",
    ),
    "disable_lora": (
        "switch the character's LoRA off and leave its identity on",
        "call set_strength(0) for the character and set_adapters for the others",
    ),
    "fuse_qkv_projections": (
        "lead past the character's LoRA, which sits on the projections one by one",
        "leave them apart, or attach a character without a LoRA",
    ),
    "save_pretrained": (
        "write the character's LoRA among the backbone's weights",
        "detach first",
    ),
}
_LOST_LORA["disable_adapters"] = _LOST_LORA["disable_lora"]
_SETS_ADAPTERS = ("add_adapter", "load_lora_adapter", "set_adapter", "set_adapters")


def reset_caches(network: Any) -> None:
    """Forget what a cache of diffusers keeps between steps: it was drawn for somebody else."""
    if getattr(network, "is_cache_enabled", False):
        network._reset_stateful_cache()  # as every pipeline does at the end of a call


def check_network(network: Any, has_lora: bool) -> None:
    """Refuse what characters cannot be attached to.

    Args:
        network: Of a stock pipeline.
        has_lora: Whether one of the characters has a LoRA.

    Raises:
        AdapterError: It is set up in a way that would lose a character, with the way out.
    """
    if getattr(network, "_parallel_config", None) is not None:
        raise _refusal("a network under enable_parallelism", *_PARALLEL)
    _check_cache(getattr(network, "_cache_config", None))
    if not has_lora:
        return
    for path, module in network.named_modules():
        if getattr(module, "merged", False):
            raise _refusal(
                f"a character's LoRA beside one that is fused ({path})",
                "never be heard: a fused layer skips all others",
                "call unload_lora_weights after fuse_lora, or unfuse_lora, and attach then",
            )
        if getattr(module, "fused_projections", False):
            raise _refusal(
                f"a character's LoRA on fused projections ({path})",
                _LOST_LORA["fuse_qkv_projections"][0],
                "call unfuse_qkv_projections first",
            )
    if any(_is_emptied(module) for module in network.modules()):
        raise _refusal(
            "a character's LoRA on a network whose weights are away",
            "be made where there are no weights",
            "attach first, then enable_sequential_cpu_offload",
        )
    if _offloads_to_disk(network):
        raise _refusal("a character's LoRA under offload_to_disk_path", *_DISK)


def check_alone(network: Any) -> None:
    """Refuse a second attachment.

    Raises:
        AlreadyAttached: A guard stands before the network.
    """
    if "_facekit_guard" in vars(network):
        raise AlreadyAttached(
            f"{type(network).__name__}: characters are attached already, expected a network"
            " without; call detach() of the earlier attachment, or attach all of them at once"
        )


class NetworkGuard:
    """Stands before some methods of a network while characters are attached to it.

    What would lose a character's LoRA is refused; what lets only the LoRAs it names take part
    lets the character's take part too.
    """

    def __init__(
        self,
        network: Any,
        loras: Sequence[str],
        rejoin: Callable[[], None],
        has_regions: bool = False,
    ) -> None:
        """Put the guard up.

        Args:
            network: Of a stock pipeline.
            loras: Names of the characters' LoRAs on it.
            rejoin: Makes them take part again.
            has_regions: Whether one of them is kept to a region.
        """
        self._network = network
        self._loras = frozenset(loras)
        self._put_up: list[str] = []
        network._facekit_guard = self
        self._stand_before("enable_parallelism", _refuse("enable_parallelism", *_PARALLEL))
        self._stand_before("enable_cache", _check_cache)
        for name in ("compile", "compile_repeated_blocks") if has_regions else ():
            self._stand_before(name, _refuse(name, *_COMPILED))
        if not self._loras:
            return
        for name, (what, step) in _LOST_LORA.items():
            self._stand_before(name, _refuse(name, what, step))
        self._stand_before("delete_adapters", self._check_names)
        self._stand_before("enable_group_offload", _check_disk)
        for name in _SETS_ADAPTERS:
            self._stand_before(name, None, rejoin)

    def release(self) -> None:
        """Take the guard down; a second call does nothing."""
        for name in self._put_up:
            vars(self._network).pop(name, None)
        self._put_up.clear()
        if vars(self._network).get("_facekit_guard") is self:
            del self._network._facekit_guard

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Refuse: nobody could take the characters off a copy.

        Raises:
            AdapterError: Always.
        """
        raise copy_refusal()

    def _stand_before(
        self,
        name: str,
        before: Callable[..., None] | None,
        after: Callable[[], None] | None = None,
    ) -> None:
        method = getattr(self._network, name, None)
        if method is None:
            return

        @functools.wraps(method)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if before is not None:
                before(*args, **kwargs)
            result = method(*args, **kwargs)
            if after is not None:
                after()
            return result

        setattr(self._network, name, guarded)
        self._put_up.append(name)

    def _check_names(self, adapter_names: list[str] | str) -> None:
        names = {adapter_names} if isinstance(adapter_names, str) else set(adapter_names)
        if names & self._loras:
            raise _refusal(
                "delete_adapters", "take a character's LoRA away", "call detach() of the attachment"
            )


_PARALLEL = (
    "split the tokens that masks and strengths are laid on",
    "run without it; facekit has not been run in parallel",
)
_DISK = (
    "be lost: diffusers does not write layers that came later",
    "offload to memory, or attach a character without a LoRA",
)

_COMPILED = (
    "keep a mask that was changed or taken away since",
    "leave the masks away, run without compilation, or attach characters of level L0 or L1",
)


def check_eager(network: Any, pipe: Any) -> None:
    """Refuse a network that the pipeline calls through ``torch.compile``, where LoRAs have masks.

    Raises:
        AdapterError: It does.
    """
    if any(getattr(part, "_orig_mod", None) is network for part in vars(pipe or object).values()):
        raise compiled_refusal()


def compiled_refusal() -> AdapterError:
    """Make the error that refuses masks of LoRAs on a compiled network."""
    return _refusal("torch.compile of a network whose LoRAs have masks", *_COMPILED)


def copy_refusal() -> AdapterError:
    """Make the error that refuses a copy of a network while characters are attached."""
    return _refusal(
        "copy.deepcopy", "give a copy that nobody can detach", "copy first and attach to both"
    )


def check_pass(network: Any, kind: str) -> None:
    """Refuse an unconditional pass that would be given what the conditional one was.

    Raises:
        AdapterError: A cache that keeps one answer for both.
    """
    config = getattr(network, "_cache_config", None)
    if kind == "unconditional" and type(config).__name__ == "PyramidAttentionBroadcastConfig":
        raise _refusal(
            "PyramidAttentionBroadcast",
            "give the unconditional pass the character of the conditional one, for this pipeline"
            " asks them one after the other",
            "take another cache, such as FirstBlockCacheConfig, or guidance_scale 1",
        )


def _refusal(what: str, why: str, step: str) -> AdapterError:
    return AdapterError(
        f"{what} would {why}, expected no such thing while characters are attached; {step}"
    )


def _refuse(name: str, why: str, step: str) -> Callable[..., None]:
    def refuse(*args: object, **kwargs: object) -> None:
        raise _refusal(name, why, step)

    return refuse


def _check_cache(config: object) -> None:
    if type(config).__name__ == "FasterCacheConfig":
        raise _refusal(
            "FasterCache",
            "leave out the pass that tells the character from nobody",
            "take another cache, such as FirstBlockCacheConfig",
        )


def _check_disk(*args: object, offload_to_disk_path: object = None, **kwargs: object) -> None:
    if offload_to_disk_path is not None:
        raise _refusal("enable_group_offload(offload_to_disk_path=...)", *_DISK)


def _is_emptied(module: nn.Module) -> bool:
    """Whether accelerate holds its weights away from it between calls."""
    hook = getattr(module, "_hf_hook", None)
    return any(getattr(each, "offload", False) for each in getattr(hook, "hooks", (hook,)))


def _offloads_to_disk(network: nn.Module) -> bool:
    """Whether group offload keeps weights in files."""
    for module in network.modules():
        registry = getattr(module, "_diffusers_hook", None)
        hook = registry.get_hook("group_offloading") if registry is not None else None
        if hook is not None and hook.config.offload_to_disk_path is not None:
            return True
    return False
