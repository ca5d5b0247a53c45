"""What decides the weights that a run ends with, as one digest."""

from collections.abc import Mapping
from dataclasses import asdict

from facekit.adapters.lora import LoraSettings
from facekit.digests import json_digest
from facekit.identity.photo_set import PhotoSet
from facekit.training.captions import Subject
from facekit.training.settings import TrainSettings

__all__ = ["run_digest"]


def run_digest(
    settings: TrainSettings,
    photos: PhotoSet,
    subject: Subject,
    *,
    backbone_digest: str,
    adapter_digest: str = "",
    lora: LoraSettings | None = None,
    extra: Mapping[str, object] | None = None,
) -> str:
    """Sha256 (hex) of everything that decides the weights; a resumed run must have the same."""
    content: dict[str, object] = {
        "settings": settings.to_json(),
        "photos": photos.digest,
        "subject": asdict(subject),
        "backbone": backbone_digest,
        "adapter": adapter_digest,
        "lora": asdict(lora) if lora else None,
        "extra": dict(extra or {}),
    }
    if settings.pool == "concat":
        content["token_photos"] = photos.best(settings.max_photos)
    return json_digest(content)
