"""Which backbone a LoRA is for, told from the names and shapes of its own modules."""

import re

from facekit.adapters.formats.bases import LoraBase, base_names, get_base
from facekit.adapters.formats.catalogue import split_key
from facekit.adapters.formats.complaints import few
from facekit.adapters.formats.parts import Take, shape_of, take_apart
from facekit.adapters.formats.tables import TABLES
from facekit.adapters.formats.tensors import RawFile
from facekit.errors import AdapterMismatch

__all__ = ["fitting_bases"]

_ORDER = ("toon", "wan2_1_t2v_1_3b", "wan2_1_t2v_14b", "wan2_2_t2v_a14b")
"""Who is named first where several have the same layers; then by name."""

_FIRST_WITH_EXPERTS = ("wan2_2_t2v_a14b", "wan2_2_i2v_a14b")


def fitting_bases(raw: RawFile) -> tuple[LoraBase, ...]:
    """Find the known backbones that a file fits with all its modules.

    Returns:
        At least one; several where they have the same layers, those with two experts first for a
        file that is named for one of them or holds both.

    Raises:
        AdapterMismatch: It fits none; the message names the nearest.
    """
    modules = {split[0] for key in raw.tensors if (split := split_key(key)) is not None}
    families = [
        family
        for family, table in TABLES.items()
        if any(re.search(rf"(^|[._]){table.typical}$", module) for module in modules)
    ]
    fits: list[LoraBase] = []
    nearest: tuple[int, str, tuple[str, ...]] | None = None
    for name in base_names():
        base = get_base(name)
        if base.table.family not in families:
            continue
        take = take_apart(raw.tensors, base)
        wrong = _wrong(take, base)
        if not wrong and take.modules:
            fits.append(base)
        elif take.modules and (nearest is None or len(wrong) < nearest[0]):
            nearest = (len(wrong), name, wrong)
    if fits:
        return tuple(sorted(fits, key=lambda base: _place(base, raw)))
    if nearest is None:
        raise AdapterMismatch(
            f"{raw.path}: its {len(raw.tensors)} keys ({few(raw.tensors)}) are not those of a LoRA"
            f" for any of {', '.join(base_names())}; name its backbone's folder with --source"
        )
    advice = "name the folder of its backbone with --source"
    if raw.tensors.keys() >= set(nearest[2]):  # nothing is of another shape
        advice += f", or leave these keys out with --base {nearest[1]} --partial"
    raise AdapterMismatch(
        f"{raw.path}: fits no backbone that is known; nearest is {nearest[1]}, where"
        f" {nearest[0]} keys are unexpected or of another shape ({few(nearest[2])}), expected"
        f" all of them to fit; {advice}"
    )


def _wrong(take: Take, base: LoraBase) -> tuple[str, ...]:
    reshaped = [
        f"{module.name} {got}"
        for module in take.modules
        if (got := shape_of(module)) is not None
        and got
        != (sum(base.shapes[path][0] for path in module.paths), base.shapes[module.paths[0]][1])
    ]
    return (*take.unexpected, *reshaped)


def _place(base: LoraBase, raw: RawFile) -> tuple[bool, int, str]:
    marks = ("high_noise", "low_noise", "highnoise", "lownoise", "high-noise", "low-noise")
    is_one_of_two = any(mark in raw.path.stem.lower() for mark in marks) or any(
        key.startswith("transformer_2.") for key in raw.tensors
    )
    order = _FIRST_WITH_EXPERTS if is_one_of_two else _ORDER
    place = order.index(base.name) if base.name in order else len(order)
    return base.has_experts != is_one_of_two, place, base.name
