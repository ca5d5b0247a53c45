"""How long every shot of a board is, with its handles, on one backbone."""

from facekit.generation.storyboard import FramePin, Storyboard, full_name
from facekit.generation.storyboard_facts import BackboneFacts
from facekit.generation.storyboard_frames import FramePlan, plan_frames
from facekit.generation.storyboard_inherit import inherited, references
from facekit.media.timecode import exact_rate

__all__ = ["BoardTiming", "pinned_frame"]


class BoardTiming:
    """Every shot by its full name: as it is written, as a whole, and its frames."""

    def __init__(self, board: Storyboard, backbone: BackboneFacts) -> None:
        self._deliver = board.deliver
        self._backbone = backbone
        self.whole = inherited(board)
        """With what it takes from others."""
        self.entries = {
            full_name(group.id, shot.id): (group.id, shot) for *_, group, shot in board.entries()
        }
        """Its sequence, and the shot as it is written; in order of the cut."""
        self.others = {
            name: references(board, group, shot) for name, (group, shot) in self.entries.items()
        }
        """Its keys that refer to another shot, and that shot."""
        found = (others.get("extend_of") for others in self.others.values())
        self._continued = {other for other in found if other is not None}
        self._frames: dict[str, FramePlan] = {}

    def aspects(self, name: str) -> tuple[str, ...]:
        """The aspects that a shot is made in, in order of the delivery."""
        asked = self.whole[name].aspects
        return tuple(x for x in self._deliver.aspects if asked is None or x in asked)

    def is_continued(self, name: str) -> bool:
        """Whether another shot goes on from it."""
        return name in self._continued

    def frames(self, name: str) -> FramePlan:
        """The frames of a shot; all aspects have the same.

        Where a shot goes on from another, neither has a handle there; nor has one at a pin.
        """
        if name not in self._frames:
            self._frames[name] = self._planned(name)
        return self._frames[name]

    def _planned(self, name: str) -> FramePlan:
        deliver, backbone, shot = self._deliver, self._backbone, self.whole[name]
        handles = deliver.handles if shot.handles is None else shot.handles
        goes_on = shot.extend_of is not None
        native = exact_rate(backbone.fps)
        return plan_frames(
            seconds=shot.seconds,
            frames=shot.frames,
            head=0 if goes_on or shot.first_frame is not None else handles,
            tail=0 if name in self._continued or shot.last_frame is not None else handles,
            rate=native if deliver.fps is None else exact_rate(deliver.fps),
            native=native,
            retime=deliver.retime,
            lead=1 if goes_on else 0,
            step=backbone.frame_multiple,
            most=backbone.max_frames,
            ends_pinned=shot.last_frame is not None,
        )


def pinned_frame(pin: FramePin, frames: FramePlan) -> int:
    """Which frame of another shot's cut is meant, from 0."""
    if pin.frame == "first":
        return 0
    return frames.cut - 1 if pin.frame == "last" else pin.frame
