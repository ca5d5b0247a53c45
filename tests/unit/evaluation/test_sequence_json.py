"""The report of a sequence as data: everything on the page, and nothing that JSON cannot say."""

import json

from facekit.evaluation.sequence_json import sequence_json
from tests.tiny.sequences import character, pictures, sequence, shot


def test_all_of_it_is_plain_data() -> None:
    shots = [
        shot("A", drawn=pictures()), shot("B", "review", None, drawn=pictures()), shot("C", "to do")
    ]  # fmt: skip
    content = sequence(shots, [character("mira", shots[:2])])
    rows = [{"name": one.name, "verdict": one.verdict} for one in shots]
    told = json.loads(json.dumps(sequence_json(content, rows, {"made": 2}), allow_nan=False))
    assert told["verdicts"] == {"pass": 1, "review": 1, "to do": 1}
    assert [look["shot"] for look in told["look_first"]] == ["B", "A"]
    first, second, third = told["shots"]
    assert first["frames"]["chunks"] == [5, 5]
    assert first["made"][0]["reasons"] == ["too <little>"]
    assert first["faces"]["mira"]["chunks"] == [0.615, 0.66]
    assert second["faces"]["mira"]["similarity"] == [None] * 9
    assert second["faces"]["mira"]["status"] == ["profile"] * 9
    assert third["made"] == []
    mira = told["characters"]["mira"]
    assert (mira["xmin"], mira["least_alike"], mira["mean"]) == (None, None, 0.6)
    assert told["cost"]["outside_share"] == 0.2
    assert told["render"] == {"made": 2}
