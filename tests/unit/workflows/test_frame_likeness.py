"""How like several characters frames are: the worst of them counts."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from facekit.workflows import frame_likeness
from facekit.workflows.frame_likeness import make_cast_likeness

NAN = float("nan")


def character(name, encoder="tiny", gallery=True):
    header = SimpleNamespace(encoder=encoder, encoder_digest="")
    photos = torch.tensor([[1.0, 0.0], [1.0, 0.0]]) if gallery else None
    file = SimpleNamespace(header=header, embeddings_PD=photos)
    return SimpleNamespace(name=name, source=f"{name}.st", file=file)


@dataclasses.dataclass
class Vendor:
    name: str = "tiny"
    digest: str = ""
    min_same_person: float = 0.3

    def to(self, device):
        return self


def track(first, *rows):
    similar = np.array(rows, np.float32)
    return SimpleNamespace(frames=tuple(range(first, first + len(rows))), similarities_FC=similar)


@pytest.fixture
def score(monkeypatch):
    monkeypatch.setattr(frame_likeness, "check_encoder", lambda *_: None)

    def run(tracks, needed, who=("a", "b")):
        monkeypatch.setattr(frame_likeness, "track_cast", lambda *_: tracks)
        people = [character(name) for name in who]
        likeness = make_cast_likeness(people, needed, torch.device("cpu"), Vendor())
        assert likeness.min_same_person == 0.3
        return likeness.score(np.zeros((3, 8, 8, 3), np.uint8)).tolist()

    return run


def test_each_has_the_likest_face_and_the_worst_counts(score):
    one = track(0, (0.9, 0.8), (0.9, 0.1), (0.5, 0.2))
    other = track(0, (0.7, 0.6), (0.2, 0.7), (0.1, 0.4))
    assert score([one, other], [True, True]) == pytest.approx([0.6, 0.7, 0.4])


def test_who_is_needed_and_not_seen_leaves_no_score_and_others_count_where_they_are(score):
    one, other = track(0, (0.9, 0.1), (NAN, NAN), (0.5, 0.2)), track(1, (0.1, 0.7))
    assert score([one, other], [True, False]) == pytest.approx([0.9, NAN, 0.5], nan_ok=True)
    assert score([one, other], [True, True]) == pytest.approx([NAN] * 3, nan_ok=True)
    assert score([], [False, False]) == pytest.approx([NAN] * 3, nan_ok=True)


def test_without_any_gallery_nobody_scores():
    plain = [character("a", gallery=False), character("b", encoder="")]
    assert make_cast_likeness(plain, [True, True], torch.device("cpu")) is None
