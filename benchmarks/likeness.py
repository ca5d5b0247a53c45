"""The comparison: does facekit keep a person better than a plain LoRA, at the same cost?

    python -m benchmarks.likeness

Held-out drawn characters, the same photos, backbone, prompts, seeds and training time for every
method. It goes on where it stopped, unit by unit. A complete run writes `docs/results/
likeness.json`, `docs/likeness.md` and `docs/likeness.png`; a part of it writes the same three into
the work folder.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from benchmarks.judge_photos import NUM_JUDGES, NUM_PHOTOS
from benchmarks.likeness_tables import build_page, build_results, write_sheet
from benchmarks.likeness_work import (
    FIRST_SEED,
    SWEEP_SEED,
    Bench,
    Method,
    Subject,
    budgeted,
    run_unit,
    train_unit,
)
from benchmarks.results import write_results
from facekit.faces.vendors import encoder_id, load_faces
from facekit.media.files import write_text
from facekit.recipe import load_recipe, recipe_digest
from facekit.resources import BASE_ADAPTER_FILE, toon_dir
from facekit.types import NoProgress
from facekit.workflows.backbone import load_backbone
from facekit.workflows.machine import provenance
from facekit.workflows.measuring import load_probe

FULL_CHARACTERS, FULL_PROMPTS, FULL_SEEDS = 8, 12, 2
BUDGET_S = 240.0
SWEEP_RANKS = (8, 32)
SWEEP_RATES = (1e-4, 5e-4, 2e-3)
SWEEP_CHARACTERS = 2
LOSS_TERMS = {
    "no_face_mask": ("L2 without the face mask", "loss.face_mask_probability=0"),
    "no_identity": ("L2 without the identity loss", "loss.identity=0"),
    "no_preservation": ("L2 without preservation", "loss.preservation=0"),
    "no_contrastive": ("L2 without the contrastive loss", "loss.contrastive=0"),
}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--characters", type=int, default=FULL_CHARACTERS)
    parser.add_argument("--prompts", type=int, default=FULL_PROMPTS)
    parser.add_argument("--seeds", type=int, default=FULL_SEEDS)
    parser.add_argument("--methods", help="comma-separated keys; all when absent")
    parser.add_argument("--budget-s", type=float, default=BUDGET_S, help="training, per character")
    parser.add_argument("--num-frames", type=int, help="per clip; the recipe's when absent")
    parser.add_argument("--recipe", default="toon/train")
    parser.add_argument("--set", action="append", default=[], help="recipe value, for every method")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="torch's; its own choice when absent")
    parser.add_argument("--work", type=Path, default=Path("build/likeness"))
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--no-sweep", action="store_true", help="plain LoRA as its recipe says")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing and write the tables."""
    options = parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    bench = open_bench(options)
    sweep = [] if options.no_sweep or not _wants(options, "lora") else sweep_lora(bench, options)
    methods = list_methods(bench, options, sweep)
    subjects = [Subject(bench, FIRST_SEED + index) for index in range(options.characters)]
    units: dict[str, list[dict[str, Any]]] = {method.key: [] for method in methods}
    # Character by character, so that a run that is stopped has whole rows to compare.
    for number, subject in enumerate(subjects):
        for method in methods:
            unit = run_unit(bench, method, subject)
            units[method.key].append(unit)
            likeness = unit["figures"]["likeness_ratio"]
            told = "-" if likeness is None else f"{likeness:.3f}"
            print(
                f"character {number + 1}/{len(subjects)}  {method.key:<16} likeness {told}"
                f"  trained {unit['train_seconds']:.0f} s",
                flush=True,
            )
    results = build_results(methods, units, about=_about(bench, options, subjects, sweep))
    publish(results, methods, subjects[0], bench, options)
    return 0


def open_bench(options: argparse.Namespace) -> Bench:
    """Load backbone and encoders once."""
    recipe = load_recipe(options.recipe, options.set)
    backbone = load_backbone(recipe)
    backbone.pipe.to(options.device)
    report_faces = load_faces(recipe.encoder.report)
    base_adapter = toon_dir() / BASE_ADAPTER_FILE
    return Bench(
        work=options.work,
        recipe=recipe,
        backbone=backbone,
        train_faces=load_faces(recipe.encoder.train),
        report_faces=report_faces,
        probe=load_probe(backbone.spec.name, report_faces),
        prompts=options.prompts,
        seeds=options.seeds,
        num_frames=options.num_frames or recipe.sample.num_frames,
        budget_s=options.budget_s,
        progress=NoProgress(),
        trained_on=sha256(base_adapter.read_bytes()).hexdigest() if base_adapter.is_file() else "",
    )


def _wants(options: argparse.Namespace, key: str) -> bool:
    return not options.methods or key in options.methods.split(",")


def sweep_lora(bench: Bench, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Try ranks and learning rates of the plain LoRA on characters that the table does not use.

    The training encoder judges here, on held-out photos, as it does when a checkpoint is chosen.
    """
    tried = []
    for rank in SWEEP_RANKS:
        for lr in SWEEP_RATES:
            recipe = _lora_recipe(options, rank, lr)
            folder = bench.work / "sweep" / f"r{rank}-lr{lr:g}"
            scores = []
            for index in range(min(SWEEP_CHARACTERS, options.characters)):
                subject = Subject(bench, SWEEP_SEED + index)
                place = folder / str(subject.seed)
                scores.append(_swept(bench, recipe, subject, place))
            entry = {"rank": rank, "lr": lr, "likeness": sum(scores) / len(scores)}
            tried.append(entry)
            print(f"sweep  rank {rank:<3} lr {lr:<8g} likeness {entry['likeness']:.3f}", flush=True)
    return sorted(tried, key=lambda entry: -entry["likeness"])


def _swept(bench: Bench, recipe: Any, subject: Subject, folder: Path) -> float:
    weights = f"{bench.backbone.parts_digest} {bench.trained_on}"
    made_of = f"{recipe_digest(recipe)} {subject.photo_set.digest} {weights}"
    digest = sha256(made_of.encode()).hexdigest()
    adapter, _ = train_unit(bench, recipe, subject, folder, digest)
    stored = json.loads(adapter.with_name("result.json").read_text(encoding="utf-8"))
    return float(stored["outcome"]["likeness"] or 0.0)


def _lora_recipe(options: argparse.Namespace, rank: int, lr: float) -> Any:
    values = [f"lora.rank={rank}", f"lora.alpha={rank}", f"lora.lr={lr:g}"]
    recipe = _recipe(options, "none", "loss.identity=0", *values)
    # A plain LoRA has no identity branch that could be guided by itself.
    sample = recipe.sample.model_copy(update={"identity_guidance": None})
    return recipe.model_copy(update={"sample": sample})


def _recipe(options: argparse.Namespace, level: str, *overrides: str) -> Any:
    given = [*options.set, f"identity.level={level}", *overrides]
    return budgeted(given, options.budget_s, options.recipe)


def list_methods(
    bench: Bench, options: argparse.Namespace, sweep: Sequence[dict[str, Any]]
) -> list[Method]:
    """List the methods of the table, the asked ones only."""
    own = bench.recipe
    best = sweep[0] if sweep else {"rank": own.lora.rank, "lr": own.lora.lr}
    lora = f"plain LoRA (rank {best['rank']}, lr {best['lr']:g})"
    methods = [
        Method(key="base", title="base + description", recipe=None),
        Method(key="lora", title=lora, recipe=_lora_recipe(options, best["rank"], best["lr"])),
        Method(key="l0", title="L0, enrol only", recipe=_recipe(options, "L0")),
        Method(key="l1", title="L1, tokens tuned", recipe=_recipe(options, "L1")),
        Method(key="l2", title="L2, tokens + LoRA", recipe=_recipe(options, "L2")),
    ]
    for key, (title, override) in LOSS_TERMS.items():
        if _is_on(own, override):
            recipe = _recipe(options, "L2", override)
            methods.append(Method(key=f"l2_{key}", title=title, recipe=recipe))
    methods.append(Method(key="truth", title="drawn truth", recipe=None))
    chosen = [method for method in methods if _wants(options, method.key)]
    if not chosen:
        known = ", ".join(method.key for method in methods)
        sys.exit(f"--methods {options.methods}: none of these exists, expected some of {known}")
    return chosen


def _is_on(recipe: Any, override: str) -> bool:
    section, _, rest = override.partition(".")
    return bool(getattr(getattr(recipe, section), rest.partition("=")[0]))


def _about(
    bench: Bench,
    options: argparse.Namespace,
    subjects: Sequence[Subject],
    sweep: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    return {
        **provenance(bench.backbone.pipe.device),
        "torch_threads": torch.get_num_threads(),
        "settings": {
            "characters": len(subjects),
            "character_seeds": [subject.seed for subject in subjects],
            "prompts": options.prompts,
            "seeds": options.seeds,
            "num_frames": bench.num_frames,
            "num_photos": NUM_PHOTOS,
            "held_out": bench.recipe.photos.holdout,
            "num_judges": NUM_JUDGES,
            "budget_s": options.budget_s,
            "train_encoder": encoder_id(bench.train_faces),
            "report_encoder": encoder_id(bench.report_faces),
            "backbone": f"{bench.backbone.spec.name}@{bench.backbone.digest[:12]}",
            "sample": bench.recipe.sample.model_dump(mode="json"),
            "recipe": recipe_digest(bench.recipe),
            "lora_sweep": list(sweep),
        },
    }


def publish(
    results: dict[str, Any],
    methods: Sequence[Method],
    subject: Subject,
    bench: Bench,
    options: argparse.Namespace,
) -> None:
    """Write JSON, table and contact sheet: into docs when the run is complete."""
    least = (FULL_CHARACTERS, FULL_PROMPTS, FULL_SEEDS)
    given = (options.characters, options.prompts, options.seeds)
    is_full = not options.methods and all(a >= b for a, b in zip(given, least, strict=True))
    docs = options.docs if is_full else bench.work / "docs"
    write_results(docs / "results" / "likeness.json", results)
    write_text(docs / "likeness.md", build_page(results))
    write_sheet(docs / "likeness.png", methods, subject, bench.work / "runs")
    print(f"wrote {docs / 'likeness.md'}" + ("" if is_full else "  (a part, not published)"))


if __name__ == "__main__":
    sys.exit(main())
