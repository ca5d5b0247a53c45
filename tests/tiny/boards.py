"""Small storyboards, and the facts that a plan needs, without any file of a character."""

from pathlib import Path

from facekit.generation.storyboard import Storyboard
from facekit.generation.storyboard_facts import BackboneFacts, CastFacts, PictureFacts
from facekit.generation.storyboard_loading import LocatedBoard, parse_storyboard, refuse, understand
from facekit.generation.storyboard_plan import BoardFacts, plan_shots
from facekit.generation.storyboard_shot import ShotPlan
from facekit.generation.storyboard_yaml import read_yaml

HEAD = """\
schema: facekit.storyboard/1
project: {id: ep01}
cast: {mira: {preset: mira}, tom: {preset: tom, strength: 0.5}}
"""


def located(text: str, head: str = HEAD) -> LocatedBoard:
    """Understand a board whose head is always the same three lines."""
    return understand(Path("board.yaml"), read_yaml(head + text))


def read_storyboard(path: Path) -> Storyboard:
    """A board of a file, without mistakes in itself."""
    located = parse_storyboard(path)
    refuse(located, located.mistakes)
    assert located.board is not None
    return located.board


def shots(*entries: str, more: str = "", head: str = HEAD) -> LocatedBoard:
    """A board of one sequence with these shots, each in flow style, from line 7 on."""
    listed = "".join(f"      - {{{entry}}}\n" for entry in entries)
    text = f"{more or 'world: {}'}\nsequences:\n  - id: SEQ010\n    shots:\n{listed}"
    return located(text, head)


def backbone(**changes: object) -> BackboneFacts:
    """The toon backbone, as far as a plan needs it."""
    facts: dict[str, object] = {
        "name": "toon",
        "digest": "d" * 64,
        "sizes": {"1:1": (96, 96), "16:9": (96, 176), "9:16": (176, 96)},
        "frame_multiple": 4,
        "max_frames": 17,
        "fps": 8.0,
        "num_inference_steps": 20,
        "guidance_scale": 3.0,
        "begins_with_picture": True,
        "ends_with_picture": True,
    }
    return BackboneFacts(**{**facts, **changes})  # type: ignore[arg-type]


def cast_facts(*, has_identity: bool = True, keeps_to_region: bool = True) -> dict[str, CastFacts]:
    return {
        name: CastFacts(
            file=Path(f"{name}.safetensors"),
            digest=letter * 64,
            phrase=f"a person called {name}",
            has_identity=has_identity,
            keeps_to_region=keeps_to_region,
        )
        for name, letter in (("mira", "a"), ("tom", "b"))
    }


def plans(board: LocatedBoard, **changes: object) -> dict[str, ShotPlan]:
    """The planned shots of a board by their names; every picture it names is there."""
    assert board.mistakes == ()
    pictures = {
        name: PictureFacts(file=Path(name), digest=letter * 64)
        for name, letter in (("a.png", "e"), ("b.png", "f"))
    }
    facts = BoardFacts(backbone=backbone(**changes), cast=cast_facts(), pictures=pictures)
    return {shot.name: shot for shot in plan_shots(board, facts)}
