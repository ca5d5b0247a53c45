import pytest

from facekit.errors import SignatureRefused
from facekit.provenance.facts import Facts, new_render_id
from tests.tiny.provenance import FACTS


def test_facts_come_back_and_unknown_keys_are_passed_over():
    told = FACTS.to_json()
    told["later"] = 1
    told["shown"][0]["later"] = 2

    assert Facts.from_json(told) == FACTS


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "facekit.origin/2"},
        {"render_id": "me"},
        {"render_id": "g" * 32},
        {"made": "found"},
        {"version": 3},
        {"shown": [{"name": ["a"]}]},
        {"shown": [{}]},
        {"backbone": "x" * 1000},
    ],
)
def test_what_are_no_facts_is_refused(change):
    with pytest.raises(SignatureRefused, match="expected what facekit says of a file"):
        Facts.from_json({**FACTS.to_json(), **change}, "a.mp4")


def test_render_ids_are_random():
    assert len({new_render_id() for _ in range(100)}) == 100
    assert len(new_render_id()) == 32
    assert len(bytes.fromhex(new_render_id())) == 16
