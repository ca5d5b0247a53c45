"""Any LoRA through any chain of formats keeps delta W."""

import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facekit.adapters.formats.arithmetic import relative_error
from facekit.adapters.formats.bases import LoraBase
from facekit.adapters.formats.catalogue import FORMATS, Format
from facekit.adapters.formats.factors import LoraWeights
from facekit.adapters.formats.reading import read_lora
from facekit.adapters.formats.writing import check_writable, write_lora
from facekit.errors import AdapterMismatch
from tests.tiny.loras import TINY_CONFIGS, random_lora, tiny_base

BOUND = 1e-6
WAYS = ("lora", "dora", "lokr")


def writable(weights: LoraWeights, base: LoraBase) -> list[Format]:
    fits = []
    for form in FORMATS.values():
        try:
            check_writable([weights], form, base)
        except AdapterMismatch:
            continue
        fits.append(form)
    return fits


def through(weights: LoraWeights, chain: list[Format], base: LoraBase, folder: Path) -> LoraWeights:
    for index, form in enumerate(chain):
        name = f"{index}" if form.name == "peft" else f"{index}.safetensors"
        (path,) = write_lora([weights], folder / name, form, base)
        (weights,) = read_lora(path, base).weights
    return weights


def examples(count: int) -> settings:
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


@examples(15)
@given(data=st.data())
@pytest.mark.parametrize("kind", WAYS)
def test_any_chain_of_formats_keeps_delta_w(kind: str, data: st.DataObject) -> None:
    assert_kept(kind, data)


@pytest.mark.slow
@examples(60)
@given(data=st.data())
@pytest.mark.parametrize("kind", WAYS)
def test_many_chains_of_formats_keep_delta_w(kind: str, data: st.DataObject) -> None:
    assert_kept(kind, data)


def assert_kept(kind: str, data: st.DataObject) -> None:
    """Draw a LoRA and a chain of formats, and compare delta W at both ends."""
    base = tiny_base(data.draw(st.sampled_from(sorted(TINY_CONFIGS))))
    paths = sorted(base.names.original_of or base.shapes)
    if kind == "lokr":
        fused = {p for each in base.names.originals.values() if len(each) > 1 for p in each}
        even = (p for p in paths if all(size % 2 == 0 for size in base.shapes[p]))
        paths = [p for p in even if p not in fused and p not in base.kernels]
    chosen = data.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=12, unique=True))
    if kind == "dora":
        # Fused layers are DoRA as a whole or not at all.
        groups = {
            p: base.names.originals[base.names.original_of[p]]
            for p in chosen
            if base.names.original_of
        }
        chosen = sorted({each for p in chosen for each in groups.get(p, (p,))})
    dtype = data.draw(st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))
    seed = data.draw(st.integers(0, 10_000))
    first = random_lora(base, paths=chosen, kind=kind, seed=seed, dtype=dtype)
    before = {
        path: [tensor.clone() for tensor in factors.tensors()]
        for path, factors in first.modules.items()
    }
    formats = writable(first, base)
    chain = data.draw(st.lists(st.sampled_from(formats), min_size=1, max_size=5))
    with tempfile.TemporaryDirectory() as folder:
        last = through(first, chain, base, Path(folder))
    assert set(last.modules) == set(first.modules)
    for path, factors in first.modules.items():
        assert relative_error(last.modules[path], factors) <= BOUND, (path, chain)
        kept = before[path]
        assert all(torch.equal(a, b) for a, b in zip(kept, factors.tensors(), strict=True))
    assert last.trigger == first.trigger
