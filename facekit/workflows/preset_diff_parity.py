"""Whether the seeded shots that two presets were packed with are the same picture."""

from typing import Any

import numpy as np

from facekit.presets.bundle import Bundle
from facekit.workflows.preset_content import PARITY, PARITY_FRAMES
from facekit.workflows.preset_drawing import read_parity

__all__ = ["compare_shots"]


def compare_shots(one: Bundle, two: Bundle) -> dict[str, object]:
    """Compare the seeded shots of two presets, whatever they were sampled by.

    Returns:
        `said` in words; `pixel_error`, the mean over all frames, 0..1, None where there is nothing
        to compare; `sampling`, the settings that differ, each with both values.

    Raises:
        BundleDamaged: A parity record cannot be read.
    """
    nothing: dict[str, object] = {"pixel_error": None, "sampling": {}}
    if any(PARITY not in bundle.files for bundle in (one, two)):
        return {"said": "not told, packed without pictures", **nothing}
    (shot, first, before), (other, second, after) = (
        read_parity(bundle.read(PARITY), bundle.read(PARITY_FRAMES), f"{bundle.source}: {PARITY}")
        for bundle in (one, two)
    )
    if shot != other:
        return {"said": "another seeded shot in each, nothing to compare", **nothing}
    settings = _changed(first["sampling"], second["sampling"])
    told = ", ".join(f"{key} {old} -> {new}" for key, (old, new) in settings.items())
    error = float(np.abs(before.astype(np.float64) - after).mean() / 255)
    said = "the same picture to the last bit" if error == 0 else f"pixels differ by {error:.4f}"
    how = f" sampled otherwise ({told})" if settings else ""
    return {
        "said": f"same seeded shot{how}, {said}",
        "pixel_error": error,
        "sampling": {key: list(both) for key, both in settings.items()},
    }


def _changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        key: (before.get(key), after.get(key))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    }
