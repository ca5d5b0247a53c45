"""What a packed preset says for people and for other programs: card, terms, parts, training."""

import importlib.metadata
import json
import platform
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import yaml

import facekit
from facekit.adapters.character_header import CharacterHeader
from facekit.errors import UsageError
from facekit.presets.manifest import Manifest, Summary
from facekit.wording import in_words

__all__ = [
    "bill_of_materials",
    "clean_report",
    "json_bytes",
    "licence_text",
    "lineage_record",
    "model_card",
    "report_summary",
    "rights_record",
    "salted",
    "training_record",
]

_PRIVATE: Final = frozenset(
    {"character file", "photos kept back", "photos not at hand", "base clips"}
)
"""Settings of a report that name folders of whoever measured."""
_MEASURED: Final = re.compile(r"\(sha256 ([0-9a-f]{64})\)\Z")
"""At the end of a report's `character file`."""
_REQUIREMENT: Final = re.compile(r"[A-Za-z0-9._-]+")


def json_bytes(content: object) -> bytes:
    """Plain data as JSON that people can read; equal data gives equal bytes."""
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"


def model_card(manifest: Manifest) -> bytes:
    """`README.md`: front matter as the Hugging Face Hub reads it, and what people ask first."""
    front: dict[str, object] = {"library_name": "facekit", "license": _hub_licence(manifest)}
    if manifest.base.repo:
        front |= {"base_model": manifest.base.repo, "base_model_relation": "adapter"}
    if any(file.path == "media/thumb.webp" for file in manifest.files):
        front["thumbnail"] = "media/thumb.webp"
    front["tags"] = ["facekit", "text-to-video", "character", *manifest.tags]
    told = yaml.safe_dump(front, sort_keys=True, allow_unicode=False)
    adapter, subject = manifest.adapter, manifest.subject
    encoder = manifest.encoder
    lines = [
        f"# {_plain(manifest.title)}",
        "",
        *([_plain(manifest.summary), ""] if manifest.summary else []),
        f"A character of facekit, `{manifest.label}`.",
        "",
        "| | |",
        "|---|---|",
        f"| Subject | {subject.type} |",
        f"| Base | {_plain(manifest.base.name)} ({_plain(manifest.base.license)}) |",
        f"| Face encoder | {_plain(encoder.name if encoder else 'none')}"
        f" ({_plain(encoder.license if encoder else '-')}) |",
        f"| Level | {_plain(adapter.level)}, LoRA rank {adapter.rank} |",
        f"| Called by | `{_plain(adapter.trigger)}` |",
        f"| Terms | {_plain(manifest.rights.license)}, see `LICENSE.md` |",
        "",
        "```",
        f"facekit preset verify {_file_name(manifest)}",
        f'facekit shoot "close-up of @{_plain(adapter.name)}" --with {_file_name(manifest)}',
        "```",
        "",
        _biometric_text(manifest),
    ]
    return f"---\n{told}---\n\n".encode() + "\n".join(lines).encode() + b"\n"


def licence_text(licence: str, own: Path | None) -> bytes:
    """`LICENSE.md`: the terms of the adapter.

    Args:
        licence: SPDX or `LicenseRef-...`.
        own: A file with the terms in full.

    Raises:
        UsageError: The file cannot be read.
    """
    head = f"SPDX-License-Identifier: {licence}\n"
    if own is None:
        terms = (
            "The terms are those of the licence of this name."
            if not licence.startswith("LicenseRef-")
            else "All rights reserved; ask whoever packed this preset."
        )
        return f"{head}\n{terms}\n".encode()
    try:
        return f"{head}\n{own.read_text(encoding='utf-8')}".encode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{own}: cannot be read ({error}), expected terms as text; name another file"
        ) from error


def bill_of_materials() -> bytes:
    """`provenance/sbom.json`: the libraries that facekit needs, in the versions that are here.

    Source: CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/
    """
    names = []
    for line in importlib.metadata.requires("facekit") or []:
        found = _REQUIREMENT.match(line)
        if found is not None and "extra ==" not in line:
            names.append(found[0].lower())
    components = [
        {
            "type": "library",
            "name": name,
            "version": (version := importlib.metadata.version(name)),
            "purl": f"pkg:pypi/{name}@{version}",
        }
        for name in sorted(set(names))
    ]
    python = ".".join(platform.python_version_tuple()[:2])
    components.append({"type": "platform", "name": "python", "version": python})
    return json_bytes(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "component": {
                    "type": "application",
                    "name": "facekit",
                    "version": facekit.__version__,
                }
            },
            "components": components,
        }
    )


def salted(salt: str, digest: str) -> str:
    """The hash by which a photo is known again by whoever has it.

    Args:
        salt: Of a preset.
        digest: sha256 of the file of the photo (hex).
    """
    return sha256(f"{salt}{digest}".encode()).hexdigest()


def training_record(header: CharacterHeader, label: str) -> bytes:
    """`provenance/training.json`: recipe, seeds, digests, and photos by salted hashes.

    The salt is that of this version, so that photos of two presets cannot be matched by it. Those
    that training held out are known apart, so that whoever has the photos can judge by them.
    """
    salt = sha256(f"facekit.photos {label}".encode()).hexdigest()[:32]
    hashes = {photo: salted(salt, photo.sha256) for photo in header.photos}
    held_out = [known for photo, known in hashes.items() if photo.role == "held_out"]
    roles = [photo.role for photo in header.photos]
    return json_bytes(
        {
            "schema": "facekit.training/1",
            "level": header.level,
            "training": dict(header.training),
            "run_digest": header.run_digest,
            "backbone": {"name": header.backbone, "digest": header.backbone_digest},
            "encoder": {"name": header.encoder, "digest": header.encoder_digest},
            "base_adapter_digest": header.adapter_digest,
            "photos": {
                "train": roles.count("train"),
                "held_out": roles.count("held_out"),
                "salt": salt,
                "sha256_salted": sorted(hashes.values()),
                "held_out_sha256_salted": sorted(held_out),
            },
        }
    )


def lineage_record(manifest_lineage: Mapping[str, Any], character_sha256: str) -> bytes:
    """`provenance/lineage.json`: what this version follows, and the file it was packed from."""
    return json_bytes(
        {
            "schema": "facekit.lineage/1",
            **manifest_lineage,
            "packed_from_sha256": character_sha256,
        }
    )


def rights_record(manifest_rights: Mapping[str, Any], parts: Mapping[str, Any]) -> bytes:
    """`rights/license.json`: the licence of every part, by SPDX where there is a name."""
    return json_bytes({"schema": "facekit.license/1", **manifest_rights, "parts": dict(parts)})


def clean_report(path: Path, name: str, character_sha256: str) -> dict[str, Any]:
    """Read what `facekit eval` wrote, without the places where it was measured.

    Args:
        path: `report.json`, its folder, or what ``facekit eval --json`` printed.
        name: Of the character.
        character_sha256: Of its file; numbers of another version of it are none of this one.

    Raises:
        UsageError: It is something else, or of another character, or of another version of it.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(told.get("data"), dict):  # what --json printed names the report
            told = json.loads(Path(told["data"]["report"]).read_text(encoding="utf-8"))
        whose, figures = told["character"], told["figures"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{file}: no report ({in_words(error)}), expected the report.json of facekit eval;"
            " name that"
        ) from error
    if whose != name or not isinstance(figures, dict):
        raise UsageError(
            f"{file}: about {whose}, expected {name}; measure this character with facekit eval"
        )
    measured = _MEASURED.search(str(told.get("settings", {}).get("character file", "")))
    if measured is None or measured[1] != character_sha256:
        got = f"another version of it, {measured[1][:12]}" if measured else "an unknown version"
        raise UsageError(
            f"{file}: about {got}, expected {name} of {character_sha256[:12]}; measure this one"
            " with facekit eval"
        )
    kept = {key: said for key, said in told.get("settings", {}).items() if key not in _PRIVATE}
    return {**told, "settings": kept}


def report_summary(report: Mapping[str, Any]) -> Summary:
    """Take the numbers that gates and people look at first out of a report."""
    figures = report["figures"]
    interval = (report.get("intervals_over_shots") or {}).get("sim_held") or {}
    low = (interval.get("ci95") or [None])[0]
    verdict = report.get("verdict")
    return Summary(
        encoder=str(report.get("settings", {}).get("reported with encoder", "")),
        sim_held=figures.get("sim_held"),
        sim_held_low=low,
        likeness_ratio=figures.get("likeness_ratio"),
        coverage=figures.get("coverage"),
        xmin=figures.get("xmin"),
        drift=figures.get("drift"),
        by_pose=dict(report.get("pose_strata") or {}),
        gates={"pass": "passed", "fail": "missed"}.get(str(verdict), "not-measured"),
    )


def _hub_licence(manifest: Manifest) -> str:
    """The Hub knows names in small letters, and `other` for what it does not know."""
    licence = manifest.rights.license
    return "other" if licence.startswith("LicenseRef-") else licence.lower()


def _file_name(manifest: Manifest) -> str:
    return f"{manifest.id.rpartition('/')[2]}-{manifest.version}.facekit"


def _plain(text: str) -> str:
    """A text on one line that means nothing to Markdown."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


def _biometric_text(manifest: Manifest) -> str:
    paths = [file.path for file in manifest.biometric_files]
    if not paths:
        return "Nothing in here was measured on a face."
    told = ", ".join(f"`{path}`" for path in paths)
    return (
        f"Biometric: {told}. Keys and values in the adapter were made of what a face encoder"
        " measured; they draw the face, and nothing can be drawn without them. Photos are not in"
        " here."
    )
