"""What will be shot, decided before anything is loaded that takes time."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from facekit.adapters.character import Character, load_character, no_identity
from facekit.adapters.made_for import check_backbone
from facekit.backbones.spec import BackboneSpec
from facekit.digests import json_digest
from facekit.errors import OutputExists, UsageError
from facekit.generation.regions import make_masks
from facekit.generation.sample import SampleSettings
from facekit.generation.shots import check_shots, name_characters, shot_from_prompt
from facekit.recipe import Recipe
from facekit.types import Shot
from facekit.weights import known_digest
from facekit.workflows.backbone import (
    backbone_spec,
    load_tokenizer,
    unknown_words,
    weights_digest,
)
from facekit.workflows.casting import ShotCast, cast_prompts, parse_regions
from facekit.workflows.characters import find_character, shooting_recipe
from facekit.workflows.device import AUTO, choose_device, device_text
from facekit.workflows.takes import find_done

__all__ = ["MAX_STRENGTH", "SHOTS_DIR", "ShootPlan", "plan_shoot", "take_fingerprint"]

SHOTS_DIR = Path("shots")
MAX_STRENGTH = 3.0
"""Training knew 1; far above it nothing but noise is drawn."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShootPlan:
    """What will be shot, with what, and where it goes."""

    characters: tuple[Character, ...]
    casts: tuple[ShotCast, ...]
    """Who is in each shot and where, one per shot."""
    recipe: Recipe
    recipe_source: str
    """Where the recipe comes from, in words."""
    spec: BackboneSpec
    shots: tuple[Shot, ...]
    """With `@name` as it was given."""
    prompts: tuple[str, ...]
    """What the backbone reads, one per shot."""
    fingerprints: tuple[str, ...]
    """sha256 of everything that decides a take, one per shot."""
    done: tuple[bool, ...]
    """Which takes are there already, one per shot."""
    settings: SampleSettings
    strength: float
    device: torch.device
    out_dir: Path
    warnings: tuple[str, ...] = ()
    """What is allowed and better known before the work starts."""

    def describe(self) -> str:
        """Write the character, the backbone, the settings and every take."""
        source, settings = self.recipe.base.source, self.settings
        guided = f"guidance {settings.guidance_scale:g}"
        if settings.identity_guidance is not None:
            guided += f", identity guidance {settings.identity_guidance:g}"
        who = ", ".join(f"{one.name} ({one.source})" for one in self.characters)
        lines = [
            f"{'character' if len(self.characters) == 1 else 'characters'}: {who}",
            f"backbone: {self.recipe.base.name}" + (f" from {source}" if source else ""),
            f"recipe: {self.recipe_source}",
            f"sampling: {settings.num_inference_steps} steps, {guided}, strength {self.strength:g}",
            f"device: {device_text(self.device)}",
            f"out: {self.out_dir}",
            f"takes: {len(self.shots)}"
            + (f", {sum(self.done)} of them there already" if any(self.done) else ""),
        ]
        rows = zip(self.shots, self.prompts, self.casts, self.done, strict=True)
        for shot, prompt, cast, done in rows:
            size = f"{shot.width}x{shot.height}, {shot.num_frames} frames, seed {shot.seed}"
            where = "" if cast.is_plain else f"; {cast.describe()}"
            already = ", there already" if done else ""
            lines.append(f"  {shot.name}: {prompt} ({size}{where}){already}")
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """Return the same as plain data."""
        rows = zip(self.shots, self.prompts, self.casts, self.done, strict=True)
        alone = self.characters[0] if len(self.characters) == 1 else None
        return {
            "character": alone.name if alone else None,
            "character_file": alone.source if alone else None,
            "characters": {one.name: one.source for one in self.characters},
            "backbone": self.recipe.base.name,
            "source": self.recipe.base.source,
            "recipe": self.recipe_source,
            "sampling": dataclasses.asdict(self.settings),
            "strength": self.strength,
            "device": str(self.device),
            "out": str(self.out_dir),
            "warnings": list(self.warnings),
            "takes": [
                {
                    **dataclasses.asdict(shot),
                    "resolved_prompt": prompt,
                    "cast": cast.to_json(),
                    "done": done,
                }
                for shot, prompt, cast, done in rows
            ],
        }


def plan_shoot(
    prompts: Sequence[str],
    *,
    character: str | Sequence[str],
    regions: Sequence[str] = (),
    num_frames: int | None = None,
    aspect: str | None = None,
    seed: int | None = None,
    takes: int = 1,
    strength: float = 1.0,
    out: Path | None = None,
    force: bool = False,
    recipe: Recipe | None = None,
    overrides: Sequence[str] = (),
    device: str = AUTO,
) -> ShootPlan:
    """Decide every take before anything is loaded that takes time.

    Takes that are there already, made in this very way, are kept and not made again.

    Args:
        prompts: One shot each; `@name` stands for a character. Of several characters those are in
            a shot whom its prompt names.
        character: A character's name, its folder or its file; or several of these.
        regions: Where characters are, each `NAME=REGION` as for `parse_region` or `auto`. Several
            characters in one shot are looked for in a first pass where none are given.
        num_frames: Frames per take; the recipe's when None.
        aspect: "1:1", "16:9" or "9:16"; the recipe's when None.
        seed: Of the first take of every prompt; 0 when None.
        takes: Takes per prompt, each with the next seed.
        strength: Of identity and LoRA: 1 is as trained, 0 the bare backbone, `MAX_STRENGTH` the
            most.
        out: A folder; `shots/<character>` when None, with `-` between several.
        force: Whether takes of the same name may be replaced.
        recipe: The backbone and how to sample; when None the recipe that trained the character,
            or else the shipped one of its backbone.
        overrides: Of that recipe, like "sample.num_inference_steps=12".
        device: Where the backbone runs, as for `choose_device`.

    Raises:
        UsageError: No such character, aspect or device, an unknown `@name`, or sizes or a strength
            that the backbone cannot draw; regions that do not fit the characters.
        MediaError: A drawn region cannot be read.
        RecipeError: The recipe is damaged, or an override does not fit.
        WeightsError: The recipe names a folder without a backbone, or the backbone's tokenizer is
            missing or damaged.
        OutputExists: A take of that name is there that was made otherwise.
        AdapterError: The character file is damaged, of no effect or made for another backbone; or
            the identity is to be guided and it is a plain LoRA.
    """
    if not 0 <= strength <= MAX_STRENGTH:
        raise UsageError(
            f"strength is {strength:g}, expected 0 to {MAX_STRENGTH:g}; 1 is as trained, 0"
            " leaves the character out"
        )
    given = (character,) if isinstance(character, str) else tuple(character)
    loaded = tuple(load_character(find_character(name)) for name in given)
    if not loaded:
        raise UsageError("no character given, expected one or more; name them with --with")
    placed = parse_regions(regions, [one.name for one in loaded])
    found, source = (
        (recipe, "given by the caller") if recipe else shooting_recipe(loaded[0], overrides)
    )
    spec = backbone_spec(found)
    settings = SampleSettings.of(spec, found.sample)
    for one in loaded:
        check_backbone(one.source, one.file.header, spec.name)
        if settings.identity_guidance is not None and one.file.identity is None:
            raise no_identity(one, "sample.identity_guidance")
    frames = num_frames or found.sample.num_frames
    wanted = aspect or found.sample.aspect
    if wanted not in spec.sizes:
        known = ", ".join(spec.sizes)
        raise UsageError(f"aspect {wanted}: unknown, expected one of {known}; choose one of these")
    height, width = spec.sizes[wanted]
    first = seed or 0
    shots = tuple(
        shot_from_prompt(
            prompt, index=index, seed=first + take, num_frames=frames, height=height, width=width
        )
        for index, prompt in enumerate(prompts)
        for take in range(takes)
    )
    check_shots(shots, spec)
    casts = cast_prompts([shot.prompt for shot in shots], loaded, placed, found.encoder.train)
    for cast in casts:
        if cast.regions:
            make_masks(cast.regions, shots[0], spec)  # refused now and not when the work has begun
    phrases = {one.name: one.trigger or one.name for one in loaded}
    out_dir = out or SHOTS_DIR / "-".join(one.name for one in loaded)
    if out_dir.is_file():
        raise OutputExists(f"{out_dir}: the file exists, expected a folder; choose another --out")
    prompts = tuple(name_characters(shot.prompt, phrases) for shot in shots)
    weights = weights_digest(found)
    fingerprints = tuple(
        take_fingerprint(shot, text, settings, weights, cast=cast, strength=strength)
        for shot, text, cast in zip(shots, prompts, casts, strict=True)
    )
    return ShootPlan(
        characters=loaded,
        casts=casts,
        recipe=found,
        recipe_source=source,
        spec=spec,
        shots=shots,
        prompts=prompts,
        fingerprints=fingerprints,
        done=find_done(shots, fingerprints, out_dir, force=force),
        settings=settings,
        strength=strength,
        device=choose_device(device),
        out_dir=out_dir,
        warnings=tuple(_warnings(shots, prompts, loaded, found, strength)),
    )


def _warnings(
    shots: Sequence[Shot],
    prompts: Sequence[str],
    characters: Sequence[Character],
    recipe: Recipe,
    strength: float,
) -> Iterator[str]:
    if backbone_spec(recipe).family.needs_picture:
        yield (
            f"{recipe.base.name} begins every clip with a picture, and none can be given here, so"
            " an empty grey one begins them; attach the character to the stock pipeline and call"
            " that with your picture, or choose a backbone that draws from text alone"
        )
    tokenizer = load_tokenizer(recipe)
    texts = dict(zip((shot.prompt for shot in shots), prompts, strict=True))
    for asked, prompt in texts.items():
        if unknown := unknown_words(tokenizer, prompt):
            yield (
                f"prompt {asked!r}: {recipe.base.name} does not know"
                f" {', '.join(map(repr, unknown))}, so to it any unknown word means the same;"
                " choose words that it knows"
            )
        if strength > 0 and "@" not in asked:
            yield (
                f"prompt {asked!r}: names no character, so nothing in it says that"
                f" {characters[0].name} is there; say @{characters[0].name} where the person"
                " belongs"
            )


def take_fingerprint(
    shot: Shot,
    prompt: str,
    settings: SampleSettings,
    weights: str,
    *,
    cast: ShotCast | None,
    strength: float = 1.0,
) -> str:
    """Sha256 (hex) of everything that decides a take but the device.

    Args:
        shot: Seed, size and length.
        prompt: What the backbone reads.
        settings: How it is sampled.
        weights: Of the backbone, from `weights_digest`.
        cast: Who is in it and where; None for the bare backbone.
        strength: Of the characters.
    """
    alone = cast.characters[0] if cast is not None and cast.is_plain else None
    content: dict[str, object] = {
        "shot": dataclasses.asdict(shot),
        "prompt": prompt,
        "sampling": dataclasses.asdict(settings),
        "weights": weights,
        "character": known_digest(Path(alone.source)) if alone else None,
        "strength": strength if cast else 0.0,
    }
    if cast is not None and not cast.is_plain:
        content["cast"] = cast.fingerprint()
    return json_digest(content)
