"""Finds, merges, checks and writes recipes."""

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel, ValidationError

from facekit.digests import json_digest
from facekit.errors import RecipeError
from facekit.recipe.sections import Recipe
from facekit.resources import recipes_dir

__all__ = [
    "DEFAULT_RECIPE",
    "RecipeSummary",
    "Tree",
    "dump_recipe",
    "list_recipes",
    "load_recipe",
    "recipe_digest",
    "recipe_path",
    "training_recipe",
]

Tree: TypeAlias = dict[str, Any]

DEFAULT_RECIPE = "toon/train"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeSummary:
    """A shipped recipe, for a list."""

    name: str
    description: str
    path: Path


def list_recipes() -> tuple[RecipeSummary, ...]:
    """List the shipped recipes in order of name.

    Raises:
        RecipeError: One of them is broken.
    """
    root = recipes_dir()
    return tuple(
        RecipeSummary(
            name=path.relative_to(root).with_suffix("").as_posix(),
            description=load_recipe(path).description,
            path=path,
        )
        for path in sorted(root.rglob("*.toml"))
    )


def training_recipe(base: str | None = None) -> str:
    """Name the shipped recipe that trains on a backbone; the default recipe when None."""
    return DEFAULT_RECIPE if base is None else f"{base}/train"


def recipe_path(source: Path | str) -> Path:
    """Find a recipe by path, or by the name that ``facekit recipe ls`` shows.

    Raises:
        RecipeError: Neither a file nor a shipped recipe; the message lists the shipped ones.
    """
    path = Path(source)
    if path.suffix == ".toml":
        if path.is_file():
            return path
    elif (shipped := recipes_dir() / f"{source}.toml").is_file():
        return shipped
    root = recipes_dir()
    names = [p.relative_to(root).with_suffix("").as_posix() for p in sorted(root.rglob("*.toml"))]
    raise RecipeError(
        f"{source}: no such recipe{_hint(str(source), names)}, expected a .toml file or one of"
        f" {', '.join(names)}; see facekit recipe ls"
    )


def load_recipe(source: Path | str = DEFAULT_RECIPE, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe, apply overrides, and check it as a whole.

    Args:
        source: A ``.toml`` file or the name of a shipped recipe.
        overrides: Like ``lora.rank=32``; the value is TOML, and a bare word is a string.

    Raises:
        RecipeError: Every mistake in one message, each with its key.
    """
    path = recipe_path(source)
    tree = _read(path)
    parent = tree.pop("extends", None)
    if parent is not None:
        tree = _merge(_read_parent(path, parent), tree)
    for override in overrides:
        tree = _merge(tree, _parse_override(override))
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        where = f"{path} with --set {' --set '.join(overrides)}" if overrides else str(path)
        raise RecipeError(_explain(where, error)) from error


def recipe_digest(recipe: Recipe) -> str:
    """The sha256 (hex) of everything that a recipe decides; its description is left out."""
    content = recipe.model_dump(mode="json", exclude={"description"})
    return json_digest(content)


def dump_recipe(recipe: Recipe) -> str:
    """Write a complete recipe as TOML; absent values are left out.

    Loading the text again gives an equal recipe.
    """
    content = recipe.model_dump(mode="json")
    lines = [f"{key} = {_toml(value)}" for key, value in content.items() if not _is_table(value)]
    for name, section in content.items():
        if _is_table(section):
            lines += ["", f"[{name}]"]
            said = ((key, value) for key, value in section.items() if value is not None)
            lines += [f"{key} = {_toml(value)}" for key, value in said]
    return "\n".join(lines) + "\n"


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _toml(value: object) -> str:
    """JSON is TOML for these values, but for the one control character JSON leaves bare."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _read(path: Path) -> Tree:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not TOML ({error}); correct that line") from error


def _read_parent(path: Path, parent: object) -> Tree:
    if not isinstance(parent, str):
        raise RecipeError(
            f"{path}: extends is {parent!r}, expected the name of one recipe; write it like"
            f' extends = "{DEFAULT_RECIPE}"'
        )
    sibling = path.parent / parent
    found = sibling if parent.endswith(".toml") and sibling.is_file() else recipe_path(parent)
    tree = _read(found)
    if "extends" in tree:
        raise RecipeError(
            f"{path}: extends {parent}, which extends {tree['extends']}, expected one level;"
            f" extend {tree['extends']} instead and repeat what differs"
        )
    tree.pop("description", None)
    return tree


def _merge(below: Tree, above: Tree) -> Tree:
    """The tree of ``below`` where ``above`` is silent; lists are replaced, not joined."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = (
            _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return merged


def _parse_override(override: str) -> Tree:
    key, separator, text = override.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not separator or not all(parts):
        raise RecipeError(
            f"--set {override}: expected section.key=value; write it like --set lora.rank=32"
        )
    tree: Tree = {parts[-1]: _parse_value(text.strip())}
    for part in reversed(parts[:-1]):
        tree = {part: tree}
    return tree


def _parse_value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _explain(where: str, error: ValidationError) -> str:
    lines = [_explain_one(item) for item in error.errors(include_url=False)]
    count = f"{len(lines)} mistake" + ("s" if len(lines) > 1 else "")
    listed = "\n".join(f"  {line}" for line in lines)
    return (
        f"{where}: {count}\n{listed};\n"
        f"see facekit recipe show {DEFAULT_RECIPE} for every key and its value"
    )


def _explain_one(item: Mapping[str, Any]) -> str:
    location = [str(part) for part in item["loc"]]
    message = str(item["msg"]).removeprefix("Value error, ")
    where = ".".join(location)
    if item["type"] == "extra_forbidden":
        near = _hint(location[-1], _keys(location[:-1]))
        return f"{where}: unknown key{near or _elsewhere(location[-1])}"
    if item["type"] == "value_error":
        return f"{where}: {message}" if where else message
    wanted = message.removeprefix("Input should be ").partition(", unable to parse")[0]
    return f"{where}: got {item['input']!r}, expected {wanted}"


def _keys(location: Sequence[str]) -> list[str]:
    model: type[BaseModel] = Recipe
    for part in location:
        info = model.model_fields.get(part)
        if info is None:
            return []
        candidates = (info.annotation, *get_args(info.annotation))
        sections = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not sections:
            return []
        model = sections[0]
    return list(model.model_fields)


def _elsewhere(key: str) -> str:
    """Name the sections that have a key of exactly this name."""
    found = [f"{section}.{key}" for section in Recipe.model_fields if key in _keys([section])]
    return f" (did you mean {' or '.join(found)}?)" if found else ""


def _hint(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
