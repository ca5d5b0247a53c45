"""Takes made by actors of a local Ray cluster, one of which is killed; needs the extra ray."""

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from facekit.errors import OutputError, RenderError, UsageError, WorkerLost
from facekit.types import NoProgress
from facekit.workflows.render import RenderPlan, plan_render, run_render
from facekit.workflows.render_ground import Ground
from facekit.workflows.render_ray import RayCrew, _shared_out, run_on_ray
from tests.conftest import ROOT
from tests.tiny.makers import BOARD, GreyMaker

ray: Any = pytest.importorskip("ray", reason="the extra ray, which dev does not bring: 80 MB")
pytestmark = pytest.mark.filterwarnings("default")  # ray leaves sockets open


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two cores of this machine; it is left before the tests' own fence around the network."""
    home = tempfile.mkdtemp(prefix="fk", dir="/tmp")  # paths of sockets are short
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", home)  # gets the token of the cluster
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "cli")]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            object_store_memory=80 * 2**20,
            _node_ip_address="127.0.0.1",
            _temp_dir=home,
        )
        yield
        ray.shutdown()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def plan(cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RenderPlan:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "board.yaml").write_text(BOARD)
    return plan_render(tmp_path / "board.yaml", device="cpu")


def crew_of(plan: RenderPlan, ground: Ground | None = None, **how: str) -> RayCrew:
    notes = plan.board.path.parent / "notes"
    notes.mkdir(exist_ok=True)
    maker = partial(GreyMaker, plan.judge.digest, notes, **how)
    return RayCrew(maker, 2, ground or Ground.of(plan))


def kill_who_makes(shot: str, notes: Path, killed: list[int]) -> None:
    late = time.monotonic() + 120
    while time.monotonic() < late:
        for note in notes.glob(f"{shot}-*"):
            killed.append(int(note.name.rpartition("-")[2]))
            os.kill(killed[-1], signal.SIGKILL)
            return
        time.sleep(0.05)


def test_an_actor_is_killed_and_every_take_is_made_exactly_once(plan: RenderPlan) -> None:
    notes, killed = plan.board.path.parent / "notes", list[int]()
    crew = crew_of(plan, slow="S_B")
    killer = threading.Thread(target=kill_who_makes, args=("S_B", notes, killed))
    killer.start()
    made = run_render(plan, NoProgress(), crew=crew)
    killer.join()
    assert (made.made, made.words) == (4, {"pass": 4})
    done = sorted(path.name.rpartition("-")[0] for path in notes.glob("*.made"))
    assert done == ["S_A", "S_B", "S_C_16x9", "S_D"]
    began = {int(path.name.rpartition("-")[2]) for path in notes.glob("S_B-*[0-9]")}
    assert len(began) == 2
    assert killed[0] in began
    assert not list(plan.board.out_dir.glob(".render*"))
    again = run_on_ray(plan_render(plan.board.path), NoProgress(), address="auto", workers=2)
    assert (again.made, ray.is_initialized()) == (0, True)


def test_what_cannot_be_made_ends_the_render(plan: RenderPlan) -> None:
    with pytest.raises(WorkerLost, match=r"S_C_16x9:t01: 3 workers ended .* ActorDiedError"):
        run_render(plan, NoProgress(), crew=crew_of(plan, deadly="S_C_16x9"))
    with pytest.raises(OutputError, match="no space left"):
        run_render(plan, NoProgress(), crew=crew_of(plan, full="S_D"))
    elsewhere = Ground(folder=Path("/nowhere"), out_dir=plan.board.out_dir)
    with pytest.raises(RenderError, match=r"/nowhere: not visible there .*; share it"):
        run_render(plan, NoProgress(), crew=crew_of(plan, elsewhere))
    assert not list(plan.board.out_dir.glob(".render*"))


def test_workers_are_as_many_as_the_cluster_has_room_for() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert _shared_out("auto", None, 4, 16) == (cuda, 4, 4)
    assert _shared_out("cpu", None, 4, 16) == (cpu, 1, 16)
    assert _shared_out("auto", 3, 0, 7) == (cpu, 3, 2)
    with pytest.raises(UsageError, match=r"--workers 5 with --ray: the cluster has 4 graphics"):
        _shared_out("auto", 5, 4, 16)
    with pytest.raises(UsageError, match=r"--workers 1 with --ray: the cluster has 0 graphics"):
        _shared_out("cuda", 1, 0, 16)
    with pytest.raises(UsageError, match=r"--device cuda:1 with --ray: Ray gives every actor"):
        _shared_out("cuda:1", None, 4, 16)
