"""Recipes for the memory of a card: every way to save memory takes a step, and all were estimated.

What a recipe for a card says beside its backbone is how weights are held, what is recomputed and
what waits elsewhere. `test_memory` runs all of these on every backbone's blocks, and
`test_backbone_recipes` every backbone from photos to a report, so a combination that two backbones
of one family share runs on one of them here. Every kind of backbone runs at least once; all but a
few are slow.
"""

import dataclasses
import importlib.util
import json
from functools import cache
from pathlib import Path

import pytest

from facekit.backbones import get_spec
from facekit.faces import vendors
from facekit.recipe import (
    card_of,
    card_recipe,
    list_recipes,
    load_recipe,
    recipe_digest,
    recipe_estimates,
)
from facekit.types import NoProgress
from facekit.workflows.backbone import Backbone
from facekit.workflows.train import plan_train, run_train
from tests.tiny.backbones import SAME_BUT_FOR_TEXT
from tests.tiny.photos import good_photos
from tests.tiny.slow import slow_but
from tests.tiny.training import TinyFaces

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "recipes.json"
CARDS = [summary.name for summary in list_recipes() if card_of(summary.name) is not None]


def _different() -> list[str]:
    """Recipes such that every kind of backbone and every combination in its family is there."""
    chosen: dict[object, str] = {}
    for name in CARDS:
        recipe = load_recipe(name)
        family, saved = type(get_spec(recipe.base.name).family), recipe.memory
        way = (saved.base_weights, saved.checkpointing_every, saved.offloaded_blocks > 0)
        kind = SAME_BUT_FOR_TEXT.get(recipe.base.name, recipe.base.name)
        if (family, way) not in chosen or kind not in chosen:
            chosen.setdefault((family, way), name)
            chosen[kind] = name
    return sorted(set(chosen.values()))


OFTEN = ("cogvideox_2b/train_16gb", "ltx_video_13b/train_16gb", "wan2_1_t2v_14b/train_48gb")
"""Plain; in eight bits, recomputed and waiting elsewhere; every second block recomputed."""
PACKAGES = {"int8": "torchao", "nf4": "bitsandbytes"}
SMALL = (
    "encoder.train=tiny",
    "encoder.report=toon-b",
    "lora.rank=2",
    "photos.holdout=0",
    "photos.min_face_px=16",
    "photos.min_same_person=-1",
    "photos.duplicate_distance=0",
    "train.steps=1",
    "train.batch_size=1",
    "validate.every=0",
    'validate.prompts=["close-up of {character}"]',
    "validate.seeds=[11]",
    "sample.num_inference_steps=2",
)


@cache
def backbone(name: str) -> Backbone:
    spec = get_spec(name)
    side = 2 * spec.spatial_multiple
    spec = dataclasses.replace(spec, sizes={"1:1": (side, side)})
    return Backbone(spec=spec, pipe=spec.tiny(), digest="")


@pytest.mark.parametrize("name", slow_but(_different(), *OFTEN))
def test_a_recipe_for_a_card_takes_a_step(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vendors._loaders, TinyFaces.name, TinyFaces)
    given = load_recipe(name)
    package = PACKAGES.get(given.memory.base_weights)
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    few = min(given.memory.offloaded_blocks, 1)  # the tiny network has four blocks
    aspects = 'validate.aspects=["1:1"]'
    recipe = load_recipe(name, (*SMALL, f"memory.offloaded_blocks={few}", aspects))
    good_photos(tmp_path / "photos", 4)
    plan = plan_train([tmp_path / "photos"], name="mira", recipe=recipe, out=tmp_path, drawn=True)
    made = run_train(plan, NoProgress(), backbone=backbone(recipe.base.name))
    assert made.steps == 1
    assert made.throughput["tflops"] > 0


def test_every_recipe_for_a_card_was_estimated_as_it_is_and_fits() -> None:
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["recipes"]
    known = {row["recipe"]: row for row in rows}
    assert set(known) == set(CARDS) == set(recipe_estimates())
    changed = [n for n in CARDS if known[n]["digest"] != recipe_digest(load_recipe(n))]
    assert not changed, "run python -m benchmarks.recipes"
    assert all(row["fits"] for row in rows)
    assert all(row["estimated_gb"] <= 0.92 * row["card_gb"] for row in rows)


def test_a_card_gets_the_recipe_of_the_largest_that_is_no_larger() -> None:
    base = "animatediff_sd15"
    assert card_recipe(base, 23.6) == f"{base}/train_24gb"
    assert card_recipe(base, 40) == f"{base}/train_24gb"
    assert card_recipe(base, 141) == f"{base}/train_80gb"
    assert card_recipe("toon", 4) == "toon/train"
