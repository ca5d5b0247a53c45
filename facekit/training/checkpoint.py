"""One file holds everything needed to go on exactly where a run stopped; never pickle.

It is written under another name and renamed, so a kill leaves the old one or the new one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from facekit.digests import tensors_digest
from facekit.errors import CheckpointMismatch, ChecksumMismatch
from facekit.media.files import write_bytes

__all__ = ["FORMAT_VERSION", "Best", "TrainState", "load_state", "save_state"]

FORMAT_VERSION = 1
_BEST = "best/"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Best:
    """The best weights so far, by validation."""

    step: int
    score: float
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainState:
    """A run between two steps."""

    step: int
    """Steps done; the next one has this number."""
    total_steps: int
    """Decided once, also where a time budget decides it."""
    bad_steps: int = 0
    """Steps without a finite gradient, in a row."""
    zero_steps: Mapping[str, int] = field(default_factory=dict)
    """Steps in a row in which the gradient of a group was zero and should not have been."""
    elapsed_s: float = 0.0
    """Time spent training, over all sittings."""
    best: Best | None = None
    start_score: float | None = None
    """Of the weights before the first step; None without validation."""
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    """Weights, moments and average, from the optimizer."""

    @property
    def is_good(self) -> bool:
        """Whether the last step taught what it should."""
        return self.bad_steps == 0 and not any(self.zero_steps.values())


def save_state(path: Path, state: TrainState, run_digest: str) -> None:
    """Write a state whole or not at all.

    Args:
        path: Replaced at once.
        state: What to keep.
        run_digest: sha256 of the recipe, photos, backbone and encoder; loading asks for the same.
    """
    tensors = {name: tensor.cpu().contiguous() for name, tensor in state.tensors.items()}
    best = None
    if state.best is not None:
        best = {"step": state.best.step, "score": state.best.score}
        for name, tensor in state.best.tensors.items():
            tensors[f"{_BEST}{name}"] = tensor.cpu().contiguous()
    header = {
        "step": state.step,
        "total_steps": state.total_steps,
        "bad_steps": state.bad_steps,
        "zero_steps": dict(state.zero_steps),
        "elapsed_s": state.elapsed_s,
        "start_score": state.start_score,
        "best": best,
    }
    metadata = {
        "format_version": str(FORMAT_VERSION),
        "run_digest": run_digest,
        "state": json.dumps(header),
        "sha256": tensors_digest(tensors),
    }
    write_bytes(path, save(tensors, metadata))


def load_state(path: Path, run_digest: str) -> TrainState | None:
    """Read a state back; None when there is none.

    Raises:
        CheckpointMismatch: Made by another recipe, other photos, weights or version.
        ChecksumMismatch: Cut short or altered.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
            tensors = {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise _damaged(path, str(error)) from error
    if metadata.get("format_version") != str(FORMAT_VERSION):
        raise CheckpointMismatch(
            f"{path}: format version {metadata.get('format_version')}, expected {FORMAT_VERSION};"
            " add --force to train again or choose another --out"
        )
    if metadata.get("run_digest") != run_digest:
        raise CheckpointMismatch(
            f"{path}: made by another recipe, another trigger, other photos, other face masks or"
            f" other weights (run {metadata.get('run_digest', '')[:12]}, expected"
            f" {run_digest[:12]}); go back to those, add --force to train again, or"
            " choose another --out"
        )
    if metadata.get("sha256") != tensors_digest(tensors):
        raise _damaged(path, "the tensors do not have the recorded sha256")
    header = json.loads(metadata["state"])
    best = header.pop("best")
    return TrainState(
        **header,
        best=None
        if best is None
        else Best(
            **best,
            tensors={
                name.removeprefix(_BEST): tensor
                for name, tensor in tensors.items()
                if name.startswith(_BEST)
            },
        ),
        tensors={name: t for name, t in tensors.items() if not name.startswith(_BEST)},
    )


def _damaged(path: Path, reason: str) -> ChecksumMismatch:
    return ChecksumMismatch(
        f"{path}: the checkpoint is cut short or altered ({reason}), expected a whole one;"
        " delete it to train again from the start"
    )
