from multiprocessing import get_context

import pytest

from facekit.errors import OutputError
from facekit.media.locks import held, is_held

BUSY = OutputError("busy; wait")


def _hold(path, pipe):
    with held(path, BUSY):
        pipe.send("held")
        pipe.recv()


def test_one_holds_it_at_a_time_and_a_kill_lets_go(tmp_path):
    path = tmp_path / "locks" / "a"
    assert not is_held(path)
    context = get_context("fork")
    mine, other = context.Pipe()
    process = context.Process(target=_hold, args=(path, other))
    process.start()
    assert mine.recv() == "held"
    assert is_held(path)
    with pytest.raises(OutputError, match="busy"), held(path, BUSY, wait_s=0.05):
        pass
    process.kill()
    process.join()
    with held(path, BUSY), pytest.raises(OutputError, match="busy"), held(path, BUSY):
        pass
    assert not is_held(path)


def test_what_cannot_be_locked_is_told(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError, match="cannot be locked"), held(tmp_path / "a", BUSY):
        pass
