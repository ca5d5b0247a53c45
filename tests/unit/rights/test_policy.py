"""Which rule refuses what."""

from datetime import UTC, datetime, timedelta

import pytest

from facekit.errors import ConsentRefused, UsageError
from facekit.rights.policy import Use, check_consent, check_use
from facekit.rights.store import Revocation
from tests.tiny.consents import LEGAL, NOW, REF, STRANGER, consent


def use(**other):
    return Use(**{"action": "render", "use": "test", "project": "org.studio.show", **other})


def rule(made, asked, *, now=NOW, revocations=()):
    with pytest.raises(ConsentRefused) as caught:
        check_consent(made, asked, trusted=[LEGAL.public], revocations=revocations, now=now)
    assert ";" in str(caught.value)
    return caught.value.rule


def allows(made, asked, *, now=NOW, revocations=()):
    return check_consent(made, asked, trusted=[LEGAL.public], revocations=revocations, now=now)


def revoked(made, effect="stop-new", at=NOW):
    return Revocation(digest=made.digest, subject_ref=REF, at=at, effect=effect)


def test_what_is_agreed_to_is_allowed():
    assert allows(consent(), use()).use == "test"
    assert allows(consent(), use(use="")).use == "narrative-fiction"


@pytest.mark.parametrize(
    ("change", "asked", "expected"),
    [
        ({}, {"use": "advertising"}, "use"),
        ({}, {"use": "sexual"}, "denied"),
        ({"uses": {"allow": ["any"]}}, {"use": "political-endorsement"}, "denied"),
        ({}, {"project": "org.other.show"}, "project"),
        ({}, {"project": ""}, "project"),
        ({"territory": ["DE", "FR"]}, {}, "territory"),
        ({"territory": ["DE", "FR"]}, {"territory": ("US",)}, "territory"),
        ({"territory": ["DE"], "territory_exclude": ["DE-BY"]}, {"territory": ("DE-BY",)},
         "territory"),
        ({"territory_exclude": ["US"]}, {"territory": ("world",)}, "territory"),
        ({"territory_exclude": ["US"]}, {"territory": ("US-CA",)}, "territory"),
        ({"territory_exclude": ["US-CA"]}, {"territory": ("US",)}, "territory"),
        ({"territory_exclude": ["US-CA"]}, {"territory_exclude": ("US-NY",)}, "territory"),
        ({"territory": ["US"], "territory_exclude": ["US-CA"]}, {"territory": ("US",)},
         "territory"),
        ({"territory": ["DE"]}, {"territory": ("DE", "world")}, "territory"),
        ({"territory": ["DE-BY"]}, {"territory": ("DE",)}, "territory"),
        ({"territory_exclude": ["US"]}, {"territory_exclude": ("US-CA",)}, "territory"),
        ({"media": ["film"]}, {}, "media"),
        ({"media": ["film"]}, {"media": ("film", "social")}, "media"),
        ({"train": {"adapter": False}}, {"action": "train"}, "train"),
        ({"train": {"zero_shot": False}}, {"action": "enrol"}, "train"),
        ({"retention": {"templates_until": "2026-11-20"}}, {}, "retention"),
        ({"retention": {"photos_until": "2026-11-20"}}, {"action": "train"}, "retention"),
        ({"retention": {"photos_until": "2026-11-20"}}, {"action": "enrol"}, "retention"),
        ({"valid_from": "2026-11-22"}, {}, "dates"),
        ({"valid_until": "2026-11-20"}, {}, "dates"),
    ],
)  # fmt: skip
def test_the_rule_that_refuses_is_named(change, asked, expected):
    assert rule(consent(**change), use(**asked)) == expected


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ({"territory": ["DE", "FR"]}, {"territory": ("DE",)}),
        ({"territory": ["DE"]}, {"territory": ("DE-BY",)}),
        ({"territory_exclude": ["US"]}, {"territory_exclude": ("US",)}),
        ({"territory_exclude": ["US"]}, {"territory": ("DE",)}),
        ({"territory_exclude": ["US-CA"]}, {"territory_exclude": ("US",)}),
        ({"territory_exclude": ["US-CA"]}, {"territory": ("US",), "territory_exclude": ("US-CA",)}),
        ({"territory_exclude": ["US-CA"]}, {"territory": ("US-NY",)}),
        ({"territory": ["DE"]}, {"territory": ("DE", "US"), "territory_exclude": ("US",)}),
        ({"retention": {"photos_until": "2026-11-20"}}, {}),
        ({"retention": {"photos_until": "2026-11-21"}}, {"action": "train"}),
        ({"media": ["film"]}, {"media": ("film",)}),
        ({"uses": {"allow": ["any"]}}, {"use": "advertising"}),
        ({"uses": {"allow": ["test"], "deny": ["deception"]}}, {"project": "org.other"}),
        ({"train": {"adapter": False}}, {"action": "enrol"}),
        ({"territory": ["DE"]}, {"action": "train"}),
    ],
)
def test_what_lies_within_is_allowed(change, asked):
    allows(consent(**change), use(**asked))


def test_a_consent_holds_on_its_first_and_its_last_day():
    made = consent()
    for moment in ("2026-11-20T00:00:00+00:00", "2028-11-20T23:59:59+00:00"):
        allows(made, use(), now=datetime.fromisoformat(moment))
    assert rule(made, use(), now=datetime(2028, 11, 21, tzinfo=UTC)) == "dates"


def test_no_consent_and_one_of_a_stranger():
    assert rule(None, use()) == "exists"
    assert rule(consent(key=STRANGER), use()) == "signature"


def test_notice_lets_shots_go_on_and_nothing_else():
    made = consent()
    taken_back = [revoked(made)]
    allows(made, use(), revocations=taken_back, now=NOW + timedelta(days=29))
    assert rule(made, use(), revocations=taken_back, now=NOW + timedelta(days=30)) == "revoked"
    assert rule(made, use(action="train"), revocations=taken_back) == "revoked"
    assert rule(made, use(action="pack"), revocations=taken_back) == "revoked"
    assert rule(made, use(), revocations=[revoked(made, "withdraw")]) == "revoked"


def test_taking_back_one_takes_back_all_earlier_ones():
    old = consent(now=NOW - timedelta(days=9), project="org.studio.other")
    late = consent(now=NOW + timedelta(days=9))
    taken_back = [revoked(consent(), "withdraw")]
    assert rule(old, use(project="org.studio.other"), revocations=taken_back) == "revoked"
    allows(late, use(), revocations=taken_back)


def test_other_people_are_not_concerned():
    other = Revocation(digest="0" * 64, subject_ref="subj_other", at=NOW, effect="withdraw")
    allows(consent(), use(), revocations=[other])


def test_dates_come_before_all_else():
    made = consent(valid_until="2026-11-20")
    with pytest.raises(ConsentRefused) as caught:
        check_use(made.record, use(use="sexual", project="x"), [revoked(made)], NOW)
    assert caught.value.rule == "dates"


@pytest.mark.parametrize(
    "asked",
    [
        {"use": "Advertising"},
        {"use": "advertising "},
        {"media": ("Film",)},
        {"territory": ("us",)},
        {"territory": ("USA",)},
        {"territory": ("",)},
        {"territory_exclude": ("us",)},
        {"territory": ("US",), "territory_exclude": ("US",)},
        {"territory": ("US-CA", "DE"), "territory_exclude": ("US", "DE")},
        {"territory_exclude": ("world",)},
    ],
)
def test_a_word_in_another_spelling_is_a_mistake_and_no_other_word(asked):
    with pytest.raises(UsageError, match=";"):
        use(**asked)


def test_any_is_no_use_that_passes_every_denial():
    with pytest.raises(UsageError, match="pass every denial"):
        use(use="any")
    assert allows(consent(uses={"allow": ["any"]}), use(use="")).use == "unnamed"
    assert allows(consent(uses={"allow": ["any", "news"]}), use(use="")).use == "news"
