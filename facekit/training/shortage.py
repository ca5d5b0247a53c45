"""Running out of memory, told as an error that says where."""

import gc
import resource
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from facekit.errors import OutOfMemory

__all__ = ["held_bytes_now", "is_shortage", "memory_stage", "out_of_memory"]

# How torch says it where it has no class for it: the CPU's allocator, drivers, libraries of CUDA.
_SAYINGS = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
    "alloc_failed",
)


def is_shortage(error: BaseException) -> bool:
    """Whether an exception says that there is no memory left."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(saying in said for saying in _SAYINGS)


@contextmanager
def memory_stage(name: str) -> Iterator[None]:
    """Turn a lack of memory inside the block into an error that names the stage.

    Args:
        name: What is being done, as the first word of a sentence: "training".

    Raises:
        OutOfMemory: There is no memory left; what the block held is let go.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        held, reason = held_bytes_now(), (str(error) or "MemoryError").splitlines()[0]
        traceback.clear_frames(error.__traceback__)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise out_of_memory(name, reason.rstrip(".").replace(";", ","), held) from error


def out_of_memory(
    stage: str, reason: str, held: int, advice: str = "", *, state: Path | None = None
) -> OutOfMemory:
    """Make the error.

    Args:
        stage: What was being done.
        reason: As the library said it.
        held: Bytes that were held.
        advice: What would need less; how to find it out when empty.
        state: The last checkpoint, where there is one.
    """
    advice = advice or "choose settings that need less, facekit train --dry-run tells how much"
    kept = "" if state is None else f" (the last checkpoint is kept in {state})"
    return OutOfMemory(
        f"{stage} ran out of memory ({reason}), {held / 2**30:.1f} GB were held, expected room for"
        f" more{kept}; {advice}",
        stage=stage,
        reason=reason,
        held=held,
    )


def held_bytes_now() -> int:
    """Bytes of tensors on the graphics card; without one, the most this process has held."""
    if torch.cuda.is_available():
        return int(torch.cuda.memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
