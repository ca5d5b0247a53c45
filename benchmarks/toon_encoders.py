"""The toon face encoders on unseen characters: recognition, landmarks, detection, false alarms.

    python -m benchmarks.toon_encoders

Writes docs/results/toon_encoders.json and docs/results/toon_encoders.png (the ROC curves).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.results import RESULTS_DIR, write_results
from facekit.faces.align import align
from facekit.faces.toon import TOON_NAMES, ToonFaces, load_toon_faces
from facekit.identity.calibration import equal_error_rate, roc, tar_at_far, threshold_at_far
from facekit.toon import HELD_OUT_SEED, ToonCharacter, draw, sample_scene
from facekit.toon.scene import LIGHTS, MOODS
from facekit.types import SHOT_SIZES, Face
from facekit.workflows.machine import provenance

FIRST_SEED = HELD_OUT_SEED + 10_000
FAR = 1e-3
MIN_FACE_PX = 16.0
PICTURES_PER_CHARACTER = 8
NUM_RESAMPLES = 200


def measure(
    faces: ToonFaces, num_characters: int, num_empty: int
) -> tuple[dict[str, object], tuple[np.ndarray, np.ndarray]]:
    """Measure one encoder; also return the scores of same and of different pairs."""
    vectors, labels, sizes, errors, small_errors = [], [], [], [], []
    shown = found = 0
    for number in range(num_characters):
        character = ToonCharacter.from_seed(FIRST_SEED + number)
        rng = np.random.default_rng([number, 0xEC])
        drawings = []
        for index in range(PICTURES_PER_CHARACTER):
            scene = sample_scene(
                (character,),
                rng,
                aspect=("1:1", "1:1", "16:9", "9:16")[index % 4],
                shot_size=SHOT_SIZES[index % 3],
                mood=MOODS[(index + number) % len(MOODS)],
                light=LIGHTS[(index + number) % len(LIGHTS)],
            )
            drawings.append(draw(scene, with_masks=False))
        for drawing, answers in zip(
            drawings, faces.detect([d.image for d in drawings]), strict=True
        ):
            truth = drawing.faces[0]
            height = float(truth.box_xyxy_px[3] - truth.box_xyxy_px[1])
            if height < MIN_FACE_PX:
                continue
            shown += 1
            match = _match(answers, truth.box_xyxy_px)
            if match is None:
                continue
            found += 1
            eyes = float(np.linalg.norm(truth.landmarks_px[1] - truth.landmarks_px[0]))
            error = (
                float(np.linalg.norm(match.landmarks_px - truth.landmarks_px, axis=1).mean()) / eyes
            )
            errors.append(error)
            if height < 24:
                small_errors.append(error)
            crop = align(drawing.image, match, size_px=faces.crop_size_px, margin=faces.crop_margin)
            vectors.append(faces.encode([crop])[0])
            labels.append(number)
            sizes.append(height)
    same, different = _pairs(np.stack(vectors), np.array(labels))
    rng = np.random.default_rng(0xE0)
    empty = [
        draw(sample_scene((), rng, aspect=("1:1", "16:9", "9:16")[i % 3])).image
        for i in range(num_empty)
    ]
    quiet = float(np.mean([not answers for answers in faces.detect(empty)]))
    values: dict[str, object] = {
        "digest": faces.digest,
        "characters": num_characters,
        "pictures": shown,
        "tar_at_far_1e-3": round(tar_at_far(same, different, FAR), 4),
        "tar_at_far_1e-3_ci95": _interval(np.stack(vectors), np.array(labels)),
        "threshold_at_far_1e-3": round(threshold_at_far(different, FAR), 4),
        "equal_error_rate": round(equal_error_rate(same, different), 4),
        "same_mean": round(float(same.mean()), 4),
        "different_mean": round(float(different.mean()), 4),
        "different_std": round(float(different.std()), 4),
        "landmark_error_of_eye_distance": round(float(np.mean(errors)), 4),
        "landmark_error_faces_under_24_px": round(float(np.mean(small_errors)), 4)
        if small_errors
        else None,
        "detection_rate": round(found / shown, 4),
        "empty_places": num_empty,
        "empty_places_without_a_face": round(quiet, 4),
    }
    return values, (same, different)


def _match(answers: tuple[Face, ...], box: np.ndarray) -> Face | None:
    center = (box[:2] + box[2:]) / 2.0
    for face in answers:
        left, top, right, bottom = face.box_xyxy_px
        if (
            left <= center[0] <= right
            and top <= center[1] <= bottom
            and 0.5 < face.height_px / (box[3] - box[1]) < 2.0
        ):
            return face
    return None


def _pairs(vectors: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.triu_indices(len(vectors), 1)
    scores = (vectors @ vectors.T)[rows, columns]
    same = labels[rows] == labels[columns]
    return scores[same], scores[~same]


class Resampled:
    """The true accept rate had other characters been drawn: each counts as often as it is drawn.

    A character that is drawn twice brings its pairs of pictures twice, and those with another one
    as often as both are drawn; it is never compared with its own copy.
    """

    def __init__(self, vectors: np.ndarray, labels: np.ndarray) -> None:
        """Score every pair once.

        Args:
            vectors: Unit rows.
            labels: The character of each row.
        """
        known, people = np.unique(labels, return_inverse=True)
        rows, columns = np.triu_indices(len(vectors), 1)
        scores = (vectors @ vectors.T)[rows, columns]
        is_same = people[rows] == people[columns]
        self.count = len(known)
        self._same, self._person = scores[is_same], people[rows[is_same]]
        falling = np.flatnonzero(~is_same)[np.argsort(-scores[~is_same])]
        self._different = scores[falling]
        self._first, self._second = people[rows[falling]], people[columns[falling]]

    def rate(self, times: np.ndarray) -> float:
        """Return the true accept rate at `FAR`, as `tar_at_far` does when all count once.

        Args:
            times: How often each character counts, integers of shape (count,).
        """
        accepted = np.cumsum(times[self._first] * times[self._second])
        refused = int(np.searchsorted(accepted, FAR * accepted[-1] + 1e-9, side="right"))
        weights = times[self._person]
        return float(weights[self._same > self._different[refused]].sum() / weights.sum())


def _interval(vectors: np.ndarray, labels: np.ndarray) -> list[float]:
    """Return the 95 % interval of the true accept rate over characters, percentile bootstrap.

    Source: as of `facekit.evaluation.bootstrap.bootstrap_mean`.
    """
    resampled = Resampled(vectors, labels)
    rng = np.random.default_rng(0)
    count = resampled.count
    draws = rng.integers(0, count, size=(NUM_RESAMPLES, count))
    # One character alone has nobody to be taken for; with more than a few it is never drawn alone.
    times = [np.bincount(draw, minlength=count) for draw in draws if len(set(draw)) > 1]
    rates = [resampled.rate(one) for one in times]
    return [round(float(v), 4) for v in np.percentile(rates, (2.5, 97.5))]


def plot(path: Path, scores: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Draw the ROC curves on a logarithmic axis."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5.2, 4.0), dpi=130)
    for name, (same, different) in scores.items():
        curve = roc(same, different)
        axes.plot(np.maximum(curve.far, 1e-6), curve.tar, label=name)
    axes.axvline(FAR, color="grey", linewidth=0.8, linestyle="--")
    axes.set(
        xscale="log",
        xlim=(1e-5, 1),
        ylim=(0.8, 1.002),
        xlabel="false accept rate",
        ylabel="true accept rate",
    )
    axes.set_title("Toon face encoders, held-out characters")
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both encoders and publish."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--characters", type=int, default=300)
    parser.add_argument("--empty", type=int, default=600)
    parser.add_argument("--out", type=Path, default=RESULTS_DIR)
    parser.add_argument("--weights", type=Path, default=None)
    options = parser.parse_args(arguments)
    values, scores = {}, {}
    for name in TOON_NAMES:
        values[name], scores[name] = measure(
            load_toon_faces(name, options.weights), options.characters, options.empty
        )
        print(name, values[name])
    options.out.mkdir(parents=True, exist_ok=True)
    plot(options.out / "toon_encoders.png", scores)
    # The nets have no other place to run than the CPU.
    about = provenance(torch.device("cpu"), options.weights)
    write_results(options.out / "toon_encoders.json", {**about, "encoders": values})


if __name__ == "__main__":
    main()
