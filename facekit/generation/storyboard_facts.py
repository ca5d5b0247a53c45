"""What a plan must know of files and of the backbone, as plain data; workflows find it out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["BackboneFacts", "CastFacts", "PictureFacts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneFacts:
    """The backbone of a board."""

    name: str
    digest: str
    """sha256 (hex) of the weights, as far as it is known without loading them."""
    sizes: Mapping[str, tuple[int, int]] = field(hash=False)
    """Aspect to (height, width) in pixels."""
    frame_multiple: int
    """Legal frame counts are one more than a multiple of it."""
    max_frames: int
    fps: float
    num_inference_steps: int
    guidance_scale: float
    identity_guidance: float | None = None
    min_inference_steps: int = 1
    guides_in_two_passes: bool = True
    """Whether each step asks the network with and without the prompt."""
    begins_with_picture: bool | None = None
    """Whether a clip can begin with a given picture, and so go on from another; None where it is
    not known without the weights."""
    ends_with_picture: bool | None = None
    """Whether a clip can end with a given picture."""
    needs_picture: bool = False
    """Whether every clip begins with a given picture."""
    tells_regions: bool = True
    """Whether a region can read other words than the rest of the picture."""
    knows: Callable[[str], bool] = field(default=lambda _: True, hash=False, compare=False)
    """Whether it knows all words of a text."""

    @property
    def legal_frames(self) -> str:
        """The frame counts that it can draw in one go, in words."""
        step, most = self.frame_multiple, self.max_frames
        return f"1 to {most}" if step == 1 else f"{step} * n + 1 up to {most}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CastFacts:
    """One character of the cast, found."""

    file: Path
    digest: str
    """sha256 (hex) of the file."""
    phrase: str
    """What stands for `@name` in a prompt."""
    has_identity: bool
    """Whether it has an identity branch, which keyframes and identity guidance need."""
    keeps_to_region: bool = True
    """Whether its LoRA, if it has one, can be kept to a part of the picture of this backbone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFacts:
    """A picture that a shot is pinned to, or a mask."""

    file: Path
    digest: str
    """sha256 (hex) of the file."""
