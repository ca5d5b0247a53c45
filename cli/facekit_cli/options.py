"""Options that several commands share, so that one word means one thing.

`--out` is the folder of the result itself; of `train`, which names the folder after the character,
it is the one that holds it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facekit.errors import UsageError

if TYPE_CHECKING:  # help must not wait for it
    from facekit.recipe import Recipe

__all__ = [
    "PHOTOS",
    "Allow",
    "Base",
    "CastPhotos",
    "Device",
    "DryRun",
    "Force",
    "Identity",
    "Json",
    "Out",
    "OutParent",
    "RecipeSource",
    "Seed",
    "Settings",
    "ShownIn",
    "Use",
    "Weights",
    "join_overrides",
    "read_settings",
    "trained_settings",
]

Base = Annotated[
    str | None, typer.Option("--base", metavar="NAME", help="The backbone; toon when absent.")
]
RecipeSource = Annotated[
    str | None,
    typer.Option(
        "--recipe", metavar="RECIPE", help="A recipe's name or file; BASE/train when absent."
    ),
]

PHOTOS = "Photos and clips: files, folders, patterns such as 'a/*.jpg', or a zip of them."

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Identity = Annotated[
    bool,
    typer.Option(
        "--identity", help="Write who is in each clip beside it: NAME.identity.json, by frame."
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="auto, cpu, cuda, cuda:N or mps; auto takes CUDA where there is one, else the CPU.",
    ),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="PATH", help="Folder of the result.")]
CastPhotos = Annotated[
    list[str] | None,
    typer.Option(
        "--photos",
        metavar="NAME=FOLDER",
        help="Where the photos of one of the cast are now, if they have moved; repeatable.",
    ),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="REASON",
        help="Overrule one reason by its code, such as blurred, on the record; repeatable.",
    ),
]
OutParent = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="PATH",
        help="Folder that gets the character's folder, PATH/NAME; characters when absent.",
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Decides everything random.")]
Weights = Annotated[
    list[Path] | None,
    typer.Option(
        "--weights",
        metavar="PATH",
        help="File or folder with weights, looked at before FACEKIT_WEIGHTS; repeatable.",
    ),
]
Use = Annotated[
    str,
    typer.Option(
        "--use",
        metavar="USE",
        help="What for, such as narrative-fiction; the show's, or the first that is agreed to.",
    ),
]
ShownIn = Annotated[
    list[str] | None,
    typer.Option(
        "--territory",
        metavar="PLACE",
        help="Where it is shown: world, or countries such as DE; the show's, or the world.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one recipe value; repeatable."),
]


def join_overrides(flags: Mapping[str, tuple[str, object]], settings: Sequence[str]) -> list[str]:
    """Write flags that stand for a recipe's key as overrides, before those of ``--set``.

    Args:
        flags: Each flag with its key and what was given; None is nothing.
        settings: What was given with ``--set``.

    Raises:
        UsageError: A flag and ``--set`` give one key.
    """
    given = {flag: said for flag, said in flags.items() if said[1] is not None}
    keys = {_key(setting) for setting in settings}
    for flag, (key, _) in given.items():
        if key in keys:
            raise UsageError(
                f"{flag} and --set {key} both given, expected one of them; leave one away"
            )
    return [f"{key}={value}" for key, value in given.values()] + list(settings)


def read_settings(settings: Sequence[str] | None, *sections: str) -> Sequence[str]:
    """Give what came with ``--set`` back when the command reads all of it.

    Args:
        settings: Like "train.steps=3"; a section that no recipe has is left to the recipe.
        sections: Those of a recipe that the command reads.

    Raises:
        UsageError: A section that the command does not read, so that it would do nothing.
    """
    from facekit.recipe import Recipe

    for setting in settings or ():
        section = _key(setting).partition(".")[0]
        if section in Recipe.model_fields and section not in sections:
            raise UsageError(
                f"--set {setting}: this command does not read [{section}] of a recipe, expected a"
                f" key of {', '.join(f'[{name}]' for name in sections)}; leave it away"
            )
    return settings or ()


def trained_settings(settings: Sequence[str] | None, recipe: "Recipe") -> "Recipe":
    """Give a recipe back when everything set for its training has an effect at its level.

    Raises:
        UsageError: A key of what this level does not train.
    """
    level = recipe.identity.level
    idle = {"L0": ("lora", "loss", "dropout", "train"), "L1": ("lora",)}.get(level, ())
    for setting in settings or ():
        key = _key(setting)
        says_none = key == "train.steps" and recipe.train.steps == 0
        if key.partition(".")[0] in idle and key not in _READ_UNTRAINED and not says_none:
            raise UsageError(
                f"--set {setting}: level {level} does not train that, so it would do nothing,"
                " expected another level; leave it away, or choose --level L2"
            )
    return recipe


_READ_UNTRAINED = frozenset({"train.seed", "train.precision"})
"""Keys of `[train]` that enrolment has a use for."""


def _key(setting: str) -> str:
    return setting.partition("=")[0].strip()
