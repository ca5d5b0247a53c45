"""Regions that are looked for in a first pass."""

from collections.abc import Sequence

import numpy as np
import pytest

from facekit.backbones import get_spec
from facekit.errors import NoFaceFound
from facekit.generation.finding import (
    FIRST_PASS_STEPS,
    find_regions,
    left_to_right,
    regions_of_faces,
)
from facekit.generation.sample import SampleSettings
from facekit.types import Clip, Face, Image, Shot

NAMES = ("mira", "tom")


class Boxes:
    """A detector that knows where the faces are, frame by frame."""

    def __init__(self, *frames: Sequence[tuple[float, float, float]]) -> None:
        self._frames = frames

    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        each = self._frames if len(self._frames) == len(images) else self._frames * len(images)
        return [tuple(self._face(*face) for face in faces) for faces in each]

    @staticmethod
    def _face(left: float, top: float, side: float) -> Face:
        box = np.array([left, top, left + side, top + side], np.float32)
        return Face(box_xyxy_px=box, landmarks_px=np.zeros((5, 2), np.float32), score=1.0)


def clip(num_frames: int = 5) -> Clip:
    return Clip(frames=np.zeros((num_frames, 100, 100, 3), np.uint8), fps=8.0)


@pytest.mark.parametrize(
    ("prompt", "order"),
    [
        ("@tom and @mira", ("tom", "mira")),
        ("@tom on the right and @mira on the left", ("mira", "tom")),
        ("@tom on the right and @mira", ("tom", "mira")),
        ("@mira, and @mira again", ("mira", "tom")),
    ],
)
def test_prompts_say_who_stands_where(prompt: str, order: tuple[str, ...]) -> None:
    assert left_to_right(prompt, NAMES) == order


def test_regions_end_between_the_figures() -> None:
    found = regions_of_faces(clip(), NAMES, Boxes([(60, 30, 20), (10, 30, 20)]), "s")

    assert list(found) == ["mira", "tom"]
    mira, tom = (found[name].boxes[0] for name in NAMES)
    assert mira == pytest.approx((0.01, 0.18, 0.39, 1.0))
    assert tom == pytest.approx((0.51, 0.18, 0.89, 1.0))
    near = regions_of_faces(clip(), NAMES, Boxes([(20, 30, 20), (44, 30, 20)]), "s")
    assert near["mira"].boxes[0][2] == near["tom"].boxes[0][0] == pytest.approx(0.42)


def test_regions_follow_faces_and_bridge_gaps() -> None:
    moving = [[(10 + 2 * frame, 30, 20), (60, 30, 20)] for frame in range(5)]
    moving[2] = [(60, 30, 20)]
    found = regions_of_faces(clip(), NAMES, Boxes(*moving), "s")
    lefts = [box[0] for box in found["mira"].boxes]
    assert lefts == pytest.approx([0.01, 0.03, 0.05, 0.07, 0.09])


def test_bystanders_keep_their_own_place() -> None:
    """The smaller face between two is nobody's, and no region reaches it."""
    three = Boxes([(5, 30, 24), (42, 34, 12), (70, 30, 24)])
    found = regions_of_faces(clip(), NAMES, three, "s")
    assert found["mira"].boxes[0][2] <= 0.42
    assert found["tom"].boxes[0][0] >= 0.54


def test_too_few_figures_are_refused() -> None:
    told = "s: 1 faces found in the first pass, expected 2, one for each of mira, tom"
    with pytest.raises(NoFaceFound, match=told):
        regions_of_faces(clip(), NAMES, Boxes([(5, 30, 24)]), "s")
    flicker = [[(5, 30, 24), (70, 30, 24)], *([[(5, 30, 24)]] * 4)]
    with pytest.raises(NoFaceFound, match="1 faces found"):
        regions_of_faces(clip(), NAMES, Boxes(*flicker), "s")


def test_the_first_pass_is_short_and_of_the_same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def note(pipe, shots, spec, settings, **options):  # type: ignore[no-untyped-def]
        asked.append((shots, settings))
        return iter([clip(1)])

    monkeypatch.setattr("facekit.generation.finding.sample", note)
    spec = get_spec("toon")
    shot = Shot(
        name="s",
        prompt="@tom and @mira",
        seed=3,
        num_frames=1,
        height=96,
        width=96,
        kind="medium shot",
    )
    settings = SampleSettings(
        num_inference_steps=24, guidance_scale=3.0, fps=8.0, identity_guidance=2.0
    )

    found = find_regions(
        None, shot, "two", NAMES, spec, settings, Boxes([(5, 30, 24), (70, 30, 24)])
    )

    assert list(found) == ["tom", "mira"]
    ((first,), short) = asked[0]
    assert (first.seed, first.prompt) == (3, "two")
    assert (short.num_inference_steps, short.identity_guidance) == (FIRST_PASS_STEPS, None)
