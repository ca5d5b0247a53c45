"""What is named first: failures, other faces, what nobody could judge, seams, then the rest."""

import dataclasses

import numpy as np

from facekit.evaluation.metrics import cross_shot
from facekit.evaluation.sequence_look import NUM_LOOKS, first_looks
from tests.tiny.sequences import character, pictures, sequence, shot


def test_each_kind_in_its_place_and_each_shot_once() -> None:
    drawn = pictures()
    falls = shot("S", drawn=drawn)
    (curve,) = falls.curves
    step = dataclasses.replace(curve, similarities_F=np.repeat([0.8, 0.5], [4, 5]))
    shots = [
        shot("A", likeness=0.7, drawn=drawn),
        shot("B", likeness=0.4, drawn=drawn),
        shot("F", "fail", 0.1, drawn=drawn),
        dataclasses.replace(falls, curves=[step]),
        shot("R", "review", None, drawn=drawn),
        shot("W", "waiting", None),
        shot("U", "pass", None, drawn=drawn),
    ]
    faces = [np.eye(2)[0], np.eye(2)[1], None, None, None]
    mira = dataclasses.replace(character("mira", shots[:5]), cross_shot=cross_shot(faces))
    looks = first_looks(sequence(shots, [mira]))
    assert [(look.shot, look.kind) for look in looks] == [
        ("F", "fail"), ("B", "pair"), ("R", "review"), ("U", "unseen"), ("S", "seam"),
        ("A", "weak"),
    ]  # fmt: skip
    assert looks[1].why == "mira is another face than in A: 0.00 between the two"
    assert looks[4].why == "mira falls from 0.80 to 0.50 at the seam, frame 1010"


def test_many_failures_do_not_hide_the_rest() -> None:
    drawn = pictures()
    shots = [shot(f"F{number:02}", "fail", 0.1, drawn=drawn) for number in range(20)]
    shots += [shot("R", "review", None, drawn=drawn), shot("A", drawn=drawn)]
    looks = first_looks(sequence(shots, []))
    assert [look.shot for look in looks] == [*(f"F{number:02}" for number in range(10)), "R", "A"]
    alone = first_looks(sequence(shots[:20], []))
    assert len(alone) == NUM_LOOKS
