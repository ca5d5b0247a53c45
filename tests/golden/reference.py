"""Makes the pages and lists that must not drift from the code."""

import json
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any, get_args

import typer.main
from pydantic import BaseModel

from facekit import errors
from facekit.curation.manifest import manifest_schema
from facekit.generation.storyboard import Storyboard, storyboard_schema
from facekit.generation.storyboard_csv import CSV_COLUMNS
from facekit.generation.storyboard_prompt import SIZE_WORDS
from facekit.presets.manifest import manifest_schema as preset_schema
from facekit.recipe import Recipe
from facekit.types import SHOT_SIZES
from facekit_cli.main import EXIT_CODES, app

WIDTH = 96


def commands() -> Iterator[tuple[str, Any, Any]]:
    """Every command with its full name and context, in order of declaration."""
    root: Any = typer.main.get_command(app)
    yield from _walk("facekit", root, None)


def _walk(name: str, command: Any, parent: Any) -> Iterator[tuple[str, Any, Any]]:
    kept = {"terminal_width": WIDTH, "max_content_width": WIDTH}
    context = command.context_class(command, info_name=name, parent=parent, **kept)
    yield context.command_path, command, context
    for child_name, child in getattr(command, "commands", {}).items():
        yield from _walk(child_name, child, context)


def cli_reference() -> str:
    """The page ``docs/reference/cli.md``."""
    parts = [
        "# The command line",
        "Made from `--help`; do not edit. `pytest tests/golden --update-goldens` writes it.",
        "Results go to stdout, plans and progress to stderr. `--json` prints one object on stdout:"
        "\n`{schema, ok, data, error: {code, message, next}}`.",
        "`ok` is true where the exit code is 0. What a command finds out and does not like is a"
        "\nresult all the same (`check`: photos that are refused, 3; `eval`: gates that are missed,"
        "\n5; `doctor`: faults, 1): then `ok` is false, `data` says what was found, and `error` is"
        "\nnull. Where a command could not do its work, `data` is null and `error` says why.",
        "`facekit demo` ends with 0 when all of it ran, whatever the gates say; `data.verdict` and"
        "\n`data.gates` hold what came out. `facekit eval` on the same clips ends with 5 where a"
        "\ngate is missed.",
        "\n".join(
            ["| Exit code | Meaning |", "|---|---|"]
            + [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
        ),
    ]
    for path, command, context in commands():
        parts += [f"## {path}", f"```\n{command.get_help(context).rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


def option_list() -> str:
    """Every command with its options, one line each, so that growth is a decision."""
    lines = []
    for path, command, _ in commands():
        names = sorted(max(param.opts, key=len) for param in command.params)
        lines.append(f"{path}: {' '.join(names)}".rstrip(": "))
    return "\n".join(lines) + "\n"


def recipe_reference() -> str:
    """The page ``docs/reference/recipe.md``."""
    parts = [
        "# Recipes",
        "Made from `facekit/recipe/`; do not edit. `pytest tests/golden"
        " --update-goldens` writes it.",
        "`facekit recipe show RECIPE` prints every value of one recipe, `--set section.key=value`"
        '\noverrides one, `extends = "name"` at the top of a recipe takes what it does not say'
        "\nfrom another.",
    ]
    for name, info in Recipe.model_fields.items():
        section = type(info.default)
        fields = getattr(section, "model_fields", None)
        if not fields:
            continue
        rows = ["| Key | Default | Meaning |", "|---|---|---|"]
        for key, field in fields.items():
            meaning = " ".join((field.description or "").split())
            rows.append(f"| `{key}` | `{_plain(field.default)}` | {meaning} |")
        parts += [f"## [{name}]", cleandoc(section.__doc__ or ""), "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def dataset_schema() -> str:
    """The file ``docs/reference/dataset.schema.json``."""
    return json.dumps(manifest_schema(), indent=1) + "\n"


def storyboard_schema_text() -> str:
    """The file ``docs/reference/storyboard.schema.json``."""
    return json.dumps(storyboard_schema(), indent=1) + "\n"


def preset_schema_text() -> str:
    """The file ``docs/reference/preset.schema.json``."""
    return json.dumps(preset_schema(), indent=1) + "\n"


def storyboard_reference() -> str:
    """The page ``docs/reference/storyboard.md``."""
    parts = [
        "# Storyboards",
        "Made from `facekit/generation/storyboard*.py`; do not edit. `pytest tests/golden"
        " --update-goldens` writes it.",
        "A storyboard is one YAML file: `facekit board new FILE` writes a commented example,"
        "\n[howto/storyboard.md](../howto/storyboard.md) says how it is used, and"
        "\n[storyboard.schema.json](storyboard.schema.json) lets an editor complete and check it:"
        "\nput `# yaml-language-server: $schema=storyboard.schema.json` into its first line.",
        "Only `schema`, `project.id` and `sequences` with the `id` and the length of each shot are"
        "\nneeded. A key that is not listed here is refused. It is YAML 1.2: `16:9` and"
        "\n`01:00:00:00` are text without quotes, `no` is a word.",
    ]
    for name, model in _models("board", Storyboard):
        rows = ["| Key | Default | Meaning |", "|---|---|---|"]
        for key, field in model.model_fields.items():
            meaning = " ".join((field.description or _meaning_of(field)).split())
            rows.append(f"| `{field.alias or key}` | {_default_of(field)} | {meaning} |")
        parts += [f"## {name}", cleandoc(model.__doc__ or ""), "\n".join(rows)]
    parts += [
        "## Sizes",
        "\n".join(
            ["| Size | In a prompt | Demands a face |", "|---|---|---|"]
            + [
                f"| {size} | {fine} | {'yes' if kind in SHOT_SIZES[:2] else 'no'} |"
                for size, (fine, kind) in SIZE_WORDS.items()
            ]
        ),
        "## Columns of a shot list",
        "`facekit board import shots.csv --out board.yaml` reads: "
        + ", ".join(f"`{column}`" for column in CSV_COLUMNS)
        + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _models(name: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every section with its place, as `sequences[].shots[].camera`."""
    yield name, model
    for key, field in model.model_fields.items():
        for inside in _inside(field.annotation):
            many = "[]" if "tuple" in str(field.annotation) else ""
            many = ".NAME" if "dict" in str(field.annotation) else many
            below = f"{key}{many}" if name == "board" else f"{name}.{key}{many}"
            yield from _models(below, inside)


def _inside(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not get_args(annotation):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for part in get_args(annotation):
        yield from _inside(part)


def _meaning_of(field: Any) -> str:
    """What the section under a key is for, where the key itself says nothing."""
    return next((cleandoc(model.__doc__ or "") for model in _inside(field.annotation)), "")


def _default_of(field: Any) -> str:
    if field.is_required():
        return "needed"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel) or default in ((), {}, ""):
        return ""
    return f"`{_plain(default)}`"


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_plain(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "absent" if value is None else f'"{value}"' if isinstance(value, str) else str(value)


def exit_codes_of_errors() -> set[int]:
    """Every exit code that an error on purpose can become."""
    return {getattr(errors, name).exit_code for name in errors.__all__}
