"""What is better known of a board before it is drawn, and stops nothing."""

from collections.abc import Iterator, Sequence

from facekit.generation.storyboard import Storyboard
from facekit.generation.storyboard_people import people_in
from facekit.generation.storyboard_shot import ShotPlan
from facekit.workflows.board_facts import FoundFacts

__all__ = ["board_warnings", "prompt_warnings"]


def board_warnings(board: Storyboard, found: FoundFacts) -> Iterator[str]:
    """Tell what of a board may not become what its writer thinks."""
    used = {person.id for *_, shot in board.entries() for person in people_in(shot)}
    if idle := [name for name in board.cast if name not in used]:
        yield f"in no shot: {', '.join(idle)}"
    backbone, deliver = found.backbone, board.deliver
    if backbone is None:
        return
    if deliver.fps is not None and abs(deliver.fps - backbone.fps) > 1e-6:
        speed = deliver.fps / backbone.fps
        done = (
            "frames are repeated or left out"
            if deliver.retime == "repeat"
            else (f"every drawn frame is delivered once, so motion plays {speed:.3g} times as fast")
        )
        yield f"{backbone.name} draws {backbone.fps:g} fps and the cut has {deliver.fps:g}: {done}"
    if backbone.begins_with_picture is None and any(
        shot.extend_of or shot.first_frame for *_, shot in board.entries()
    ):
        yield (
            f"{backbone.name} is not on this machine, so nobody knows whether it can go on from a"
            " picture"
        )
    if "labels" in board.model_fields_set:
        yield "labels: kept with the plan; this version does not act on them"


def prompt_warnings(shots: Sequence[ShotPlan], found: FoundFacts) -> Iterator[str]:
    """Tell which words of its prompts the backbone does not know."""
    assert found.backbone is not None
    told: set[str] = set()
    for shot in shots:
        words = dict.fromkeys(shot.prompt.replace(",", " ").split())
        unknown = [word for word in words if not found.backbone.knows(word)]
        if unknown and shot.prompt not in told:
            told.add(shot.prompt)
            yield (
                f"{shot.name}: {found.backbone.name} does not know"
                f" {', '.join(map(repr, unknown))}, so to it any unknown word means the same"
            )
