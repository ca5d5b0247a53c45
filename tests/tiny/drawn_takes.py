"""Drawn clips of one character with the truth about their faces: measuring without any weights."""

import dataclasses

import numpy as np

from facekit.backbones.wan import TOON
from facekit.evaluation.scores import Reference, Take
from facekit.evaluation.tracks import track_clips
from facekit.generation.shots import demo_shots, expected_attributes
from facekit.toon import ToonCharacter, draw_clip, sample_scene
from facekit.types import Clip, Image, Shot
from tests.tiny.drawn_faces import DrawnFaces

ASPECTS = {(96, 96): "1:1", (96, 176): "16:9", (176, 96): "9:16"}


@dataclasses.dataclass
class DrawnSet:
    faces: DrawnFaces
    reference: Reference
    enrolled: tuple[Image, ...]
    held_out: tuple[Image, ...]
    takes: tuple[Take, ...]
    base: tuple[Take, ...]


def draw_shot(character: ToonCharacter, shot: Shot, faces: DrawnFaces) -> Clip:
    """Draw what the prompt of a shot asks for."""
    asked = expected_attributes(shot.prompt)
    scene = sample_scene(
        (character,),
        np.random.default_rng(shot.seed),
        aspect=ASPECTS[shot.height, shot.width],
        shot_size=asked["shot_size"],
        place=asked["place"],
        mood=asked["mood"],
        light=asked["light"],
        action=asked["action"],
        max_yaw_deg=20.0,
    )
    drawings = draw_clip(scene, shot.num_frames)
    for drawing in drawings:
        faces.learn(drawing)
    return Clip(frames=np.stack([drawing.image for drawing in drawings]), fps=8.0)


def draw_photos(character: ToonCharacter, count: int, faces: DrawnFaces) -> tuple[Image, ...]:
    photos = []
    for index in range(count):
        scene = sample_scene(
            (character,),
            np.random.default_rng(500 + index),
            shot_size="close-up",
            light="soft light",
            mood="neutral",
            max_yaw_deg=12.0,
        )
        (drawing,) = draw_clip(scene, 1)
        faces.learn(drawing)
        photos.append(drawing.image)
    return tuple(photos)


def draw_set(*, count: int = 4, num_frames: int = 5, stranger_at: int | None = None) -> DrawnSet:
    """Draw photos, takes and base takes; one take may show somebody else."""
    mira, stranger = ToonCharacter.from_seed(1_000_001), ToonCharacter.from_seed(1_000_007)
    anybody = ToonCharacter.from_seed(1_000_042)
    faces = DrawnFaces()
    photos = draw_photos(mira, 6, faces)
    shots = demo_shots("mira", TOON, num_frames=num_frames, count=count)
    clips = [
        draw_shot(stranger if index == stranger_at else mira, shot, faces)
        for index, shot in enumerate(shots)
    ]
    base = [draw_shot(anybody, shot, faces) for shot in shots]

    def takes(of: list[Clip]) -> tuple[Take, ...]:
        tracks = track_clips(of, faces)
        return tuple(
            Take(shot=shot, clip=clip, track=track)
            for shot, clip, track in zip(shots, of, tracks, strict=True)
        )

    vectors = np.concatenate([track_clips([_photo(p)], faces)[0].embeddings_FD for p in photos])
    return DrawnSet(
        faces=faces,
        reference=Reference(enrolled_ED=vectors[:4], held_out_HD=vectors[4:]),
        enrolled=photos[:4],
        held_out=photos[4:],
        takes=takes(clips),
        base=takes(base),
    )


def _photo(image: Image) -> Clip:
    return Clip(frames=image[None], fps=8.0)
