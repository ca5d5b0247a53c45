"""What the demo will do, decided before anything is loaded."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from facekit.digests import json_digest
from facekit.errors import OutputExists
from facekit.generation.shots import demo_shots
from facekit.media.scan import scan_sources
from facekit.recipe import Recipe, load_recipe, recipe_digest
from facekit.resources import datasets_dir
from facekit.toon import ToonCharacter
from facekit.types import Shot
from facekit.weights import known_digest
from facekit.workflows.backbone import backbone_spec, weights_digest
from facekit.workflows.device import AUTO, choose_device, device_text
from facekit.workflows.toon_truth import phrase_of, sample_seed

__all__ = [
    "DEMO_DIR",
    "NAME",
    "NUM_SHOTS",
    "QUICK",
    "QUICK_SHOTS",
    "RECORD_FILE",
    "SAMPLE",
    "DemoPlan",
    "plan_demo",
    "read_record",
]

DEMO_DIR = Path("facekit-demo")
NAME = "mira"
SAMPLE = "toon_mira"
RECORD_FILE = "demo.json"

QUICK = (
    "train.steps=12",
    "train.warmup=2",
    "validate.every=0",
    "sample.num_inference_steps=8",
    "sample.num_frames=5",
)
QUICK_SHOTS = 4
NUM_SHOTS = 14


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """What the demo does, and where."""

    photos: tuple[Path, ...]
    photos_digest: str
    """sha256 of what is in them and in the captions beside them, wherever they lie."""
    recipe: Recipe
    shots: tuple[Shot, ...]
    out_dir: Path
    trigger: str | None
    """How prompts call the character; None lets training decide."""
    truth_seed: int | None
    """Draws the character itself, to measure against; None outside of the toon world."""
    weights: str
    """sha256 of the weights that it uses; shots of another build are not this demo's."""
    device: torch.device
    force: bool

    @property
    def fingerprint(self) -> str:
        """Sha256 (hex) of everything that decides the result."""
        content = {
            "recipe": recipe_digest(self.recipe),
            "photos": self.photos_digest,
            "shots": [dataclasses.asdict(shot) for shot in self.shots],
            "trigger": self.trigger,
            "truth_seed": self.truth_seed,
            "weights": self.weights,
            "device": str(self.device),  # the times that are added up are those of one device
        }
        return json_digest(content)

    def describe(self) -> str:
        """Write the stages and the folder."""
        recipe = self.recipe
        return "\n".join(
            [
                f"photos: {', '.join(str(path) for path in self.photos)}",
                f"train: {NAME}, level {recipe.identity.level}, {recipe.train.steps} steps on"
                f" {recipe.base.name}",
                f"shoot: {len(self.shots)} shots of {self.shots[0].num_frames} frames, and the"
                " same without the character",
                f"device: {device_text(self.device)}",
                f"measure: with {recipe.encoder.report}, which took no part in training",
                f"out: {self.out_dir}{self._found()}",
            ]
        )

    def _found(self) -> str:
        record = {} if self.force else read_record(self)
        if record.get("fingerprint") != self.fingerprint:
            return ""
        is_finished = "total_seconds" in record
        return " (finished; only measured anew)" if is_finished else " (goes on where it stopped)"

    def to_json(self) -> Mapping[str, object]:
        """Return the same as plain data."""
        return {
            "photos": [str(path) for path in self.photos],
            "recipe": self.recipe.model_dump(mode="json"),
            "shots": [dataclasses.asdict(shot) for shot in self.shots],
            "trigger": self.trigger,
            "device": str(self.device),
            "out": str(self.out_dir),
        }


def plan_demo(
    *,
    out: Path | None = None,
    quick: bool = False,
    seed: int | None = None,
    force: bool = False,
    recipe: Recipe | None = None,
    photos: Path | None = None,
    device: str = AUTO,
) -> DemoPlan:
    """Decide what the demo does.

    Args:
        out: Folder of everything it makes; `facekit-demo` when None.
        quick: Few steps and shots: proves the path and makes no likeness.
        seed: Of training and of the first shot; 0 when None.
        force: Whether the folder may hold another demo, which is then replaced.
        recipe: How to train and to sample; the default recipe when None.
        photos: Of the character; the sample photos when None.
        device: Where the backbone runs, as for `choose_device`.

    Raises:
        UsageError: No such device.
        MediaError: There are no photos.
        OutputExists: The folder holds another demo, one of other weights, or something else.
        WeightsMissing: The recipe names a folder without a backbone.
    """
    overrides = [
        "photos.people=refuse",  # the published numbers are of the photos of one person
        *(QUICK if quick else ()),
        *([f"train.seed={seed}"] if seed is not None else []),
    ]
    chosen = recipe or load_recipe(overrides=overrides)
    truth_seed = sample_seed(SAMPLE) if photos is None else None
    phrase = None if truth_seed is None else phrase_of(ToonCharacter.from_seed(truth_seed))
    spec = backbone_spec(chosen)
    folder = photos or datasets_dir() / SAMPLE
    plan = DemoPlan(
        photos=(folder,),
        photos_digest=_photos_digest(folder),
        recipe=chosen,
        shots=demo_shots(
            NAME,
            spec,
            num_frames=chosen.sample.num_frames,
            seed=seed or 0,
            count=QUICK_SHOTS if quick else NUM_SHOTS,
        ),
        out_dir=out or DEMO_DIR,
        trigger=phrase,
        truth_seed=truth_seed,
        weights=weights_digest(chosen),
        device=choose_device(device),
        force=force,
    )
    _check_folder(plan)
    return plan


def _photos_digest(folder: Path) -> str:
    photos = [source.path for source in scan_sources([folder])]
    captions = (photo.with_suffix(".txt") for photo in photos)
    return json_digest(
        {
            "photos": [known_digest(photo) for photo in photos],
            "captions": [known_digest(path) if path.is_file() else None for path in captions],
        }
    )


def _check_folder(plan: DemoPlan) -> None:
    folder = plan.out_dir
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())) or plan.force:
        return
    if read_record(plan).get("fingerprint") != plan.fingerprint:
        raise OutputExists(
            f"{folder}: holds another demo or something else, expected a new folder; choose"
            " another --out or add --force to replace it"
        )


def read_record(plan: DemoPlan) -> dict[str, Any]:
    """Read what an earlier sitting in the same folder left; empty when there is nothing."""
    try:
        content = json.loads((plan.out_dir / RECORD_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
