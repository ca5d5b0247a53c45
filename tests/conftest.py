"""What holds for every test: one thread, no network, homes in a temporary folder."""

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy and torch are imported
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["MPLBACKEND"] = "agg"
# Rewriting and compiling the modules of the tests again takes each worker 4 s, and a process that
# a test starts compiles all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import gc

# Half a million objects come with the imported libraries, and none goes; see below.
gc.disable()

import itertools
import shutil
import socket
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = False

ROOT = Path(__file__).resolve().parents[1]

_IN_MEMORY = Path("/dev/shm")
_ROOM = 4 * 2**30
"""Several times what all tests together write."""
if os.access(_IN_MEMORY, os.W_OK) and shutil.disk_usage(_IN_MEMORY).free > _ROOM:
    # thousands of small files, each told to be safely on the disk before it is renamed
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_IN_MEMORY))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="accept what the goldens would be now"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    gpu_items = [item for item in items if item.get_closest_marker("gpu")]
    if gpu_items and not _has_gpu():
        for item in gpu_items:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def pytest_collection_finish() -> None:
    """Let the collector leave the half a million objects of imported libraries alone.

    Walking through them again and again was a tenth of all work.
    """
    if "facekit.backbones" in sys.modules:
        from facekit.backbones import BackboneSpec
        from tests.tiny.pipelines import remembered

        BackboneSpec.tiny = remembered(BackboneSpec.tiny)  # type: ignore[method-assign]
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Keep torch, where a test has imported it, to one thread: a tiny step is 10x faster."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


_NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def _homes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Not by `mktemp`: with thousands of them, it and `tmp_path` look through all for a free number.
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(_NUMBERS))
    home.mkdir(parents=True)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(home))
    for name in ("CACHE", "CONSENT", "KEYS", "LEDGER", "WEIGHTS"):
        # the user's own folders, with the user's faces
        monkeypatch.delenv(f"FACEKIT_{name}", raising=False)
    # Credentials hold random numbers; what is compared byte for byte is all the rest of a file.
    # Tests of credentials take this back.
    monkeypatch.setenv("FACEKIT_CREDENTIALS", "none")
    monkeypatch.setenv("MPLCONFIGDIR", str(home / "matplotlib"))
    return home


class NetworkUsed(AssertionError):
    """A test tried to reach another machine."""


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        if self.family == socket.AF_UNIX:
            real(self, address)  # type: ignore[arg-type]
            return
        raise NetworkUsed(f"a test tried to connect to {address}")

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-goldens"))


@pytest.fixture
def root() -> Path:
    """The root of the checkout."""
    return ROOT
