from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facekit.curation.captioning import CAPTION_MODELS, check_captioner, load_captioner
from facekit.errors import UsageError, WeightsMissing
from facekit.media.images import write_image
from tests.tiny.captioners import SPECIAL, WORDS, write_tiny_blip, write_tiny_florence


@pytest.fixture
def blip(tmp_path: Path) -> Path:
    return write_tiny_blip(tmp_path / "tiny blip")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "x.png"
    write_image(path, np.random.default_rng(0).integers(0, 255, (40, 48, 3), dtype=np.uint8))
    return path


def test_a_model_in_a_folder_writes_a_line_and_remembers_it(
    blip: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
):
    captioner = load_captioner(str(blip))
    assert captioner.name == "tiny blip"
    text = captioner.caption(photo)
    assert text
    assert set(text.split()) <= set(SPECIAL + WORDS)
    again = load_captioner(str(blip))
    monkeypatch.setattr(again, "_model", None)
    assert again.caption(photo) == text
    write_image(photo, np.zeros((40, 48, 3), np.uint8))
    with pytest.raises(AttributeError):  # another picture is asked about
        again.caption(photo)


def test_florence_is_given_the_picture_and_its_task(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
):
    captioner = load_captioner(str(write_tiny_florence(tmp_path / "tiny florence")))
    generate, given = captioner._model.generate, {}

    def spied(**inputs: Any) -> Any:
        given.update(inputs)
        assert generate(**inputs).shape[0] == 1
        return torch.tensor([[6, 8, 9]])  # its own are random and may be none at all

    monkeypatch.setattr(captioner._model, "generate", spied)
    assert captioner.caption(photo) == " ".join(WORDS[:2])
    assert given["pixel_values"].shape == (1, 3, 64, 64)
    assert (given["input_ids"] == 7).sum() >= 5
    assert (given["input_ids"] != 7).sum() >= 3


@pytest.mark.parametrize("name", CAPTION_MODELS)
def test_a_known_model_that_is_not_here_says_how_to_get_it(name: str):
    model = CAPTION_MODELS[name]
    with pytest.raises(WeightsMissing) as missing:
        load_captioner(name)
    command = f"run hf download {model.repository} --revision {model.revision}"
    assert missing.value.next_step.startswith(command)
    assert len(model.revision) == 40


def test_other_names_and_other_models_are_refused(tmp_path: Path):
    check_captioner(None)
    check_captioner("blip")
    with pytest.raises(UsageError, match="'clip', expected one of blip, florence-2, or a folder"):
        check_captioner("clip")
    folder = tmp_path / "other"
    folder.mkdir()
    with pytest.raises(WeightsMissing, match="copy a whole one there"):
        load_captioner(str(folder))
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UsageError, match="a model of the kind bert, expected blip or florence2"):
        load_captioner(str(folder))
