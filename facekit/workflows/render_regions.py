"""Where everybody is in a take of a board, before it is drawn."""

import dataclasses
from collections.abc import Callable, Mapping

from facekit.faces.protocols import FaceDetector
from facekit.generation.finding import find_regions, left_to_right, regions_of_faces
from facekit.generation.regions import Region, box_region, parse_region, region_between
from facekit.generation.sample import SampleSettings
from facekit.generation.storyboard_shot import ShotPlan
from facekit.types import Clip, Image, Progress
from facekit.workflows.backbone import Backbone
from facekit.workflows.render_jobs import TakeJob
from facekit.workflows.render_takes import shot_of

__all__ = ["regions_of", "told_regions"]


def regions_of(
    job: TakeJob,
    start: Image | None,
    settings: SampleSettings,
    backbone: Backbone,
    finder: Callable[[], FaceDetector],
    progress: Progress,
) -> dict[str, Region]:
    """Where everybody is; of a shot that begins with a picture, where they stand in it.

    Who has a region or a mask on the board keeps it where others are looked for.

    Args:
        job: The take.
        start: The picture that it begins with.
        settings: How it is sampled.
        backbone: With nobody attached.
        finder: Gives the face model; called where regions are looked for.
        progress: Told of every step of the first pass.

    Returns:
        Names on the board -> region; whoever has the whole picture is not in it.

    Raises:
        NoFaceFound: Regions are looked for, and fewer figures are there than characters.
        MediaError: A mask cannot be read.
    """
    shot = job.shot
    found: dict[str, Region] = {}
    for person in shot.characters:
        if person.mask is not None:
            found[person.id] = parse_region(str(person.mask))
        elif person.box is not None:
            found[person.id] = box_region([person.box])
    if not shot.looks_for_regions:
        return found
    names = [person.id for person in shot.characters]
    if start is not None:
        order = left_to_right(shot.written_prompt, names)
        clip = Clip(frames=start[None], fps=settings.fps)
        return {**regions_of_faces(clip, order, finder(), job.name), **found}
    asked = dataclasses.replace(shot_of(job, shot.frames.chunks[0]), prompt=shot.written_prompt)
    looked = find_regions(
        backbone.pipe,
        asked,
        shot.prompt,
        names,
        backbone.spec,
        settings,
        finder(),
        progress=progress,
    )
    return {**looked, **found}


def told_regions(regions: Mapping[str, Region], shot: ShotPlan, num_frames: int) -> dict[str, str]:
    """Write where everybody is in so many drawn frames.

    A region that moves does so over the first chunk, and stays where it came to.
    """
    over = (shot.frames.chunks[0], 0, num_frames)
    return {name: region_between(region, *over).text for name, region in regions.items()}
