"""What the figures are called says what is measured."""

from facekit.evaluation.words import wording
from facekit.toon.probe import FACE_ATTRIBUTES, SCENE_ATTRIBUTES


def test_obeying_the_prompt_names_all_that_the_probe_reads() -> None:
    """Hair and glasses were read and not named."""
    read = {name.split("_")[0].replace("shot", "size") for name in SCENE_ATTRIBUTES}
    read |= {name.split("_")[0] for name in FACE_ATTRIBUTES}
    assert read == {"place", "size", "light", "mood", "hair", "glasses"}
    meaning = wording("prompt_delta").meaning
    assert not [word for word in read if word not in meaning]
