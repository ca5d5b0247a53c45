from pathlib import Path

import pytest

from facekit.errors import OutputError
from facekit.training.metrics import MetricsLog, read_metrics


def test_rows_of_steps_that_will_be_repeated_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path, -1) as log:
        for step in range(4):
            log.write(step, {"loss/total": 0.5})
    with path.open("a") as stream:
        stream.write('{"step": 4, "los')
    with MetricsLog(path, 2) as log:
        log.write(3, {"loss/total": 0.25})
    rows = read_metrics(path)
    assert [row["step"] for row in rows] == [0, 1, 2, 3]
    assert rows[-1]["loss/total"] == 0.25


def test_a_fresh_start_empties_the_log(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0}\n')
    with MetricsLog(path, -1):
        pass
    assert read_metrics(path) == []


def test_a_full_disk_is_a_clear_error() -> None:
    log = MetricsLog.__new__(MetricsLog)
    log._path = Path("/dev/full")
    log._stream = log._path.open("w", encoding="utf-8")
    with pytest.raises(OutputError, match="free some space"):
        log.write(1, {})
    with pytest.raises(OSError, match="space"):
        log._stream.close()
