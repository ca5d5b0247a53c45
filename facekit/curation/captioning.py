"""Captions by a model, through transformers: loaded on request alone, and each picture asked once.

Source: the model cards of the two models, for their prompts and licences.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from facekit.digests import json_digest
from facekit.errors import UsageError, WeightsMissing
from facekit.media.cache import cache_dir, cached_write
from facekit.media.images import read_image
from facekit.media.known_files import content_digest

__all__ = ["CAPTION_MODELS", "CaptionModel", "Captioner", "check_captioner", "load_captioner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionModel:
    """A captioning model on the hub, pinned."""

    repository: str
    revision: str
    """A commit, for a branch may move."""
    licence: str


CAPTION_MODELS = {
    "blip": CaptionModel(
        repository="Salesforce/blip-image-captioning-base",
        revision="82a37760796d32b1411fe092ab5d4e227313294b",
        licence="BSD-3-Clause",
    ),
    "florence-2": CaptionModel(
        repository="florence-community/Florence-2-base",
        revision="00921df66db728a9ceb750f5eca43e5c203a2051",
        licence="MIT",
    ),
}
"""By the name that a recipe gives in `captions.model`."""

_KINDS = ("blip", "florence2")
_FLORENCE_TASK = "<DETAILED_CAPTION>"
_MOST_TOKENS = 64
_RULES_OF_ASKING = 1
"""Raised when the same picture would be asked otherwise."""


class Captioner:
    """A loaded model that writes one line on a picture, and remembers it."""

    def __init__(self, name: str, kind: str, processor: Any, model: Any, digest: str) -> None:
        """Hold the parts.

        Args:
            name: As messages call it.
            kind: ``blip`` or ``florence2``.
            processor: Of transformers.
            model: Of transformers.
            digest: Tells models apart.
        """
        self.name, self._kind, self._processor, self._model = name, kind, processor, model
        self._folder = cache_dir() / "captions" / json_digest([_RULES_OF_ASKING, digest])[:16]

    def caption(self, photo: Path) -> str:
        """Return one line on a photo; the same model and file give the same.

        Raises:
            MediaError: The photo cannot be read.
            OutputError: The cache cannot be written.
        """
        place = self._folder / f"{content_digest(photo)}.txt"
        if not place.is_file():
            text = self._ask(PillowImage.fromarray(read_image(photo)))
            with cached_write(place) as temporary:
                temporary.write_text(text, encoding="utf-8")
        return place.read_text(encoding="utf-8")

    def _ask(self, picture: PillowImage.Image) -> str:
        import torch

        asked = {"text": _FLORENCE_TASK} if self._kind == "florence2" else {}
        inputs = self._processor(images=picture, return_tensors="pt", **asked)
        with torch.inference_mode():
            tokens = self._model.generate(
                **inputs, max_new_tokens=_MOST_TOKENS, do_sample=False, num_beams=1
            )
        text = str(self._processor.batch_decode(tokens, skip_special_tokens=True)[0])
        return " ".join(text.split())


def check_captioner(name: str | None) -> None:
    """Refuse a name that `load_captioner` would refuse, without loading anything.

    Raises:
        UsageError: Neither a known model nor a folder.
    """
    if name is None or name in CAPTION_MODELS or Path(name).is_dir():
        return
    raise UsageError(
        f"captions.model is {name!r}, expected one of {', '.join(CAPTION_MODELS)}, or a folder that"
        " holds a model; correct it, or leave it away"
    )


def load_captioner(name: str) -> Captioner:
    """Load a captioning model from where it lies; nothing is fetched.

    Args:
        name: A key of `CAPTION_MODELS`, or a folder as ``save_pretrained`` writes it.

    Raises:
        UsageError: An unknown name, or a folder with a model of another kind.
        WeightsMissing: It is not here, or damaged; the message says how to get it.
    """
    check_captioner(name)
    from transformers import AutoConfig, AutoProcessor
    from transformers import BlipForConditionalGeneration as Blip
    from transformers import Florence2ForConditionalGeneration as Florence

    pinned = CAPTION_MODELS.get(name)
    where = name if pinned is None else pinned.repository
    options = {"local_files_only": True} | ({"revision": pinned.revision} if pinned else {})
    try:
        kind = str(AutoConfig.from_pretrained(where, **options).model_type)
        if kind not in _KINDS:
            raise UsageError(
                f"{name}: a model of the kind {kind}, expected {' or '.join(_KINDS)}; name another"
                " one with captions.model"
            )
        processor = AutoProcessor.from_pretrained(where, **options)
        model = (Blip if kind == "blip" else Florence).from_pretrained(where, **options)
    except (OSError, ValueError, KeyError) as error:
        step = (
            f"copy a whole one there, with config.json, weights and processor, to {where}"
            if pinned is None
            else f"run hf download {where} --revision {pinned.revision}, or name a folder with"
            " captions.model"
        )
        reason = str(error).partition("\n")[0].partition(". ")[0].replace(";", ",")
        raise WeightsMissing(
            f"{name}: the captioning model is not here or damaged ({reason}), expected"
            f" {where}; {step}"
        ) from error
    digest = f"{where}@{pinned.revision}" if pinned else _folder_digest(Path(name))
    called = name if pinned else Path(name).name
    return Captioner(called, kind, processor, model.eval(), digest)


def _folder_digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return json.dumps([[path.name, content_digest(path)] for path in files])
