"""One render at a time, and no lock outlives who held it."""

import json
import os
import subprocess
import sys

import pytest

from facekit.errors import RenderBusy
from facekit.workflows.render_lock import LOCK_FILE, holder_of, locked


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
