"""A tiny drawn corpus with every shard that the parts of a build open."""

from pathlib import Path

import pytest

from facekit.toon.corpus import build_shard

NUM_CHARACTERS = 48


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for aspect in ("1:1", "16:9", "9:16"):
        for num_frames in (1, 9):
            square_pictures = aspect == "1:1" and num_frames == 1
            build_shard(
                folder / f"{aspect.replace(':', 'x')}_{num_frames}",
                aspect=aspect,
                num_frames=num_frames,
                # each character often enough for a batch of the embedder
                num_samples=6 * NUM_CHARACTERS if square_pictures else 2,
                num_characters=NUM_CHARACTERS,
                seed=7,
            )
    return folder
