"""Prompts and a character in, takes on disk out."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import facekit
from facekit.adapters.character import Character, attach_characters, load_character
from facekit.backbones.spec import BackboneSpec, get_spec
from facekit.errors import OutputExists, RecipeError, UsageError
from facekit.generation.sample import SampleSettings, sample
from facekit.generation.shots import check_shots, name_characters, shot_from_prompt
from facekit.media.files import ensure_out_dir
from facekit.recipe import Recipe, load_recipe
from facekit.types import Progress, Shot
from facekit.workflows.characters import find_character
from facekit.workflows.takes import ensure_new_takes, write_take

__all__ = ["ShootPlan", "ShootResult", "plan_shoot", "run_shoot", "sample_settings"]

SHOTS_DIR = Path("shots")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShootPlan:
    """What will be shot, with what, and where it goes."""

    character: Character
    spec: BackboneSpec
    source: str | None
    """A folder that replaces the backbone's own weights."""
    shots: tuple[Shot, ...]
    """With `@name` as it was given."""
    prompts: tuple[str, ...]
    """What the backbone reads, one per shot."""
    settings: SampleSettings
    strength: float
    out_dir: Path

    def describe(self) -> str:
        """Write the character, the backbone, the settings and every take."""
        lines = [
            f"character: {self.character.name} ({self.character.source})",
            f"backbone: {self.spec.name}" + (f" from {self.source}" if self.source else ""),
            f"sampling: {self.settings.num_inference_steps} steps, guidance"
            f" {self.settings.guidance_scale:g}, strength {self.strength:g}",
            f"out: {self.out_dir}",
            f"takes: {len(self.shots)}",
        ]
        for shot, prompt in zip(self.shots, self.prompts, strict=True):
            size = f"{shot.width}x{shot.height}, {shot.num_frames} frames, seed {shot.seed}"
            lines.append(f"  {shot.name}: {prompt} ({size})")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """Return the same as plain data."""
        return {
            "character": self.character.name,
            "character_file": self.character.source,
            "backbone": self.spec.name,
            "source": self.source,
            "sampling": dataclasses.asdict(self.settings),
            "strength": self.strength,
            "out": str(self.out_dir),
            "takes": [
                {**dataclasses.asdict(shot), "resolved_prompt": prompt}
                for shot, prompt in zip(self.shots, self.prompts, strict=True)
            ],
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ShootResult:
    """The takes that were written."""

    clips: tuple[Path, ...]
    character: str

    def describe(self) -> str:
        """Write the path of every clip and the next step."""
        folder = self.clips[0].parent
        lines = [str(path) for path in self.clips]
        return "\n".join([*lines, f"next: facekit eval {folder} --with {self.character}"])

    def to_json(self) -> Mapping[str, object]:
        """Return the paths."""
        return {"clips": [str(path) for path in self.clips]}


def sample_settings(spec: BackboneSpec, recipe: Recipe | None = None) -> tuple[SampleSettings, Any]:
    """Return how a backbone is sampled, and its recipe.

    Args:
        spec: The backbone.
        recipe: Wins; else the backbone's shipped training recipe, else what the spec says.
    """
    if recipe is None:
        try:
            recipe = load_recipe(f"{spec.name}/train")
        except RecipeError:
            return SampleSettings.of(spec), None
    return SampleSettings.of(spec, recipe.sample), recipe


def plan_shoot(
    prompts: Sequence[str],
    *,
    character: str,
    num_frames: int | None = None,
    aspect: str | None = None,
    seed: int | None = None,
    takes: int = 1,
    strength: float | None = None,
    out: Path | None = None,
    force: bool = False,
    recipe: Recipe | None = None,
) -> ShootPlan:
    """Decide every take before anything is loaded that takes time.

    Args:
        prompts: One shot each; `@name` stands for the character.
        character: A character's name, its folder or its file.
        num_frames: Frames per take; the recipe's when None.
        aspect: "1:1", "16:9" or "9:16"; the recipe's when None.
        seed: Of the first take of every prompt; 0 when None.
        takes: Takes per prompt, each with the next seed.
        strength: Of the identity; what the character file says when None.
        out: A folder; `shots/<character>` when None.
        force: Whether takes of the same name may be replaced.
        recipe: How to sample; the backbone's own recipe when None.

    Raises:
        UsageError: No such character or aspect, an unknown `@name`, or sizes that the backbone
            cannot draw.
        OutputExists: A take of that name is there already.
        AdapterError: The character file is damaged or of no effect.
    """
    loaded = load_character(find_character(character))
    spec = get_spec(loaded.file.header.backbone)
    settings, found = sample_settings(spec, recipe)
    frames = num_frames or (found.sample.num_frames if found else spec.frame_multiple * 2 + 1)
    wanted = aspect or (found.sample.aspect if found else "1:1")
    if wanted not in spec.sizes:
        raise UsageError(f"aspect {wanted}: unknown, expected one of {', '.join(spec.sizes)}")
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
    phrases = {loaded.name: loaded.trigger or loaded.name}
    out_dir = out or SHOTS_DIR / loaded.name
    if out_dir.is_file():
        raise OutputExists(f"{out_dir}: the file exists, expected a folder; choose another --out")
    ensure_new_takes(shots, out_dir, force=force)
    stored = loaded.file.header.training.get("strength", 1.0)
    return ShootPlan(
        character=loaded,
        spec=spec,
        source=found.base.source if found else None,
        shots=shots,
        prompts=tuple(name_characters(shot.prompt, phrases) for shot in shots),
        settings=settings,
        strength=strength if strength is not None else float(stored),
        out_dir=out_dir,
    )


def run_shoot(plan: ShootPlan, progress: Progress, *, pipe: Any = None) -> ShootResult:
    """Shoot every take of the plan and write each as soon as it is done.

    Args:
        plan: What to shoot.
        progress: Told of every denoising step.
        pipe: The backbone's pipeline, when it is loaded already.

    Raises:
        WeightsMissing: The backbone is not installed.
        AdapterMismatch: The character was made for other weights.
        OutputError: The folder cannot be written, or the disk is full.
    """
    ensure_out_dir(plan.out_dir)
    pipe = pipe if pipe is not None else plan.spec.load(plan.source)
    clips = shoot_takes(
        pipe,
        plan.spec,
        plan.shots,
        plan.prompts,
        plan.settings,
        plan.out_dir,
        progress,
        character=plan.character,
        strength=plan.strength,
    )
    return ShootResult(clips=clips, character=plan.character.name)


def shoot_takes(
    pipe: Any,
    spec: BackboneSpec,
    shots: Sequence[Shot],
    prompts: Sequence[str],
    settings: SampleSettings,
    out_dir: Path,
    progress: Progress,
    *,
    character: Character | None = None,
    strength: float = 1.0,
) -> tuple[Path, ...]:
    """Shoot and write takes, with a character or, without one, of the bare backbone."""
    record: dict[str, object] = {
        "character": character.name if character else None,
        "character_file": character.source if character else None,
        "strength": strength if character else 0.0,
        "backbone": spec.name,
        "sampling": dataclasses.asdict(settings),
        "facekit": facekit.__version__,
    }
    asked = [
        dataclasses.replace(shot, prompt=prompt)
        for shot, prompt in zip(shots, prompts, strict=True)
    ]
    attachment = None
    if character is not None:
        attachment = attach_characters(pipe, character, strength, **guidance_options(settings))
    paths = []
    try:
        clips = sample(pipe, asked, spec, settings, progress=progress)
        for shot, prompt, clip in zip(shots, prompts, clips, strict=True):
            paths.append(write_take(out_dir, shot, clip, {**record, "resolved_prompt": prompt}))
    finally:
        if attachment is not None:
            attachment.detach()
    return tuple(paths)


def guidance_options(settings: SampleSettings) -> dict[str, Any]:
    """Return the options of `attach_characters` that the sampling settings ask for."""
    if settings.identity_guidance is None or settings.guidance_scale <= 1.0:
        return {}
    return {
        "guidance": "three_way",
        "identity_guidance": settings.identity_guidance,
        "guidance_scale": settings.guidance_scale,
    }
