"""A trained tiny character and everything that shooting and measuring it needs."""

import dataclasses
from pathlib import Path

import pytest

from facekit.evaluation import plots
from facekit.faces import vendors
from facekit.recipe import Recipe, load_recipe
from facekit.types import NoProgress
from facekit.workflows.backbone import Backbone, load_backbone
from facekit.workflows.keys import init_key
from facekit.workflows.presets import plan_pack, run_pack
from facekit.workflows.train import plan_train, run_train
from tests.tiny.photos import good_photos
from tests.tiny.training import TinyFaces

OVERRIDES = (
    "photos.min_same_person=-1",
    "photos.max_covered_gain=2",  # these face models are random
    "photos.duplicate_distance=0",
    "encoder.train=tiny",
    "encoder.report=judge",
    "train.steps=2",
    "validate.every=0",
    'validate.prompts=["close-up of {character}"]',
)


class JudgeFaces(TinyFaces):
    """The report encoder: the same net, so that only its name and weights' digest differ."""

    name = "judge"
    digest = "1" * 64


@dataclasses.dataclass
class Trained:
    recipe: Recipe
    backbone: Backbone
    faces: TinyFaces
    judge: JudgeFaces
    photos: Path
    adapter: Path

    def with_level(self, level: str) -> Recipe:
        """The same recipe at another level."""
        return load_recipe("tiny/train", [*OVERRIDES, f"identity.level={level}"])


def register_encoders(patch: pytest.MonkeyPatch) -> None:
    """Make the encoders that the recipe names known for a while."""
    for kind in (TinyFaces, JudgeFaces):
        patch.setitem(vendors._loaders, kind.name, kind)


@pytest.fixture(autouse=True)
def encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    register_encoders(monkeypatch)


@pytest.fixture(autouse=True)
def small_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "DPI", 20)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    good_photos(folder / "photos")
    recipe = load_recipe("tiny/train", OVERRIDES)
    backbone, faces = load_backbone(recipe), TinyFaces()
    with pytest.MonkeyPatch.context() as patch:
        register_encoders(patch)
        plan = plan_train(
            [folder / "photos"], name="mira", recipe=recipe, out=folder / "characters"
        )
    outcome = run_train(plan, NoProgress(), faces=faces, backbone=backbone)
    return Trained(
        recipe=recipe,
        backbone=backbone,
        faces=faces,
        judge=JudgeFaces(),
        photos=folder / "photos",
        adapter=outcome.adapter,
    )


@dataclasses.dataclass
class PackedPreset:
    """The trained character as a preset, with the keys of whoever packed it."""

    path: Path
    home: Path
    digest: str


@pytest.fixture(scope="session")
def packed(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> PackedPreset:
    folder = tmp_path_factory.mktemp("packed")
    with pytest.MonkeyPatch.context() as patch:
        register_encoders(patch)
        patch.setenv("FACEKIT_KEYS", str(folder / "keys"))
        init_key("anna")
        plan = plan_pack(
            str(trained.adapter),
            out=folder / "mira-1.0.0.facekit",
            preset_id="org.studio.show/mira",
            subject="synthetic",
            templates="clear",
            device="cpu",
        )
        made = run_pack(plan, NoProgress(), pipe=trained.backbone.pipe)
    return PackedPreset(path=made.path, home=folder / "keys", digest=made.digest)


@pytest.fixture
def as_anna(packed: PackedPreset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackedPreset:
    """Be the one who packed it, with a cache of one's own."""
    monkeypatch.setenv("FACEKIT_KEYS", str(packed.home))
    monkeypatch.setenv("FACEKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return packed
