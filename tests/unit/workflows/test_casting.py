"""Who is in which shot and where, and several characters in shoot."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from facekit.adapters.character import Character, attach_characters, load_character
from facekit.adapters.character_file import CharacterFile
from facekit.errors import AdapterError, NoFaceFound, UsageError
from facekit.generation.hand_over import ChainRule
from facekit.generation.regions import parse_region
from facekit.media.images import write_image
from facekit.media.video import read_clip
from facekit.types import Face, Image, NoProgress
from facekit.workflows import chain_units, shoot_plan
from facekit.workflows import shoot as shooting
from facekit.workflows.casting import ShotCast, cast_prompts, parse_regions, whole_picture
from facekit.workflows.frame_likeness import Likeness
from facekit.workflows.shoot import ShootPlan, plan_shoot, run_shoot
from facekit.workflows.take_fingerprint import take_fingerprint
from tests.tiny.drawn import character

BOTH = "medium shot of @mira and @tom in the park"
SIDES = ("mira=left", "tom=right")


def named(name: str, seed: int = 0) -> Character:
    made = character("toon", seed=seed)
    header = dataclasses.replace(made.file.header, name=name)
    return Character(file=dataclasses.replace(made.file, header=header), source=f"{name}.st")


MIRA, TOM = named("mira"), named("tom", 1)


def cast(prompt: str, *said: str, who: Sequence[Character] = (MIRA, TOM)) -> ShotCast:
    regions = parse_regions(said, [one.name for one in who])
    (found,) = cast_prompts([prompt], who, regions, "toon-a")
    return found


def test_of_several_those_are_there_whom_the_prompt_names() -> None:
    alone = cast("close-up of @tom")
    assert [one.name for one in alone.characters] == ["tom"]
    assert alone.is_plain
    assert cast(BOTH).describe() == "mira auto, tom auto"
    assert cast(BOTH, *SIDES).describe() == "mira left, tom right"
    assert cast("@tom", "tom=left").describe() == "tom left"
    assert cast("nobody", who=[MIRA]).is_plain
    assert cast("@mira", "mira=auto", who=[MIRA]).is_auto


@pytest.mark.parametrize(
    ("prompt", "said", "told"),
    [
        ("a park", (), "names nobody of the 2 characters, expected one or more of @mira, @tom"),
        (BOTH, ("mira=left",), "mira has a region and tom has none"),
        (BOTH, ("mira=left", "tom=auto"), "mira has a region and tom has none"),
        (BOTH, ("left",), "expected NAME=REGION with one of mira, tom"),
        (BOTH, ("ines=left",), "expected NAME=REGION with one of mira, tom"),
        (BOTH, ("mira=left", "@mira=right"), "mira has a region already"),
        (BOTH, ("mira=nowhere", "tom=right"), "region 'nowhere': unknown"),
    ],
)
def test_mistakes_are_told(prompt: str, said: tuple[str, ...], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        cast(prompt, *said)


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match=r"mira\.st and mira\.st: both are called mira"):
        cast("@mira", who=[MIRA, named("mira", 1)])


def test_a_take_is_told_apart_by_who_is_where(trained, tmp_path) -> None:
    """One character all over the picture is told as ever, so takes that are there are kept."""
    mira = load_character(trained.adapter)
    made = plan_shoot([BOTH.replace(" and @tom", "")], character=str(trained.adapter))
    (shot,), settings = made.shots, made.settings

    def told(who: ShotCast | None) -> str:
        return take_fingerprint(shot, "x", settings, "w", cast=who)

    placed = [
        ShotCast(characters=(mira,), regions={"mira": parse_region(name)})
        for name in ("left", "right")
    ]
    auto = ShotCast(characters=(mira,), is_auto=True, detector="toon-a")
    two = ShotCast(characters=(mira, mira))
    assert "words by region" in two.fingerprint()
    assert "words by region" not in placed[0].fingerprint()
    found = [told(one) for one in (whole_picture(mira), None, *placed, auto, two)]
    assert len(set(found)) == len(found)
    assert whole_picture(None) is None


class TwoFaces:
    """A detector that always finds the same faces."""

    def __init__(self, *lefts: float) -> None:
        self._faces = tuple(
            Face(
                box_xyxy_px=np.array([left, 20, left + 24, 48], np.float32),
                landmarks_px=np.zeros((5, 2), np.float32),
                score=1.0,
            )
            for left in lefts
        )

    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        return [self._faces] * len(images)


@pytest.fixture(scope="module")
def tom(trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same character under another name, with tokens of his own."""
    made = CharacterFile.load(trained.adapter)
    assert made.identity is not None
    other = dataclasses.replace(made.header, name="tom", trigger="a man with a beard")
    folder = tmp_path_factory.mktemp("tom")
    values = {site: -value for site, value in made.identity.values.items()}
    identity = dataclasses.replace(made.identity, values=values)
    dataclasses.replace(made, header=other, identity=identity).save(folder / "adapter.safetensors")
    return folder


def plan(trained, tom: Path, out: Path, *prompts: str, **options) -> ShootPlan:
    return plan_shoot(
        prompts or (BOTH,),
        character=[str(trained.adapter), str(tom)],
        out=out,
        recipe=trained.recipe,
        num_frames=1,
        **options,
    )


def shoot(trained, made: ShootPlan, faces: TwoFaces | None = None) -> list[np.ndarray]:
    result = run_shoot(made, NoProgress(), pipe=trained.backbone.pipe, faces=faces)
    assert "next:" not in result.describe()
    return [read_clip(path).frames for path in result.clips]


def test_several_characters_are_shot_in_their_regions(trained, tom, tmp_path) -> None:
    prompts = ("close-up of @mira", BOTH, "close-up of @tom")
    made = plan(trained, tom, tmp_path / "a", *prompts, regions=("mira=left", "tom=right"))
    assert "mira left, tom right" in made.describe()
    assert json.loads(json.dumps(made.to_json()))["characters"] == {
        "mira": str(trained.adapter),
        "tom": str(tom / "adapter.safetensors"),
    }
    first = shoot(trained, made)

    record = json.loads(next((tmp_path / "a").glob("02-*.json")).read_text())
    assert record["cast"][1]["name"] == "tom"
    assert record["regions"] == {"mira": "left", "tom": "right"}
    assert record["character"] is None
    assert "a man with a beard" in record["resolved_prompt"]
    again = plan(trained, tom, tmp_path / "a", *prompts, regions=("mira=left", "tom=right"))
    assert again.done == (True, True, True)
    swapped = plan(trained, tom, tmp_path / "b", BOTH, regions=("mira=right", "tom=left"))
    (other,) = shoot(trained, swapped)
    assert not np.array_equal(first[1], other)


def test_regions_are_looked_for_where_none_are_given(trained, tom, tmp_path) -> None:
    made = plan(trained, tom, tmp_path / "auto")
    assert "mira auto, tom auto" in made.describe()
    (found,) = shoot(trained, made, TwoFaces(4, 60))
    (record,) = (json.loads(path.read_text()) for path in (tmp_path / "auto").glob("*.json"))

    mira, of_tom = (parse_region(record["regions"][name]) for name in ("mira", "tom"))
    assert mira.boxes[0][2] <= of_tom.boxes[0][0]
    whole = plan(trained, tom, tmp_path / "halves", regions=SIDES)
    assert not np.array_equal(found, shoot(trained, whole)[0])
    with pytest.raises(NoFaceFound, match="1 faces found in the first pass, expected 2"):
        shoot(trained, plan(trained, tom, tmp_path / "alone"), TwoFaces(4))
    bare = plan(trained, tom, tmp_path / "bare", strength=0.0)
    shoot(trained, bare)  # nobody is in it, so nobody is looked for


def test_regions_that_cover_one_another_are_refused_by_the_plan(trained, tom, tmp_path) -> None:
    with pytest.raises(UsageError, match="share 100% of the smaller one"):
        plan(trained, tom, tmp_path, regions=("mira=left", "tom=left"))
    with pytest.raises(UsageError, match="no character given"):
        plan_shoot([BOTH], character=[], recipe=trained.recipe)


def test_after_an_error_nobody_is_left_on_the_pipeline(trained, tom, tmp_path) -> None:
    made = plan(trained, tom, tmp_path / "a", regions=SIDES)
    network = trained.backbone.pipe.transformer
    before = list(network.state_dict())

    class Stops(NoProgress):
        def advance(self, n: int = 1, info: str = "") -> None:
            raise AdapterError("stop; go on")

    with pytest.raises(AdapterError, match="stop"):
        run_shoot(made, Stops(), pipe=trained.backbone.pipe)
    assert list(network.state_dict()) == before


def plan_chunks(trained, tom: Path, out: Path, *prompts: str, **options) -> ShootPlan:
    who = [str(trained.adapter), str(tom)]
    return plan_shoot(prompts, character=who, out=out, recipe=trained.recipe, **options)


@pytest.fixture
def five(monkeypatch) -> None:
    """Chunks of five frames, judged by somebody who finds every frame alike."""
    monkeypatch.setattr(shoot_plan, "chunk_frames", lambda spec: 5)
    alike = Likeness(encoder="tiny", min_same_person=0.3, score=lambda x: np.full(len(x), 0.6))
    for name in ("make_likeness", "make_cast_likeness"):
        monkeypatch.setattr(shooting, name, lambda *_: alike)


def test_several_in_a_long_shot_keep_to_their_regions_in_every_chunk(
    trained, tom, tmp_path, five, monkeypatch
) -> None:
    seen = []
    real = chain_units._Drawer._place

    def place(self, unit, places, strengths):
        seen.append((unit.index, {who: region.boxes for who, region in places.items()}))
        return real(self, unit, places, strengths)

    monkeypatch.setattr(chain_units._Drawer, "_place", place)
    moves = ("mira=0,0,0.3,1..0.2,0,0.5,1", "tom=right")
    made = plan_chunks(trained, tom, tmp_path, BOTH, num_frames=9, regions=moves)
    (clip,) = run_shoot(made, NoProgress(), pipe=trained.backbone.pipe).clips
    assert read_clip(clip).num_frames == 9
    first, *_, last = (boxes for _, boxes in seen)
    assert first[0][0][0] == 0.0
    assert last[0][-1][0] == pytest.approx(0.2)  # it has come to its end
    assert first[0][-1] == pytest.approx(dict(seen)[1][0][0])  # and goes on where it was
    assert all(boxes[1] == ((0.5, 0.0, 1.0, 1.0),) for _, boxes in seen)
    record = json.loads(clip.with_suffix(".json").read_text())
    assert record["regions"] == {"mira": moves[0].partition("=")[2], "tom": "right"}
    assert record["chain"]["delivered_frames"] == 9


def test_several_in_a_long_shot_are_looked_for(trained, tom, tmp_path, five) -> None:
    write_image(tmp_path / "park.png", np.zeros((96, 96, 3), np.uint8))
    pipe = trained.backbone.pipe
    made = plan_chunks(
        trained, tom, tmp_path, BOTH, num_frames=5, first_frame=tmp_path / "park.png"
    )
    (clip,) = run_shoot(made, NoProgress(), pipe=pipe, faces=TwoFaces(4, 60)).clips
    regions = json.loads(clip.with_suffix(".json").read_text())["regions"]
    mira, of_tom = (parse_region(regions[name]).boxes for name in ("mira", "tom"))
    assert len(mira) == len(of_tom) == 1  # as they stand in the picture
    assert mira[0][2] <= of_tom[0][0]


def test_long_shots_of_several_with_one_in_each(trained, tom, tmp_path, monkeypatch) -> None:
    """Each shot is drawn with its own character, judged by that one, and recorded as its own."""
    monkeypatch.setattr(shoot_plan, "chunk_frames", lambda spec: 5)
    judged = []

    def likeness(character: Character, device: object) -> Likeness:
        judged.append(character.name)
        return Likeness(encoder="tiny", min_same_person=0.3, score=lambda x: np.full(len(x), 0.6))

    monkeypatch.setattr(shooting, "make_likeness", likeness)
    attached = []

    def attach(pipe: object, characters: Sequence[Character], *given, **options) -> object:
        attached.append([who.name for who in characters])
        return attach_characters(pipe, characters, *given, **options)

    monkeypatch.setattr(chain_units, "attach_characters", attach)
    prompts = ("close-up of @mira", "close-up of @tom")
    asked = {"num_frames": 6, "strength": (0.5, 1.0), "rule": ChainRule(redraws=0)}
    made = plan_chunks(trained, tom, tmp_path, *prompts, **asked)
    assert made.is_long
    shoot(trained, made)

    assert judged == ["mira", "tom"]
    assert attached == [["mira"], ["tom"]]
    records = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("*.json"))]
    assert [record["character"] for record in records] == ["mira", "tom"]
    assert [record["chain"]["delivered_frames"] for record in records] == [6, 6]
    assert plan_chunks(trained, tom, tmp_path, *prompts, **asked).done == (True, True)
