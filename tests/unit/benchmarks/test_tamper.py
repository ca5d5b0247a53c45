import pytest

from benchmarks import tamper
from facekit.errors import ConsentRefused, IntegrityError, UsageError


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("error", "expected", "verdict"),
    [
        (IntegrityError("x; y"), IntegrityError, "found"),
        (UsageError("x; y"), IntegrityError, "ended otherwise"),
        (IntegrityError("x; y"), (), "ended otherwise"),
        (ConsentRefused("x; y", rule="dates"), "dates", "found"),
        (ConsentRefused("x; y", rule="dates"), "media", "ended otherwise"),
        (IntegrityError("x; y"), "IntegrityError", "found"),
    ],
)
def test_an_attack_is_found_only_if_the_right_error_says_so(error, expected, verdict):
    row = tamper._row("presets", "an attack", lambda: _raise(error), expected)
    assert row["verdict"] == verdict
    assert tamper.is_harmless(row) is (verdict == "found")
