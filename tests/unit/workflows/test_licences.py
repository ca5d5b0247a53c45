import pytest

from facekit.errors import RightsRefused, UsageError
from facekit.workflows.licences import (
    allows_commercial,
    allows_redistribution,
    licence_finding,
    refuse_licences,
    said_or_asked,
)


def test_a_licence_says_by_its_name_whether_it_allows_commercial_use():
    assert allows_commercial("Apache-2.0") is True
    assert allows_commercial("CC-BY-NC-SA-4.0") is False
    assert allows_commercial("LicenseRef-Studio") is None
    for name in ("cc-by-nc-4.0", "CC-BY-NC-SA-2.0-DE", "polyform-noncommercial-1.0.0"):
        assert allows_commercial(name) is False
    for name in ("apache-2.0", "CC-BY-3.0-AT", "cc0-1.0"):
        assert allows_commercial(name) is True
    assert allows_commercial("CC-BY-ND-4.0") is None


def test_all_that_forbid_are_named_at_once():
    findings = [
        licence_finding(name, "X", allowed=allowed, commercial=True, instead="take another")
        for name, allowed in (("base", False), ("encoder", True), ("adapter", False))
    ]
    with pytest.raises(RightsRefused, match=r"mira: base \(X: .*, adapter \(X: .*; take another"):
        refuse_licences("mira", findings)
    refuse_licences("mira", findings[1:2])
    asked = licence_finding("base", "X", allowed=False, commercial=False, instead="")
    assert asked.status == "ok"


def test_who_may_give_it_on_follows_from_the_name_and_is_not_contradicted() -> None:
    assert allows_redistribution("cc-by-4.0") is True
    assert allows_redistribution("CC-BY-NC-4.0") is True
    assert allows_redistribution("LicenseRef-Ours") is None
    assert said_or_asked("MIT", True, None, "--x") is True
    assert said_or_asked("LicenseRef-Ours", None, True, "--x") is True
    assert said_or_asked("LicenseRef-Ours", None, None, "--x") is False
    with pytest.raises(UsageError, match="the licence says otherwise"):
        said_or_asked("MIT", True, False, "--no-redistribute")
