"""Help must come at once: nothing heavy may be imported on the way to it."""

import os
import subprocess
import sys
import time
from pathlib import Path

HEAVY = (
    "PIL",
    "accelerate",
    "av",
    "cv2",
    "diffusers",
    "facexlib",
    "fsspec",
    "huggingface_hub",
    "insightface",
    "matplotlib",
    "numpy",
    "onnx",
    "onnxruntime",
    "opentimelineio",
    "peft",
    "requests",
    "torch",
    "transformers",
)
GUARD = f"""
import sys

class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise AssertionError(f"{{name}} was imported")
        return None

sys.meta_path.insert(0, Guard())
"""
COMMANDS = (
    "check",
    "train",
    "shoot",
    "eval",
    "demo",
    "doctor",
    "weights",
    "weights fetch",
    "recipe",
    "recipe show",
    "lab",
    "lab build-toon",
    "board",
    "board plan",
    "preset",
    "preset pack",
    "keys",
    "preset push",
    "registry",
    "character delete",
    "consent",
    "consent record",
)


def run(code: str, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(root), str(root / "cli")])
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


HELP = """
from facekit_cli.main import main
for command in sys.argv[1:]:
    print(command, file=sys.stderr)
    sys.argv = ["facekit", *command.split(), "--help"]
    try:
        main()
    except SystemExit as ended:
        assert ended.code == 0
"""


def test_help_imports_nothing_heavy(root: Path) -> None:
    """All in one process, where the guard refuses it whoever asks first."""
    done = run(GUARD + HELP, root, "", *COMMANDS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage:") == 1 + len(COMMANDS)


def test_import_of_the_library_is_free(root: Path) -> None:
    done = run(GUARD + "import facekit, facekit.errors, facekit.resources", root)
    assert done.returncode == 0, done.stderr


def test_the_guard_can_fail(root: Path) -> None:
    done = run(GUARD + "import facekit.types", root)
    assert done.returncode == 1
    assert "numpy was imported" in done.stderr


def test_help_takes_less_than_0_3_s_of_work(root: Path) -> None:
    """The processor's time, best of three, so that a busy machine does not decide."""
    best_s = 9.0
    for _ in range(3):
        before = os.times()
        started = time.perf_counter()
        done = run("from facekit_cli.main import main; main()", root, "--help")
        after = os.times()
        assert done.returncode == 0
        worked_s = after.children_user + after.children_system
        worked_s -= before.children_user + before.children_system
        best_s = min(best_s, worked_s, time.perf_counter() - started)
    assert best_s < 0.3
