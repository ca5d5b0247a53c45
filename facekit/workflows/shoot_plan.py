"""What will be shot, decided before anything is loaded that takes time."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from facekit.adapters.conditioning import Strength, is_zero
from facekit.errors import OutputExists, UsageError
from facekit.generation.chunks import chunk_frames
from facekit.generation.hand_over import ChainRule
from facekit.generation.sample import SampleSettings
from facekit.generation.shots import check_shots, name_characters, shot_from_prompt
from facekit.recipe import Recipe
from facekit.workflows.backbone import backbone_spec, weights_digest
from facekit.workflows.casting import cast_prompts, check_casts, parse_regions
from facekit.workflows.characters import check_conditioned, load_characters, shooting_recipe
from facekit.workflows.device import AUTO, choose_device
from facekit.workflows.frame_likeness import start_warnings
from facekit.workflows.rights_place import find_rights
from facekit.workflows.shoot_facts import ShootPlan
from facekit.workflows.shoot_warnings import shoot_warnings
from facekit.workflows.shot_asked import asked_frames, check_strength
from facekit.workflows.shot_start import ShotStart, check_continues, plan_start
from facekit.workflows.start_rights import permit_start
from facekit.workflows.take_fingerprint import take_fingerprint
from facekit.workflows.takes import find_done

__all__ = ["SHOTS_DIR", "plan_shoot"]

SHOTS_DIR = Path("shots")


def plan_shoot(
    prompts: Sequence[str],
    *,
    character: str | Sequence[str],
    regions: Sequence[str] = (),
    num_frames: int | None = None,
    seconds: float | None = None,
    extend: Path | None = None,
    first_frame: Path | None = None,
    last_frame: Path | None = None,
    aspect: str | None = None,
    seed: int | None = None,
    takes: int = 1,
    strength: Strength = 1.0,
    rule: ChainRule | None = None,
    use: str = "",
    territory: Sequence[str] = (),
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
            a shot whom its prompt names. None for a clip that is made longer by its own prompt.
        character: A character's name, its folder or its file; or several of these.
        regions: Where characters are, each `NAME=REGION` as for `parse_region` or `auto`. Several
            characters in one shot are looked for in a first pass where none are given; in one that
            begins with a picture or a clip, where they stand in it.
        num_frames: Frames per take; the recipe's when None. More than the backbone draws at once
            is drawn in chunks, any number. With `extend`, how many are added.
        seconds: The same as a time.
        extend: A clip that is made longer.
        first_frame: A picture that every take begins with.
        last_frame: A picture that it ends with.
        aspect: "1:1", "16:9" or "9:16"; the recipe's when None.
        seed: Of the first take of every prompt; 0, or that of the clip, when None.
        takes: Takes per prompt, each with the next seed.
        strength: Of identity and LoRA: 1 is as trained, 0 the bare backbone, `MAX_STRENGTH` the
            most; or keyframes of it, spread evenly over the whole take.
        rule: What one chunk may hand on to the next; the defaults when None.
        use: What the shots are for, such as "narrative-fiction"; what the show says, or else the
            first that the consent of each person allows, when empty.
        territory: Where they are shown: "world" or countries such as "DE"; what the show says, or
            else the world, when empty.
        out: A folder; when None `shots/<character>`, with `-` between several, or that of
            the clip that is made longer, unless it is a take of a render.
        force: Whether takes of the same name may be replaced.
        recipe: The backbone and how to sample; when None the recipe that trained the character,
            or else the shipped one of its backbone.
        overrides: Of that recipe, like "sample.num_inference_steps=12".
        device: Where the backbone runs, as for `choose_device`.

    Raises:
        UsageError: No such character, aspect or device, an unknown `@name`, or sizes or a strength
            that the backbone cannot draw; regions that do not fit the characters.
        ConsentRefused: A person has not agreed to this, or no longer.
        MediaError: A drawn region, or what the shots begin with, cannot be read.
        RecipeError: The recipe is damaged, or an override does not fit.
        WeightsError: The recipe names a folder without a backbone, or the backbone's tokenizer is
            missing or damaged.
        OutputExists: A take of that name is there that was made otherwise.
        AdapterError: The character file is damaged, of no effect or made for another backbone; or
            the identity is to be guided and it is a plain LoRA.
    """
    check_strength(strength)
    loaded = load_characters((character,) if isinstance(character, str) else character)
    place = find_rights()
    asked = place.use("shoot", use=use, territory=tuple(territory))
    drawn = () if is_zero(strength) else loaded
    placed = parse_regions(regions, [one.name for one in loaded])
    found, source = (
        (recipe, "given by the caller") if recipe else shooting_recipe(loaded[0], overrides)
    )
    spec = backbone_spec(found)
    settings = SampleSettings.of(spec, found.sample)
    check_conditioned(loaded, spec, settings, strength)
    wanted = aspect or found.sample.aspect
    if wanted not in spec.sizes:
        known = ", ".join(spec.sizes)
        raise UsageError(f"aspect {wanted}: unknown, expected one of {known}; choose one of these")
    start = plan_start(
        spec,
        settings,
        spec.sizes[wanted],
        extend=extend,
        first_frame=first_frame,
        last_frame=last_frame,
        aspect=aspect,
    )
    given = Path(start.source) if start.is_given else None
    people = ((one.name, one.source, one.file.header) for one in drawn)
    permits, begun = permit_start(given, people, asked, place)
    frames = asked_frames(num_frames, seconds, settings.fps) or found.sample.num_frames
    shots = start.name_shots(
        [
            shot_from_prompt(
                prompt,
                index=index,
                seed=start.seed(seed) + take,
                num_frames=start.num_frames + frames,
                height=start.size[0],
                width=start.size[1],
            )
            for index, prompt in enumerate(start.prompts(prompts))
            for take in range(takes)
        ]
    )
    at_once = chunk_frames(spec)
    is_long = start.is_given or frames > at_once
    if is_long:
        check_continues(spec, start, frames)
    check_shots([dataclasses.replace(s, num_frames=1) for s in shots] if is_long else shots, spec)
    casts = cast_prompts([shot.prompt for shot in shots], loaded, placed, found.encoder.train)
    check_casts(shots, casts, spec)
    phrases = {one.name: one.trigger or one.name for one in loaded}
    out_dir = out or start.folder or SHOTS_DIR / "-".join(one.name for one in loaded)
    if out_dir.is_file():
        raise OutputExists(f"{out_dir}: the file exists, expected a folder; choose another --out")
    texts = tuple(name_characters(shot.prompt, phrases) for shot in shots)
    weights, rule = weights_digest(found), rule or ChainRule()
    extra = {"start": start.digest, "rule": dataclasses.asdict(rule)} if is_long else {}
    fingerprints, of_units = (
        tuple(
            take_fingerprint(
                dataclasses.replace(shot, num_frames=at_once) if is_unit else shot,
                text,
                settings,
                weights,
                cast=cast,
                strength=strength,
                extra=extra,
            )
            for shot, text, cast in zip(shots, texts, casts, strict=True)
        )
        for is_unit in (False, True)
    )
    where = choose_device(device)
    told = shoot_warnings(shots, texts, loaded, found, strength, has_start=start.is_given)
    warnings = [*told, *(one.warning for one in (*permits, *begun) if one.warning)]
    if is_long and not is_zero(strength):
        for one in {who.source: who for cast in casts for who in cast.characters}.values():
            alone = all(len(cast.characters) == 1 for cast in casts)
            warnings += start_warnings(start if alone else ShotStart(), one, where)
    return ShootPlan(
        characters=loaded,
        casts=casts,
        recipe=found,
        recipe_source=source,
        spec=spec,
        shots=shots,
        prompts=texts,
        fingerprints=fingerprints,
        done=find_done(shots, fingerprints, out_dir, force=force),
        settings=settings,
        strength=strength,
        device=where,
        out_dir=out_dir,
        chunk_frames=at_once,
        start=start,
        rule=rule,
        unit_fingerprints=of_units,
        rights=place,
        permits=permits,
        start_permits=begun,
        warnings=tuple(warnings),
    )
