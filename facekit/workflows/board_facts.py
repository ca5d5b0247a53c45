"""What a board's files and its backbone are: found, looked into, hashed; no backbone is read."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facekit.adapters.character import Character
from facekit.adapters.made_for import check_backbone
from facekit.backbones.family import Family
from facekit.backbones.hub import pipeline_folder
from facekit.backbones.spec import BackboneSpec, spec_names
from facekit.errors import (
    AdapterError,
    ConsentRefused,
    FacekitError,
    MediaError,
    PresetRevoked,
    RegistryError,
    RightsRefused,
    StoryboardError,
    UsageError,
    WeightsMissing,
)
from facekit.generation.sample import SampleSettings
from facekit.generation.storyboard import Storyboard
from facekit.generation.storyboard_facts import BackboneFacts, CastFacts, PictureFacts
from facekit.generation.storyboard_loading import LocatedBoard
from facekit.generation.storyboard_mistakes import nearest
from facekit.generation.storyboard_people import people_in
from facekit.generation.storyboard_yaml import KeyPath, Mistake
from facekit.media.images import read_image
from facekit.recipe import Recipe, load_recipe, training_recipe
from facekit.weights import known_digest
from facekit.workflows.backbone import TINY, backbone_spec, weights_digest
from facekit.workflows.characters import find_character
from facekit.workflows.preset_files import load_any

__all__ = ["FoundFacts", "board_recipe", "find_facts", "refuse_presets"]


@dataclass(slots=True, kw_only=True)
class FoundFacts:
    """What was found, and what was not."""

    recipe: Recipe | None = None
    spec: BackboneSpec | None = None
    backbone: BackboneFacts | None = None
    cast: dict[str, CastFacts] = field(default_factory=dict)
    pictures: dict[str, PictureFacts] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    refused: dict[Mistake, FacekitError] = field(default_factory=dict)
    """Those of the mistakes that no other line of the board would mend."""
    warnings: list[str] = field(default_factory=list)


def board_recipe(board: Storyboard, folder: Path) -> Recipe:
    """Load the recipe that names a board's backbone; how is sampled stands in the plans of shots.

    Args:
        board: Says base and source.
        folder: Where a relative source begins.

    Raises:
        RecipeError: There is no such backbone.
    """
    engine, overrides = board.engine, []
    if engine.source is not None:
        overrides.append(f"base.source={json.dumps(str(folder / engine.source))}")
    return load_recipe(training_recipe(engine.base), overrides)


def find_facts(located: LocatedBoard, *, looking: bool = False) -> FoundFacts:
    """Look at everything that a board names; what is missing or does not fit becomes a mistake.

    Args:
        located: The board.
        looking: Whether nothing is made of it, so that presets that must not be used any more will
            do; a warning tells of them.
    """
    found = FoundFacts()
    if located.board is None:
        return found
    _find_backbone(located, found)
    _find_cast(located, found, looking)
    _find_pictures(located, found)
    return found


def _find_backbone(located: LocatedBoard, found: FoundFacts) -> None:
    board = located.board
    assert board is not None
    engine = board.engine
    try:
        found.recipe = load_recipe(training_recipe(engine.base))
        found.spec = backbone_spec(found.recipe)
    except FacekitError:
        near = nearest(engine.base, [TINY, *spec_names()])
        text = f"{engine.base}: no such backbone{near}, expected one of {', '.join(spec_names())}"
        found.mistakes.append(Mistake(path=("engine", "base"), text=text))
        return
    digest, settings = "", SampleSettings.of(found.spec, found.recipe.sample)
    try:
        found.recipe = board_recipe(board, located.folder)
        digest = weights_digest(found.recipe)
    except FacekitError as error:
        found.mistakes.append(Mistake(path=("engine", "source"), text=_said(error)))
    spec = found.spec
    if engine.revision is not None and engine.revision != spec.revision:
        text = f"got {engine.revision}, expected {spec.revision or 'none'}, the pinned one of"
        mistake = Mistake(path=("engine", "revision"), text=f"{text} {spec.name}")
        found.mistakes.append(mistake)
    recipe = found.recipe
    begins, ends = _takes_pictures(recipe, spec)
    found.backbone = BackboneFacts(
        name=recipe.base.name,
        digest=digest,
        sizes=spec.sizes,
        frame_multiple=spec.frame_multiple,
        max_frames=spec.max_frames,
        fps=spec.fps,
        num_inference_steps=settings.num_inference_steps,
        guidance_scale=settings.guidance_scale,
        identity_guidance=settings.identity_guidance,
        min_inference_steps=spec.min_inference_steps,
        guides_in_two_passes=spec.family.guides_in_two_passes,
        begins_with_picture=begins,
        ends_with_picture=ends,
        needs_picture=spec.family.needs_picture,
        tells_regions=type(spec.family).text_projection is not Family.text_projection,
        knows=_vocabulary(recipe, spec),
    )


def _takes_pictures(recipe: Recipe, spec: BackboneSpec) -> tuple[bool | None, bool | None]:
    """Whether a clip can begin, and end, with a given picture, by the pipeline's own index."""
    if spec.family.needs_picture:
        return True, None
    folder = _folder(recipe, spec)
    if folder is None:
        return None, None
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None, None
    return bool(index.get("expand_timesteps")), False


def _folder(recipe: Recipe, spec: BackboneSpec) -> Path | None:
    """The folder of the pipeline; the tiny one is made like the embedded one."""
    source = None if recipe.base.source is None else Path(recipe.base.source)
    try:
        return pipeline_folder(spec, source)
    except WeightsMissing:
        return None


def _vocabulary(recipe: Recipe, spec: BackboneSpec) -> Callable[[str], bool]:
    """Whether the backbone knows all words of a text; only a tokenizer of whole words may not."""
    folder = None if recipe.base.name == TINY else _folder(recipe, spec)
    path = None if folder is None else folder / "tokenizer" / "tokenizer.json"
    if path is None or not path.is_file():
        return lambda _: True
    from tokenizers import Tokenizer

    content = json.loads(path.read_text(encoding="utf-8"))
    if content["model"].get("type") != "WordLevel":
        return lambda _: True
    tokenizer = Tokenizer.from_file(str(path))
    unknown = tokenizer.token_to_id(content["model"]["unk_token"])
    return lambda text: unknown not in tokenizer.encode(text.replace(",", " ")).ids


def _find_cast(located: LocatedBoard, found: FoundFacts, looking: bool) -> None:
    assert located.board is not None
    for name, member in located.board.cast.items():
        path: KeyPath = ("cast", name, "preset")
        try:
            own = located.folder / member.preset
            called = str(own) if own.exists() else member.preset
            file, character = _open_member(name, called, found, looking)
            if found.spec is not None:
                check_backbone(character.source, character.file.header, found.spec.name)
        except FacekitError as error:
            mistake = Mistake(path=path, text=_said(error) + _first(error))
            found.mistakes.append(mistake)
            if not isinstance(error, UsageError | AdapterError):
                found.refused[mistake] = error
            continue
        found.cast[name] = CastFacts(
            file=file,
            digest=known_digest(file),
            phrase=character.trigger or character.name,
            has_identity=character.file.identity is not None,
            keeps_to_region=found.spec is None or character.keeps_to_region(found.spec),
        )


def _find_pictures(located: LocatedBoard, found: FoundFacts) -> None:
    for path, _, shot in located.shots():
        asked: list[tuple[KeyPath, str | None]] = [
            ((*path, key, "image"), pin.image)
            for key, pin in (("first_frame", shot.first_frame), ("last_frame", shot.last_frame))
            if pin is not None
        ]
        asked += [((*path, "characters"), person.mask) for person in people_in(shot)]
        for where, name in asked:
            if name is None or name in found.pictures:
                continue
            file = located.folder / name
            try:
                read_image(file)
            except (MediaError, UsageError) as error:
                found.mistakes.append(Mistake(path=where, text=_said(error)))
                continue
            found.pictures[name] = PictureFacts(file=file, digest=known_digest(file))


def _open_member(
    name: str, called: str, found: FoundFacts, looking: bool
) -> tuple[Path, Character]:
    try:
        file = find_character(called)
        return file, load_any(file)
    except (PresetRevoked, ConsentRefused, RegistryError) as error:
        if not looking:
            raise
        file = find_character(called, revoked=True)
        character = load_any(file, revoked=True)
        found.warnings.append(f"{name}: {_said(error)}; what is there can be looked at alone")
        return file, character


def refuse_presets(
    located: LocatedBoard, mistakes: Sequence[Mistake], refused: Mapping[Mistake, FacekitError]
) -> None:
    """Refuse presets that must not be used or are not here, where the board itself is fine.

    Raises:
        PresetRevoked: One was withdrawn.
        RightsRefused: One may not be kept any longer.
        StoryboardError: None of these; they are missing, damaged or signed by nobody trusted.
    """
    if not mistakes or set(mistakes) != set(refused):
        return
    lines = [
        f"{located.path}:{located.where.line(one.path)}: {'.'.join(map(str, one.path))}: {one.text}"
        for one in dict.fromkeys(mistakes)
    ]
    kinds = (PresetRevoked, RightsRefused)
    found = [kind for kind in kinds if any(isinstance(one, kind) for one in refused.values())]
    kind = next(iter(found), StoryboardError)
    listed = "\n".join(lines)
    raise kind(f"{listed}; do so, or name other presets in the board")


def _first(error: FacekitError) -> str:
    """What an error advises, where the line of the board may be right."""
    if isinstance(error, UsageError | AdapterError):
        _, told, command = error.next_step.partition("train one with: ")
        return f" ({command} makes one)" if told else ""
    return f" ({error.next_step})"


def _said(error: FacekitError) -> str:
    """What an error says without its next step, in one line."""
    return str(error).rpartition(";")[0].replace("\n", " ") or str(error)
