"""Promises about the tree itself, so that no one has to remember them."""

import ast
import importlib
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import facekit

MOST_LINES = 600
DATA_FOLDERS = ("recipes", "datasets", "docs")


def sources(root: Path) -> list[Path]:
    return sorted([*(root / "facekit").rglob("*.py"), *(root / "cli").rglob("*.py")])


def test_there_are_sources(root: Path) -> None:
    assert len(sources(root)) > 20


@pytest.mark.parametrize("folder", DATA_FOLDERS)
def test_no_python_among_the_data(root: Path, folder: str) -> None:
    """A .py there would make the folder shadow an installed library of that name."""
    assert not list((root / folder).rglob("*.py"))


def test_no_module_directly_in_cli(root: Path) -> None:
    assert not list((root / "cli").glob("*.py"))


def test_no_folder_for_everything_else(root: Path) -> None:
    banned = {"utils", "util", "common", "helpers", "misc", "manager", "engine"}
    assert not [path for path in sources(root) if banned & {path.stem, path.parent.name}]


def test_modules_stay_short(root: Path) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in sources(root)}
    too_long = [f"{path}: {n} lines" for path, n in lengths.items() if n > MOST_LINES]
    assert not too_long


def test_code_is_ascii(root: Path) -> None:
    assert not [path for path in sources(root) if not path.read_bytes().isascii()]


def test_packages_are_packages(root: Path) -> None:
    """A forgotten __init__.py makes a namespace package, which the contracts do not see."""
    folders = {path.parent for path in sources(root)}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


def public_names(tree: ast.Module) -> Iterator[str]:
    """Functions, classes and constants at the top of a module that do not begin with _."""
    for node in tree.body:
        names = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        elif isinstance(node, ast.Assign) and not ast.unparse(node.value).startswith("TypeVar("):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        yield from (name for name in names if not name.startswith("_"))


def unlisted(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    lists = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    return set(public_names(tree)) - set(*lists)


def test_nothing_is_public_that_all_does_not_list(root: Path) -> None:
    assert not [p.relative_to(root).as_posix() for p in sources(root) if unlisted(p)]


def test_everything_listed_is_there(root: Path) -> None:
    for path in sources(root):
        base = root / "cli" if root / "cli" in path.parents else root
        name = ".".join(path.relative_to(base).with_suffix("").parts)
        module = importlib.import_module(name.removesuffix(".__init__"))
        assert not [n for n in getattr(module, "__all__", ()) if not hasattr(module, n)], name


def test_the_listing_test_can_fail(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text('__all__ = ["a"]\na = 1\n_b = 2\nc: int = 3\nT = TypeVar("T")\ndef d(): ...\n')
    assert unlisted(path) == {"c", "d"}
    path.write_text("def e(): ...\n")
    assert unlisted(path) == {"e"}


def test_public_names_are_sorted_real_and_documented(root: Path) -> None:
    assert facekit.__all__ == sorted(facekit.__all__)
    assert all(getattr(facekit, name) is not None for name in facekit.__all__)
    text = (root / "docs" / "index.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert listed == facekit.__all__


def test_unknown_public_name() -> None:
    with pytest.raises(AttributeError, match="'facekit' has no attribute 'nonsense'"):
        facekit.nonsense  # noqa: B018
    assert set(facekit.__all__) <= set(dir(facekit))


def dependencies(root: Path) -> list[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return [re.split(r"[>=<\[]", name)[0] for name in wanted]


def test_every_dependency_is_pinned(root: Path) -> None:
    lines = (root / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower() for line in lines if "==" in line}
    assert not [name for name in dependencies(root) if name.lower() not in pinned]


NOT_IMPORTED = {
    "bcrypt",  # by cryptography alone, for passphrases of OpenSSH keys, and not required by it
    "ftfy",  # by diffusers alone, which cleans prompts with it and does not require it
    "otio-cmx3600-adapter",  # opentimelineio finds its adapters by their entry points
    "otio-fcp-adapter",
    "otio-fcpx-xml-adapter",
}
EXTRAS = {
    "onnx",
    "insightface",
    "gpu",
    "facexlib",
    "exr",
    "fountain",
    "heic",
    "quant",
    "ray",
    "s3",
    "track",
    "dev",
}
"""What they bring is imported late, and face vendors by name, so that nobody needs them."""


def imported(files: list[Path]) -> set[str]:
    """Top-level names of every import, at the top of a module or inside a function."""
    names = set()
    for node in (n for path in files for n in ast.walk(ast.parse(path.read_text()))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


def test_what_is_installed_is_what_is_imported(root: Path) -> None:
    """Libraries of jobs that nobody has written yet were once installed, and one was forgotten."""
    names = imported(sources(root)) - set(sys.stdlib_module_names) - {"facekit", "facekit_cli"}
    owners = importlib.metadata.packages_distributions()
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[>=<\[]", name)[0].lower() for name in project["dependencies"]}
    # What an extra brings may be absent here; its name is that of its module, by its own rules.
    found = {owners.get(name, [name])[0].lower().replace("_", "-") for name in names}
    assert (
        found
        == (wanted | {"botocore", "openexr", "pillow-heif", "ray", "screenplain"}) - NOT_IMPORTED
    )
    assert set(project["optional-dependencies"]) == EXTRAS


def test_what_an_extra_brings_is_never_imported_at_once(root: Path) -> None:
    brought = {"facexlib", "insightface", "onnx", "onnxruntime", "skimage", "torchvision"}
    assert not imported(sources(root)) & brought


def test_both_builds_of_onnxruntime_are_never_asked_for_together(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    for name, needs in project["optional-dependencies"].items():
        builds = {re.split(r"[>=<\[]", need)[0] for need in needs}
        assert not {"onnxruntime", "onnxruntime-gpu"} <= builds, name


def test_the_import_test_can_fail(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("import a.b\n\n\ndef f():\n    from c import d\n")
    assert imported([path]) == {"a", "c"}


def test_torch_has_one_version(root: Path) -> None:
    """The Makefile installs torch before everything else, at the pinned version."""
    (pinned,) = re.findall(r"^torch==(\S+)$", (root / "constraints.txt").read_text(), re.MULTILINE)
    assert f"torch=={pinned} -c constraints.txt" in (root / "Makefile").read_text()


def test_the_command_for_tests_is_the_whole_check(root: Path) -> None:
    """It once ran the tests alone, and so did CI."""
    rule = re.search(r"^test: .*\n\t(.*)$", (root / "Makefile").read_text(), re.MULTILINE)
    assert rule is not None
    assert rule[1].endswith("./tests/check")
    assert "exec make test" in (root / ".ci" / "run").read_text()
    steps = (root / "tests" / "check").read_text()
    for step in ("ruff check", "ruff format --check", "mypy", "lint-imports", "python -m pytest"):
        assert f"step {step}" in steps


def test_readme_names_the_two_commands(root: Path) -> None:
    text = (root / "README.md").read_text()
    assert "```\nmake demo\n```" in text
    assert "```\nmake test\n```" in text


def test_links_between_documents_lead_somewhere(root: Path) -> None:
    pages = [root / "README.md", *(root / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(root)}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert not broken
