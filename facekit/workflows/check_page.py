"""The page of checked photos: every verdict beside its picture, in one file to be mailed."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from facekit.curation.findings import Role
from facekit.curation.manifest import AdviceRecord, DatasetManifest
from facekit.curation.stored import read_vectors
from facekit.evaluation.page_parts import section, strong, table, text
from facekit.workflows.check_cards import all_numbers, finding_item, number_text, photo_cards
from facekit.workflows.check_grids import coverage, likeness

__all__ = ["build_check_page"]

_STYLES = (
    ("facekit.evaluation", "report.css"),
    ("facekit.workflows", "check_page.css"),
)


def build_check_page(folder: Path, manifest: DatasetManifest, name: str | None) -> str:
    """Return the whole page.

    Args:
        folder: The dataset; thumbnails and embeddings are read from it.
        manifest: What it says.
        name: What the character is called.

    Raises:
        MediaError: The embeddings are missing.
    """
    style = "".join(
        (files(package) / file).read_text(encoding="utf-8") for package, file in _STYLES
    )
    title = f"Will these photos make {escape(name)}?" if name else "Will these photos do?"
    parts = (
        _header(manifest, title),
        _tiles(manifest),
        _advice(manifest),
        coverage(manifest.photos, manifest.advice),
        photo_cards(folder, manifest),
        all_numbers(manifest),
        likeness(manifest, read_vectors(folder, manifest)),
        _settings(manifest),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body><main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main></body></html>\n"
    )


def _header(manifest: DatasetManifest, title: str) -> str:
    count = sum(photo.role is not Role.REFUSED for photo in manifest.photos)
    total, needed = len(manifest.photos), manifest.rules.min_usable
    lead = (
        f"{count} of {total} photo{'' if total == 1 else 's'} can be used, and {needed} are needed."
        " Every photo is judged by itself, and then compared with the others."
    )
    verdict, mark = ("they will do", "pass") if manifest.accepted else ("refused", "fail")
    items = [finding_item(finding, "bad") for finding in manifest.findings]
    items += [finding_item(finding, "overruled") for finding in manifest.allowed]
    if not manifest.accepted and not manifest.findings:
        items.append(
            f'<li class="bad">too few photos can be used: {count}, at least {needed} are needed;'
            " add sharp photos of one person, alone in the picture</li>"
        )
    said = f'<ul class="of-set">{"".join(items)}</ul>' if items else ""
    return (
        f'<header><div><h1>{title}</h1><p class="lead">{escape(lead)}</p>{said}</div>'
        f'<div class="verdict {mark}">{verdict}</div></header>'
    )


def _tiles(manifest: DatasetManifest) -> str:
    roles = [photo.role for photo in manifest.photos]
    compared = [
        photo.similarity
        for photo in manifest.photos
        if photo.role is not Role.REFUSED and photo.similarity is not None
    ]
    least = f"{min(compared):.2f}" if compared else "-"
    tiles = (
        ("trained on", str(roles.count(Role.TRAIN)), "What the character is learned from."),
        (
            "held out",
            str(roles.count(Role.HELD_OUT)),
            "Never trained on. They differ most from the rest and measure the result.",
        ),
        ("refused", str(roles.count(Role.REFUSED)), "Not used at all; the reasons are below."),
        (
            "least alike",
            least,
            "Similarity of the least alike photo that is used to the others; below"
            f" {manifest.min_same_person:.2f} it is somebody else.",
        ),
    )
    cards = "".join(
        f'<div class="tile"><div class="name">{escape(name)}</div>'
        f'<div class="value">{value}</div><p class="meaning">{escape(meaning)}</p></div>'
        for name, value, meaning in tiles
    )
    return f'<div class="tiles">{cards}</div>'


def _advice(manifest: DatasetManifest) -> str:
    if not manifest.advice:
        return ""
    lines = "".join(
        f"<li>{escape(advice.sentence)}{_against(advice)}</li>" for advice in manifest.advice
    )
    return section(
        "What would make them better", f'<ul class="advice">{lines}</ul>', "None of it refuses."
    )


def _against(advice: AdviceRecord) -> str:
    """What the set has and what would be good; the grid shows that of coverage."""
    if advice.missing:
        return ""
    return f" <span>has {number_text(advice.value)}, good is {number_text(advice.limit)}</span>"


def _settings(manifest: DatasetManifest) -> str:
    encoder, parser = manifest.encoder, manifest.parser
    rules = manifest.rules.model_dump()
    masks = parser.name + (f" {parser.digest}" if parser.digest else "")
    rows: Sequence[tuple[str, str]] = (
        ("encoder", f"{encoder.asked} ({encoder.name})"),
        ("encoder sha256", encoder.digest),
        ("encoder licence", encoder.licence),
        ("face masks", f"{masks}{'; ' if parser.shortfall else ''}{parser.shortfall}"),
        ("captions", manifest.captions.model or "shot size and trigger, or the text beside"),
        ("thresholds", ", ".join(f"{key} {value}" for key, value in rules.items())),
        ("somebody else below", f"{manifest.min_same_person:.3f}"),
        ("photos in", manifest.folder),
        ("facekit", manifest.made_by),
    )
    return section("How this was made", table((), [(strong(k), text(v, "code")) for k, v in rows]))
