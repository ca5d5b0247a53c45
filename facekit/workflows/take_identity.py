"""Who is in takes that are there: `NAME.identity.json` beside each clip."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from facekit.adapters.character import Character
from facekit.backbones.spec import get_spec
from facekit.errors import UsageError
from facekit.evaluation.cast_report import report_cast
from facekit.faces.protocols import FaceVendor
from facekit.generation.regions import make_masks, parse_region
from facekit.types import FloatArray
from facekit.workflows.render_files import IDENTITY_SUFFIX, write_json
from facekit.workflows.render_judge import Judge, JudgePlan, plan_judge
from facekit.workflows.takes import StoredTake, read_take

__all__ = ["identify_takes", "plan_identities", "write_identities"]


def plan_identities(characters: Sequence[Character]) -> JudgePlan:
    """Find the photos and the reporting encoder for characters.

    Raises:
        UsageError: Photos of somebody are not at hand, or the encoder that trained would judge.
    """
    judge = plan_judge({one.name: Path(one.source) for one in characters})
    lacking = [one.name for one in characters if one.name not in judge.photos]
    if lacking:
        raise UsageError(
            f"{', '.join(lacking)}: no photos at hand to compare with, expected those that"
            " training held out; leave --identity away, bring them back, or take a preset that is"
            " packed with templates that you can open"
        )
    return judge


def identify_takes(
    clips: Sequence[Path],
    plan: JudgePlan,
    device: torch.device,
    faces: FaceVendor | None = None,
) -> tuple[Path, ...]:
    """Say of clips who is in them, against the photos of a plan.

    Args:
        clips: Takes, with their records beside them.
        plan: From `plan_identities`.
        device: Of the encoder.
        faces: The reporting encoder, when it is loaded already.

    Raises:
        MediaError: A clip cannot be read.
        OutputError: It cannot be written.
    """
    judge = Judge(plan, device, faces)
    return write_identities([read_take(path) for path in clips], judge.cast, judge.faces)


def write_identities(
    takes: Sequence[StoredTake], cast: Mapping[str, FloatArray], faces: FaceVendor
) -> tuple[Path, ...]:
    """Track every face of takes, match them against a cast, and write it beside the clips.

    Args:
        takes: Their records say in which regions characters should be.
        cast: Name -> embeddings of photos, (N, D), by the same encoder.
        faces: The reporting encoder.

    Raises:
        OutputError: It cannot be written.
    """
    written = []
    for take in takes:
        report = report_cast(take.clip, cast, faces, masks_FHW=_masks(take, cast))
        path = take.path.with_name(f"{take.path.stem}{IDENTITY_SUFFIX}")
        write_json(path, report.to_json())
        written.append(path)
    return tuple(written)


def _masks(take: StoredTake, cast: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Where members of the cast were asked to be; nothing where one alone has the picture."""
    told, backbone = take.record.get("regions"), take.record.get("backbone")
    if not isinstance(told, Mapping) or len(told) < 2 or not isinstance(backbone, str):
        return {}
    regions = {str(name): parse_region(str(text)) for name, text in told.items()}
    masks = make_masks(regions, take.shot, get_spec(backbone), check=False)
    return {name: mask.numpy() for name, mask in masks.items() if name in cast}
