"""The toon backbone on held-out prompts: does it draw what is asked, do clips hold their face?

    python -m benchmarks.toon_backbone

Writes docs/results/toon_backbone.json and docs/results/toon_backbone.png (a sheet of samples).
"""

import argparse
import dataclasses
from pathlib import Path

import cv2
import numpy as np
from diffusers import AutoencoderKLWan

from benchmarks.results import RESULTS_DIR, write_results
from facekit.backbones.wan import TOON
from facekit.evaluation.motion import jitter, landmark_path
from facekit.evaluation.tracks import track_clips
from facekit.faces.protocols import FaceDetector
from facekit.faces.toon import load_toon_faces
from facekit.generation.sample import SampleSettings, sample
from facekit.toon import HELD_OUT_SEED, ToonCharacter, caption, draw, draw_clip, sample_scene
from facekit.toon.probe import ToonProbe, load_probe
from facekit.toon.scene import ACTIONS, ASPECTS, Scene
from facekit.toon.vae import psnr_db
from facekit.types import Clip, Image, Shot
from facekit.workflows.machine import provenance

FIRST_SEED = HELD_OUT_SEED + 20_000
SEEDS_PER_ACTION = 1_000
ASKED = ("place", "shot_size", "mood", "hair_style", "hair_color", "glasses", "light")


def scenes(count: int, *, action: str | None, aspect: str | None = None) -> list[Scene]:
    """Compose scenes with one held-out character each.

    Every action and every index has a character and a scene of its own, the same on every call;
    an action of None gives pictures.
    """
    kind = 0 if action is None else 1 + ACTIONS.index(action)
    made = []
    for index in range(count):
        rng = np.random.default_rng([index, 0xBB, kind])
        character = ToonCharacter.from_seed(FIRST_SEED + kind * SEEDS_PER_ACTION + index)
        chosen = aspect or list(ASPECTS)[index % 3]
        moves = action or "standing still"
        size = None if action is None else ("close-up", "medium shot")[index % 2]
        made.append(sample_scene((character,), rng, aspect=chosen, action=moves, shot_size=size))
    return made


def to_shots(chosen: list[Scene], num_frames: int) -> list[Shot]:
    """Ask for scenes by their captions alone."""
    return [
        Shot(
            name=f"s{index}",
            prompt=caption(scene),
            seed=90_000 + index,
            num_frames=num_frames,
            height=scene.height,
            width=scene.width,
            kind=scene.shot_size,
        )
        for index, scene in enumerate(chosen)
    ]


def expected(scene: Scene) -> dict[str, str]:
    """What a caption of the scene names; hair colour only where there is hair."""
    figure = scene.figures[0]
    values = {
        "place": scene.place,
        "shot_size": scene.shot_size,
        "light": scene.light,
        "mood": figure.mood,
        "hair_style": figure.character.hair_style,
        "glasses": figure.character.glasses,
    }
    return (
        values
        if figure.character.hair_style == "bald"
        else values | {"hair_color": figure.character.hair_color}
    )


def right(reader: ToonProbe, chosen: list[Scene], images: list[Image]) -> dict[str, float]:
    """Return the share of pictures whose attribute is read as asked, for each attribute."""
    readings = reader.read(images)
    shares = {}
    for name in ASKED:
        hits = [
            seen[name] == expected(scene)[name]
            for scene, seen in zip(chosen, readings, strict=True)
            if name in expected(scene)
        ]
        shares[name] = round(float(np.mean(hits)), 4)
    return shares


def face_share(faces: FaceDetector, chosen: list[Scene], images: list[Image]) -> float:
    """Return the share of close-ups and medium shots in which a face is found."""
    found = faces.detect(images)
    near = [
        bool(answer)
        for scene, answer in zip(chosen, found, strict=True)
        if scene.shot_size != "wide shot"
    ]
    return round(float(np.mean(near)), 4)


def clip_figures(chosen: list[Scene], clips: list[Clip], drawn: list[Clip]) -> dict[str, object]:
    """Compare how generated and drawn clips move, and how well they hold their first face."""
    faces = load_toon_faces("toon-b")
    tracks = {"generated": track_clips(clips, faces), "drawn": track_clips(drawn, faces)}
    paths: dict[str, dict[str, list[float]]] = {name: {} for name in tracks}
    holds: dict[str, list[float]] = {name: [] for name in tracks}
    jitters: dict[str, list[float]] = {name: [] for name in tracks}
    for name, made in tracks.items():
        for scene, track in zip(chosen, made, strict=True):
            path = landmark_path(track)
            if path is not None:
                paths[name].setdefault(scene.action, []).append(path)
            shake = jitter(track)
            if shake is not None:
                jitters[name].append(shake)
            vectors = track.embeddings_FD
            if np.isfinite(vectors[[0, -1]]).all():
                holds[name].append(float(vectors[0] @ vectors[-1]))
    ratio = {
        action: round(
            float(np.mean(paths["generated"].get(action, [0.0])))
            / max(1e-9, float(np.mean(values))),
            3,
        )
        for action, values in paths["drawn"].items()
    }
    moving = [value for action, value in ratio.items() if action != "standing still"]
    hold = {name: round(float(np.mean(values)), 4) for name, values in holds.items()}
    return {
        "landmark_path_ratio": ratio,
        "landmark_path_ratio_mean_of_moving": round(float(np.mean(moving)), 3),
        "jitter": {name: round(float(np.mean(values)), 4) for name, values in jitters.items()},
        "first_to_last_similarity": hold,
        "first_to_last_ratio": round(hold["generated"] / hold["drawn"], 4),
    }


def sheet(path: Path, images: list[Image], columns: int = 12) -> None:
    """Write a sheet of square thumbnails."""
    tiles = []
    for image in images[: columns * 6]:
        height, width = image.shape[:2]
        scale = 96 / max(height, width)
        small = cv2.resize(
            image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA
        )
        tile = np.full((96, 96, 3), 255, np.uint8)
        y, x = (96 - small.shape[0]) // 2, (96 - small.shape[1]) // 2
        tile[y : y + small.shape[0], x : x + small.shape[1]] = small
        tiles.append(tile)
    while len(tiles) % columns:
        tiles.append(np.full((96, 96, 3), 255, np.uint8))
    rows = [
        np.concatenate(tiles[start : start + columns], 1) for start in range(0, len(tiles), columns)
    ]
    whole = np.concatenate(rows)
    small = cv2.resize(
        whole, (800, round(whole.shape[0] * 800 / whole.shape[1])), interpolation=cv2.INTER_AREA
    )
    cv2.imwrite(str(path), small[..., ::-1])


def main() -> None:
    """Sample, measure, publish."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=144)
    parser.add_argument("--clips-per-action", type=int, default=6)
    parser.add_argument("--steps", type=int, default=TOON.num_inference_steps)
    parser.add_argument("--guidance", type=float, default=TOON.guidance_scale)
    parser.add_argument("--out", type=Path, default=RESULTS_DIR)
    options = parser.parse_args()
    pipe, faces = TOON.load(), load_toon_faces("toon-b")
    reader = load_probe(faces)
    settings = dataclasses.replace(
        SampleSettings.of(TOON), num_inference_steps=options.steps, guidance_scale=options.guidance
    )
    pictures = scenes(options.pictures, action=None)
    images = [
        clip.frames[0] for clip in sample(pipe, to_shots(pictures, 1), TOON, settings, max_batch=16)
    ]
    drawn_images = [draw(scene, with_masks=False).image for scene in pictures]
    moving = [
        scene
        for action in ACTIONS
        for scene in scenes(options.clips_per_action, action=action, aspect="1:1")
    ]
    clips = list(sample(pipe, to_shots(moving, 9), TOON, settings, max_batch=8))
    drawn = [
        Clip(frames=np.stack([d.image for d in draw_clip(scene, 9)]), fps=8.0) for scene in moving
    ]
    by_aspect = {aspect: right(reader, *_only(pictures, images, aspect)) for aspect in ASPECTS}
    lengths = {}
    for frames in (1, 5, 9, 13, 17):
        clip = next(iter(sample(pipe, to_shots(moving[:1], frames), TOON, settings)))
        lengths[str(frames)] = list(clip.frames.shape)
    values = {
        **provenance(pipe.device),
        "settings": {"num_inference_steps": options.steps, "guidance_scale": options.guidance},
        "pictures": len(pictures),
        "asked_and_drawn": right(reader, pictures, images),
        "asked_and_drawn_by_aspect": by_aspect,
        "probe_on_drawn_truth": right(reader, pictures, drawn_images),
        "face_found_close_and_medium": face_share(faces, pictures, images),
        "face_found_on_drawn_truth": face_share(faces, pictures, drawn_images),
        "vae_psnr_db_pictures": round(_psnr(pipe.vae, drawn_images, pictures), 2),
        "vae_psnr_db_clips": round(psnr_db(pipe.vae, np.stack([clip.frames for clip in drawn])), 2),
        "clips": {"count": len(clips), **clip_figures(moving, clips, drawn)},
        "shapes_by_num_frames": lengths,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    strips = [
        frame for clip in clips[:: options.clips_per_action] for frame in clip.frames[[0, 4, 8]]
    ]
    sheet(options.out / "toon_backbone.png", [*images[:54], *strips])
    write_results(options.out / "toon_backbone.json", values)
    print(values)


def _only(
    pictures: list[Scene], images: list[Image], aspect: str
) -> tuple[list[Scene], list[Image]]:
    chosen = [
        index
        for index, scene in enumerate(pictures)
        if (scene.height, scene.width) == ASPECTS[aspect]
    ]
    return [pictures[index] for index in chosen], [images[index] for index in chosen]


def _psnr(vae: AutoencoderKLWan, images: list[Image], pictures: list[Scene]) -> float:
    _, square = _only(pictures, images, "1:1")
    return psnr_db(vae, np.stack(square)[:, None])


if __name__ == "__main__":
    main()
