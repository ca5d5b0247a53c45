"""What each shipped recipe of a real backbone needs, estimated: ``python -m benchmarks.recipes``.

A recipe named after a card, like ``wan2_1_t2v_14b/train_24gb``, must fit it with 8 % of room.
``--choose`` writes those recipes first, by the order of preference that `LADDER` gives; where none
fits there is none. Nothing is loaded, no graphics card is needed.
"""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.results import RESULTS_DIR, write_results
from facekit.backbones import get_spec, spec_names
from facekit.media.files import write_text
from facekit.recipe import (
    CARDS_GB,
    ESTIMATES_FILE,
    Recipe,
    card_of,
    list_recipes,
    load_recipe,
    recipe_digest,
)
from facekit.resources import recipes_dir
from facekit.training.cost import Probed, Situation, StepCost, probe_step, weigh
from facekit.training.settings import TrainSettings, lora_settings
from facekit.training.sketch import blocks, outline
from facekit.workflows.machine import provenance

ROOM = 0.08
_GIB = 2**30
_PHOTOS_VIEWS = 24

LADDER: tuple[tuple[str, int, float], ...] = (
    ("bfloat16", 0, 0.0),
    ("bfloat16", 2, 0.0),
    ("bfloat16", 1, 0.0),
    ("float8", 1, 0.0),
    ("float8", 1, 0.5),
    ("float8", 1, 0.9),
    ("nf4", 1, 0.0),
)
"""How weights are held, checkpointing_every, and the share of blocks that wait in main memory;
what costs least quality and time comes first. Quantised blocks cannot wait."""

_probed: dict[str, Probed] = {}


def cost(recipe: Recipe) -> StepCost:
    """Estimate a recipe; one run of the fake network serves all that differ in bits alone."""
    spec, settings = get_spec(recipe.base.name), TrainSettings.from_recipe(recipe)
    situation = Situation(
        num_views=_PHOTOS_VIEWS,
        num_tokens=recipe.identity.num_tokens,
        validated_frames=recipe.validate.num_frames,
    )
    held = recipe.memory.base_weights == "float32"
    alike = recipe.memory.model_copy(
        update={"offloaded_blocks": 0, "base_weights": "float32" if held else "bfloat16"}
    )
    key = recipe_digest(recipe.model_copy(update={"memory": alike}))
    made = outline(spec)
    weighed = weigh(spec, made, settings, situation)
    if key not in _probed:
        _probed[key] = probe_step(spec, made, settings, lora_settings(recipe, spec), situation)
    return weighed(_probed[key])


def fits(step: StepCost, card_gb: int) -> bool:
    """Whether it fits with room."""
    return step.peak <= (1 - ROOM) * card_gb * _GIB


def choose(backbone: str, card_gb: int) -> str | None:
    """The text of the recipe for a card; None where nothing fits."""
    base = load_recipe(f"{backbone}/train")
    with torch.device("meta"):
        count = len(list(blocks(outline(get_spec(backbone)).network)))
    for how, every, share in LADDER:
        waiting = int(count * share)
        memory = {"base_weights": how, "checkpointing_every": every, "offloaded_blocks": waiting}
        recipe = base.model_copy(update={"memory": base.memory.model_copy(update=memory)})
        step = cost(recipe)
        if fits(step, card_gb):
            return _text(backbone, card_gb, how, every, waiting, count)
        if min(step.encode, step.decode) > (1 - ROOM) * card_gb * _GIB and share:
            return None
    return None


_REASONS = {
    "bfloat16": "Half of float32; what is trained stays float32.",
    "float8": "Half of bfloat16, which would not fit; diffusers widens each layer as it is used.",
    "nf4": "A quarter of bfloat16, for nothing wider fits (QLoRA, arXiv 2305.14314).",
}


_AGAIN = {
    0: "All activations fit, so nothing is computed twice.",
    1: "Activations are computed again in the backward pass: about a third more time.",
    2: "Those of every second block are computed again: about a sixth more time.",
}


def _text(backbone: str, card_gb: int, how: str, every: int, waiting: int, count: int) -> str:
    own = (recipes_dir() / backbone / "train.toml").read_text(encoding="utf-8")
    parent = re.search(r'^extends = "(.*)"$', own, re.MULTILINE)
    body = ""
    if parent:
        # One level alone: what the backbone's own recipe says is said again.
        lines = own[parent.end() :].splitlines()
        body = "\n".join(
            line for line in lines if not line.startswith(("description", "#"))
        ).strip()
        body = f"\n{body}\n"
    lines = [
        f"# {backbone} on a graphics card of {card_gb} GB:",
        f"#   facekit train PHOTOS --as NAME --base {backbone} --vram {card_gb}",
        "# What is not said here is as in train.toml; docs/howto/fit_your_card.md gives the",
        "# reasons that all these recipes share. Estimated (docs/results/recipes.json), never run.",
        f'extends = "{parent[1] if parent else f"{backbone}/train"}"',
        f'description = "{backbone} on {card_gb} GB, plain LoRA"',
        body,
        "[memory]",
        f"# {_REASONS[how]}",
        f'base_weights = "{how}"',
        f"# {_AGAIN[every]}",
        f"checkpointing_every = {every}",
    ]
    if waiting:
        lines += [
            f"# Of {count}; they come one after the other, which takes time (musubi-tuner's"
            " blocks_to_swap).",
            f"offloaded_blocks = {waiting}",
        ]
    return "\n".join(lines) + "\n"


def rows() -> Iterator[dict[str, object]]:
    """Every recipe that is made for a card."""
    for summary in list_recipes():
        card = card_of(summary.name)
        if card is None:
            continue
        recipe = load_recipe(summary.name)
        step = cost(recipe)
        yield {
            "recipe": summary.name,
            "digest": recipe_digest(recipe),
            "card_gb": card,
            "estimated_gb": round(step.peak / _GIB, 2),
            "step_gb": round(step.step / _GIB, 2),
            "encode_gb": round(step.encode / _GIB, 2),
            "decode_gb": round(step.decode / _GIB, 2),
            "main_memory_gb": round(step.offloaded / _GIB, 2),
            "pflop_a_step": round(step.flops / 1e15, 4),
            "fits": fits(step, card),
        }


def main() -> None:
    """Choose where that is asked for, then estimate all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--choose", action="store_true", help="write the recipes of the cards")
    parser.add_argument("--out", type=Path, default=RESULTS_DIR / "recipes.json")
    given = parser.parse_args()
    if given.choose:
        for backbone in (name for name in spec_names() if name != "toon"):
            for card_gb in CARDS_GB:
                text = choose(backbone, card_gb)
                path = recipes_dir() / backbone / f"train_{card_gb}gb.toml"
                print(backbone, card_gb, "none fits" if text is None else "chosen", flush=True)
                if text is None:
                    path.unlink(missing_ok=True)
                else:
                    write_text(path, text)
    found = list(rows())
    shipped = {str(row["recipe"]): row["estimated_gb"] for row in found}
    write_text(recipes_dir() / ESTIMATES_FILE, json.dumps(shipped, indent=1) + "\n")
    write_results(given.out, {**provenance(torch.device("cpu")), "room": ROOM, "recipes": found})
    for row in found:
        print(row["recipe"], row["estimated_gb"], "" if row["fits"] else "NO ROOM")


if __name__ == "__main__":
    main()
