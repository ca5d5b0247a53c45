"""The whole command in a process of its own, as people and scripts run it."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facekit_cli.main import EXIT_CODES

RUN = "from facekit_cli.main import main; main()"


def facekit(
    *arguments: str, root: Path, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(root), str(root / "cli")])
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        cwd=cwd or root,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_recipe_ls(root: Path) -> None:
    done = facekit("recipe", "ls", root=root)
    assert done.returncode == 0
    assert "toon/train " in done.stdout


def test_recipe_copy_never_replaces_without_force(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.toml"
    assert facekit("recipe", "copy", "toon/train", str(target), root=root).returncode == 0
    target.write_text("# mine\n")
    refused = facekit("recipe", "copy", "toon/train", str(target), root=root)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert target.read_text() == "# mine\n"
    assert (
        facekit("recipe", "copy", "toon/train", str(target), "--force", root=root).returncode == 0
    )
    assert target.read_text() == (root / "recipes" / "toon" / "train.toml").read_text()


def test_recipe_check_gives_every_mistake_as_json(root: Path) -> None:
    done = facekit("recipe", "check", "toon/train", "--set", "lora.rnak=3", "--json", root=root)
    assert done.returncode == 2
    said = json.loads(done.stdout)
    assert said["error"]["code"] == "recipe_error"
    assert "did you mean 'rank'" in said["error"]["message"]


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["train"], ["shoot", "x", "--with", "mira", "--aspect", "2:1"], ["check", "-q"]],
)
def test_usage_errors_are_2_and_an_envelope_with_json(root: Path, arguments: list[str]) -> None:
    plain = facekit(*arguments, root=root)
    assert (plain.returncode, plain.stdout) == (2, "")
    assert "Error" in plain.stderr
    as_json = facekit(*arguments, "--json", root=root)
    assert as_json.returncode == 2
    assert json.loads(as_json.stdout)["error"]["code"] == "usage_error"


def test_version(root: Path) -> None:
    import facekit as library

    assert facekit("--version", root=root).stdout == f"facekit {library.__version__}\n"


def test_closed_pipe_ends_quietly(root: Path) -> None:
    path = os.pathsep.join([str(root), str(root / "cli")])
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", RUN, "recipe", "show", "toon/train"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": path},
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert done.returncode == 141, "that of seq 1000000 | head -1"
    assert done.stderr == ""


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
@pytest.mark.parametrize(
    "arguments", [["recipe", "ls"], ["recipe", "ls", "--json"], ["--help"], ["--nope", "--json"]]
)
def test_a_stdout_that_cannot_be_written_is_one_line(root: Path, arguments: list[str]) -> None:
    """It was the only traceback that a user could get."""
    path = os.pathsep.join([str(root), str(root / "cli")])
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", RUN, *arguments],
            env={**os.environ, "PYTHONPATH": path},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: stdout: not written (No space left on device); ")


@pytest.mark.skipif(os.name != "posix", reason="a shell")
def test_a_closed_stdout_is_one_line(root: Path) -> None:
    path = os.pathsep.join([str(root), str(root / "cli")])
    done = subprocess.run(
        f'"{sys.executable}" -c "{RUN}" recipe ls >&-',
        shell=True,
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "error: stdout: closed; send it somewhere\n")


def test_help_tells_commands_and_exit_codes_whole_in_80_columns(root: Path) -> None:
    """What fell off the end of a line was the exit code."""
    path = os.pathsep.join([str(root), str(root / "cli")])
    done = subprocess.run(
        [sys.executable, "-c", RUN, "--help"],
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "..." not in done.stdout.replace("[ARGS]...", "")
    told = " ".join(done.stdout.partition("Exit codes: ")[2].split())
    assert all(f"{code} {said}" in told for code, said in EXIT_CODES.items())


FETCH = ("weights", "fetch", "yunet")
"""A command with a plan and a progress that needs no torch, whose import takes seconds."""
SLOW = """
import signal, sys, time
# A test run in the background hands its children an ignored SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
import facekit.workflows.weights as weights

def wait(plan, progress):
    print("waiting", file=sys.stderr, flush=True)
    time.sleep(60)

weights.run_fetch = wait
from facekit_cli.main import main
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_ctrl_c_is_130(root: Path, arguments: list[str]) -> None:
    path = os.pathsep.join([str(root), str(root / "cli")])
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, *FETCH, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while "waiting" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    if arguments:
        assert json.loads(out)["error"]["code"] == "interrupted"
    else:
        assert "interrupted" in err


BROKEN_OFF = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
import facekit.workflows.weights as weights
from facekit.errors import UsageError

def stop(plan, progress):
    progress.start(10, "looking")
    progress.advance(3)
    if os.environ["ENDS_WITH"] == "error":
        raise UsageError("something is wrong; mend it")
    print("waiting", file=sys.stderr, flush=True)
    time.sleep(60)

weights.run_fetch = stop
from facekit_cli.main import main
main()
"""


def on_terminal(ends_with: str, root: Path) -> tuple[int, str]:
    """Run a command whose stderr is a terminal; Ctrl-C once it waits."""
    import pty  # only where there are pseudo-terminals

    path = os.pathsep.join([str(root), str(root / "cli")])
    ours, theirs = pty.openpty()
    said = b""
    with subprocess.Popen(
        [sys.executable, "-c", BROKEN_OFF, *FETCH],
        env={**os.environ, "PYTHONPATH": path, "TERM": "xterm", "ENDS_WITH": ends_with},
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        asked, deadline = False, time.monotonic() + 60.0
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 1.0)[0]:
                continue
            try:
                said += os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if b"waiting" in said and not asked:
                asked = True
                process.send_signal(signal.SIGINT)
        process.kill()
    os.close(ours)
    return process.returncode, said.decode()


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
@pytest.mark.parametrize(
    ("ends_with", "code", "message"), [("ctrl-c", 130, "interrupted"), ("error", 2, "mend it")]
)
def test_the_bar_ends_before_the_error(root: Path, ends_with: str, code: int, message: str) -> None:
    """The cursor stayed hidden, and the bar was drawn once more below the error."""
    returned, said = on_terminal(ends_with, root)
    hide, show = "\x1b[?25l", "\x1b[?25h"
    assert returned == code, said
    assert said.count(hide) == said.count(show) == 1
    before, _, after = said.partition(show)
    assert "/10" in before
    assert "/10" not in after
    assert message in after


LATE = """
import os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("facekit.workflows"):
            print(os.environ.get("DIFFUSERS_VERBOSITY"), file=sys.stderr)
            sys.exit(9)
        return None

sys.meta_path.insert(0, Watch())
from facekit_cli.main import main
main()
"""


def test_libraries_are_quiet_before_a_command_imports_them(root: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "DIFFUSERS_VERBOSITY"}
    path = os.pathsep.join([str(root), str(root / "cli")])
    done = subprocess.run(
        [sys.executable, "-c", LATE, "doctor"],
        env={**environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (9, "error\n")
