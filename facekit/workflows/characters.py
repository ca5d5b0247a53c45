"""Where characters live: a name becomes a file, and the recipes that it is shot and measured by."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from facekit.adapters.character import Character, no_identity
from facekit.adapters.character_file import ADAPTER_FILE
from facekit.adapters.conditioning import Strength
from facekit.adapters.made_for import check_backbone
from facekit.backbones.spec import BackboneSpec
from facekit.errors import UsageError
from facekit.generation.sample import SampleSettings
from facekit.presets.bundle import is_bundle
from facekit.recipe import Recipe, load_recipe, recipe_digest, training_recipe
from facekit.workflows.locked_presets import locate_preset
from facekit.workflows.preset_files import enclosing_bundle, load_any, preset_adapter

__all__ = [
    "ADAPTER_FILE",
    "CHARACTERS_DIR",
    "RECIPE_FILE",
    "RESULT_FILE",
    "call_character",
    "check_conditioned",
    "evaluation_recipe",
    "find_character",
    "load_characters",
    "shooting_recipe",
]

CHARACTERS_DIR = Path("characters")
"""Folder of trained characters, one folder each, in the current directory."""

_SUFFIX = Path(ADAPTER_FILE).suffix

RECIPE_FILE = "recipe.toml"
"""The resolved recipe of a training run, in the folder of its character."""

RESULT_FILE = "result.json"
"""How a finished training run ended, in the folder of its character."""


def find_character(name: str, *, revoked: bool = False) -> Path:
    """Find the file of a character; that of a preset is verified first.

    Args:
        name: A character's name, its folder or its file; a preset's folder or archive; or a
            locked preset such as `mira@prod`.
        revoked: Find a preset that was revoked as well, to be deleted.

    Raises:
        UsageError: None of these; the message lists the characters that are there.
        BundleDamaged: A preset of which a file is missing, added or changed.
        SignatureRefused: A preset that nobody trusted has signed.
        PresetError: A preset of a later version of facekit.
        PresetRevoked: The preset was withdrawn.
        RegistryError: The preset is not locked, not here, or long not asked about.
    """
    given = Path(name)
    if "@" in name and not given.exists():
        return locate_preset(name, revoked=revoked)
    if given.exists() and is_bundle(given):
        return preset_adapter(given, revoked=revoked)
    if given.is_file() and given.suffix == _SUFFIX:
        inside = enclosing_bundle(given)
        return given if inside is None else preset_adapter(inside, revoked=revoked)
    places = (given / ADAPTER_FILE, CHARACTERS_DIR / name / ADAPTER_FILE)
    for place in places:
        if place.is_file():
            return place
    known = sorted(path.parent.name for path in CHARACTERS_DIR.glob(f"*/{ADAPTER_FILE}"))
    nobody = f"a {_SUFFIX} file or a name in {CHARACTERS_DIR}/"
    listed = f"one of {', '.join(known)}" if known else nobody
    raise UsageError(
        f"{name}: no such character, expected {listed};"
        f" train one with: facekit train PHOTOS --as {given.name or 'NAME'}"
    )


def load_characters(names: Sequence[str]) -> tuple[Character, ...]:
    """Load characters by their names, their folders, their files or their presets.

    Raises:
        UsageError: No such character, or none given.
        AdapterError: A file is damaged or of no effect.
        IntegrityError: A preset is damaged, or signed by nobody trusted.
    """
    if not names:
        raise UsageError("no character given, expected one or more; name them with --with")
    return tuple(load_any(find_character(name)) for name in names)


def check_conditioned(
    characters: Sequence[Character],
    spec: BackboneSpec,
    settings: SampleSettings,
    strength: Strength,
) -> None:
    """Refuse characters that this backbone, or this way of sampling, can do nothing with.

    Raises:
        AdapterMismatch: One was made for another backbone.
        AdapterError: A plain LoRA where the identity is guided or has keyframes.
    """
    for one in characters:
        check_backbone(one.source, one.file.header, spec.name)
        if one.file.identity is not None:
            continue
        if settings.identity_guidance is not None:
            raise no_identity(one, "sample.identity_guidance")
        if isinstance(strength, Sequence):
            raise no_identity(one, "keyframes of strength")


def call_character(adapter: Path | str) -> str:
    """Write what to say after ``--with``, quoted, so that it leads to this file from here."""
    path = Path(adapter)
    if (inside := enclosing_bundle(path)) is not None:
        return shlex.quote(str(inside))
    if path == CHARACTERS_DIR / path.parent.name / ADAPTER_FILE:
        return shlex.quote(path.parent.name)
    return shlex.quote(str(path.parent if path.name == ADAPTER_FILE else path))


def shooting_recipe(character: Character, settings: Sequence[str] = ()) -> tuple[Recipe, str]:
    """Load the recipe that a character is shot by: the one that trained it, where it is at hand.

    That is the `recipe.toml` beside the file; else the shipped training recipe of its backbone.

    Args:
        character: Knows its file and its backbone.
        settings: Overrides, like "sample.num_inference_steps=12"; they win.

    Returns:
        The recipe, and where it comes from, in words for a plan.

    Raises:
        RecipeError: The file beside the character is damaged, or an override does not fit.
    """
    header = character.file.header
    own = Path(character.source).parent / RECIPE_FILE
    if not own.is_file():
        name = training_recipe(header.backbone)
        return load_recipe(name, settings), f"{name}, for there is no {own}"
    trained = header.training.get("recipe_digest")
    is_its_own = trained is None or recipe_digest(load_recipe(own)) == trained
    return load_recipe(own, settings), str(own) + (
        "" if is_its_own else " (not the very one that trained this character)"
    )


def evaluation_recipe(character: str, settings: Sequence[str] = ()) -> Recipe:
    """Load the recipe that a character is measured by: as for shots, the one that trained it.

    `encoder.train` is the one that the character file names. `encoder.report` is the recipe's or,
    where just that one trained, the other of the recipe's pair.

    Args:
        character: A character's name, its folder or its file.
        settings: Overrides, like "gates.min_xmin=0.5"; they win.

    Raises:
        UsageError: No such character.
        AdapterError: Its file is damaged.
        RecipeError: The recipe beside it is damaged, or an override does not fit.
    """
    loaded = load_any(find_character(character))
    trained = loaded.file.header.encoder
    if not trained:
        return shooting_recipe(loaded, settings)[0]
    pair = shooting_recipe(loaded)[0].encoder
    report = pair.train if trained == pair.report else pair.report
    own = (f'encoder.train="{trained}"', f'encoder.report="{report}"')
    return shooting_recipe(loaded, [*own, *settings])[0]
