"""One render at a time, and no lock outlives who held it."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from facekit.errors import RenderBusy
from facekit.workflows import render_lock
from facekit.workflows.render_lock import (
    LOCK_FILE,
    holder_of,
    holders_of_shots,
    locked,
    locked_shots,
)


def test_the_second_is_refused_with_who_is_at_work(tmp_path):
    with locked(tmp_path):
        assert f"process {os.getpid()} on " in str(holder_of(tmp_path))
        with (
            pytest.raises(RenderBusy, match=rf"process {os.getpid()} on .* since 20"),
            locked(tmp_path),
        ):
            pass
        assert (tmp_path / LOCK_FILE).is_file()
    assert list(tmp_path.iterdir()) == []
    assert holder_of(tmp_path) is None


def _change(folder, **changes):
    path = folder / LOCK_FILE
    with locked(folder):
        content = {**json.loads(path.read_text()), **changes, "token": "other"}
    path.write_text(json.dumps(content))


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    _change(tmp_path, pid=gone.pid)
    assert holder_of(tmp_path) is None
    with locked(tmp_path):
        assert f"process {os.getpid()}" in str(holder_of(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_another_process_of_the_same_number_does_not_count(tmp_path):
    _change(tmp_path, started=1.0)
    with locked(tmp_path):
        pass


def test_of_another_machine_nobody_can_tell(tmp_path):
    _change(tmp_path, host="elsewhere")
    with pytest.raises(RenderBusy, match="on elsewhere"), locked(tmp_path):
        pass
    assert (tmp_path / LOCK_FILE).is_file()


def test_a_damaged_lock_holds_nobody(tmp_path):
    (tmp_path / LOCK_FILE).write_text("{")
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_nobody_here_may_read_is_told_by_its_silence(tmp_path):
    path = tmp_path / LOCK_FILE
    path.mkdir()  # root may read every file, but no folder as one
    with pytest.raises(RenderBusy), locked(tmp_path):
        pass
    os.utime(path, (0, 0))
    assert holder_of(tmp_path) is None


def test_another_machine_that_has_been_silent_is_gone(tmp_path):
    _change(tmp_path, host="elsewhere")
    assert "on elsewhere" in str(holder_of(tmp_path))
    old = time.time() - 200
    os.utime(tmp_path / LOCK_FILE, (old, old))
    assert holder_of(tmp_path) is None
    with locked(tmp_path):
        assert f"process {os.getpid()}" in str(holder_of(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_who_holds_a_lock_touches_it(tmp_path, monkeypatch):
    monkeypatch.setattr(render_lock, "_BEAT_S", 0.01)
    with locked(tmp_path):
        os.utime(tmp_path / LOCK_FILE, (1.0, 1.0))
        late = time.monotonic() + 10
        while (tmp_path / LOCK_FILE).stat().st_mtime == 1.0:
            assert time.monotonic() < late
            time.sleep(0.01)


def test_parts_share_a_board_and_a_whole_render_keeps_out(tmp_path):
    first, second = tmp_path / "S" / "S_A", tmp_path / "S" / "S_B"
    with locked_shots(tmp_path, [second, first], wait_s=0):
        third = tmp_path / "S" / "S_C"
        with locked_shots(tmp_path, [third], wait_s=0):
            assert holders_of_shots(tmp_path)[0] == first / LOCK_FILE
        with (
            pytest.raises(RenderBusy, match="S_B: another render"),
            locked_shots(tmp_path, [second, third], wait_s=0),
        ):
            pass
        assert not (third / LOCK_FILE).exists()
        with pytest.raises(RenderBusy, match="S_A: another render"), locked(tmp_path):
            pass
    with (
        locked(tmp_path),
        pytest.raises(RenderBusy, match=r"one at a time"),
        locked_shots(tmp_path, [first], wait_s=0),
    ):
        pass
    assert not list(tmp_path.rglob(LOCK_FILE))


def test_a_part_waits_for_a_shot(tmp_path):
    with locked(tmp_path):
        timer = threading.Timer(0.2, (tmp_path / LOCK_FILE).unlink)
        timer.start()
        with locked(tmp_path, wait_s=10):
            assert (tmp_path / LOCK_FILE).is_file()
        timer.join()
