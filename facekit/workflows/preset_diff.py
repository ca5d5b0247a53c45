"""What changed between two presets: rights, parts, recipe, scores by pose, parity, pictures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facekit.errors import BundleDamaged, UsageError
from facekit.media.files import ensure_new, write_text
from facekit.presets.bundle import Bundle
from facekit.workflows.preset_diff_facts import parts_facts, recipe_facts, rights_facts
from facekit.workflows.preset_diff_page import diff_page
from facekit.workflows.preset_diff_parity import compare_shots
from facekit.workflows.preset_diff_scores import ScoreChange, compare_scores, tell_difference
from facekit.workflows.preset_files import open_preset

__all__ = ["Change", "PresetDiff", "diff_presets"]

_CONTACT = "media/contact.webp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value that is not the same in both."""

    key: str
    before: object
    after: object
    origin: object = None
    """In the preset that both follow, where that was given."""
    has_origin: bool = False

    @property
    def changed_by(self) -> str:
        """Who changed it since both were one: `A`, `B` or `both`; empty where that is not known."""
        if not self.has_origin:
            return ""
        if self.origin == self.before:
            return "B"
        return "A" if self.origin == self.after else "both"

    def __str__(self) -> str:
        """Write it on one line."""
        by = f" (changed in {self.changed_by}, was {_text(self.origin)})" if self.has_origin else ""
        return f"{self.key}: {_text(self.before)} -> {_text(self.after)}{by}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PresetDiff:
    """Everything that differs, in the order that people ask for it."""

    one: Bundle
    two: Bundle
    rights: tuple[Change, ...]
    parts: tuple[Change, ...]
    """Base, encoder and adapter."""
    recipe: tuple[Change, ...]
    scores: tuple[ScoreChange, ...]
    scores_note: str
    """Why there are none, or what to bear in mind."""
    parity: Mapping[str, object]
    page: Path | None

    def describe(self) -> str:
        """The same order as on the page."""
        lines = [f"{self.one.manifest.label} -> {self.two.manifest.label}"]
        for title, changes in (
            ("rights", self.rights),
            ("base, encoder and adapter", self.parts),
            ("recipe", self.recipe),
        ):
            lines.append(f"{title}: {'the same' if not changes else ''}".rstrip())
            lines += [f"  {change}" for change in changes]
        lines.append(f"likeness by turn of the head: {self.scores_note}".rstrip(": "))
        for score in self.scores:
            moved = tell_difference(score)
            lines.append(f"  {score.pose}: {score.before or '-'} -> {score.after or '-'} ({moved})")
        lines.append(f"parity: {self.parity['said']}")
        if self.page is not None:
            lines.append(f"pictures: {self.page}")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "before": {"id": self.one.manifest.label, "digest": self.one.digest},
            "after": {"id": self.two.manifest.label, "digest": self.two.digest},
            "rights": _plain(self.rights),
            "parts": _plain(self.parts),
            "recipe": _plain(self.recipe),
            "scores": [
                {
                    "pose": score.pose,
                    "before": score.before.to_json() if score.before else None,
                    "after": score.after.to_json() if score.after else None,
                    "difference": score.difference.to_json() if score.difference else None,
                    "paired": score.is_paired,
                }
                for score in self.scores
            ],
            "scores_note": self.scores_note,
            "parity": dict(self.parity),
            "page": None if self.page is None else str(self.page),
        }


def diff_presets(
    one: Path,
    two: Path,
    *,
    origin: Path | None = None,
    out: Path | None = None,
    force: bool = False,
) -> PresetDiff:
    """Compare two presets, both verified first.

    Args:
        one: The earlier one.
        two: The later one.
        origin: The preset that both follow; of each change in the recipe it tells who made it.
        out: An HTML page that shows all of it, with pictures; none is written when None.
        force: Replace what is there.

    Raises:
        BundleDamaged: As for `open_preset`, like the next.
        SignatureRefused: Likewise.
        OutputExists: The page is there.
        UsageError: The origin is not what both follow.
    """
    page = None if out is None else ensure_new(out, force)
    first, second = (open_preset(path, revoked=True) for path in (one, two))
    recipe = _changes(recipe_facts(first), recipe_facts(second))
    if origin is not None:
        recipe = _with_origin(recipe, open_preset(origin, revoked=True), (first, second))
    reports = [_report(bundle) for bundle in (first, second)]
    scores, note = compare_scores(*reports)
    diff = PresetDiff(
        one=first,
        two=second,
        rights=_changes(rights_facts(first), rights_facts(second)),
        parts=_changes(parts_facts(first), parts_facts(second)),
        recipe=recipe,
        scores=scores,
        scores_note=note,
        parity=compare_shots(first, second),
        page=page,
    )
    if page is not None:
        write_text(page, _page(diff))
    return diff


def _page(diff: PresetDiff) -> str:
    groups: list[tuple[str, list[tuple[str, str, str]]]] = [
        (
            title,
            [
                (
                    f"{one.key} ({one.changed_by})" if one.changed_by else one.key,
                    _text(one.before),
                    _text(one.after),
                )
                for one in changes
            ],
        )
        for title, changes in (
            ("Rights", diff.rights),
            ("Base, encoder and adapter", diff.parts),
            ("Recipe", diff.recipe),
        )
    ]
    scores = [
        (
            one.pose,
            str(one.before or "-"),
            str(one.after or "-"),
            tell_difference(one),
        )
        for one in diff.scores
    ]
    pictures = [
        (bundle.manifest.label, bundle.read(_CONTACT) if _CONTACT in bundle.files else None)
        for bundle in (diff.one, diff.two)
    ]
    names = (diff.one.manifest.label, diff.two.manifest.label)
    return diff_page(names, groups, scores, diff.scores_note, str(diff.parity["said"]), pictures)


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[Change, ...]:
    keys = [*before, *(key for key in after if key not in before)]
    return tuple(
        Change(key=key, before=before.get(key), after=after.get(key))
        for key in keys
        if before.get(key) != after.get(key)
    )


def _with_origin(
    changes: Sequence[Change], origin: Bundle, both: Sequence[Bundle]
) -> tuple[Change, ...]:
    for bundle in both:
        parent = bundle.manifest.lineage.parent
        if parent != origin.digest:
            followed = parent[:12] if parent else "nothing"
            raise UsageError(
                f"{bundle.source}: follows {followed}, expected {origin.digest[:12]} of"
                f" {origin.source}; name the preset that both follow, or leave --origin away"
            )
    before = recipe_facts(origin)
    return tuple(replace(one, origin=before.get(one.key), has_origin=True) for one in changes)


def _report(bundle: Bundle) -> Mapping[str, Any] | None:
    path = bundle.manifest.eval.report
    if path is None:
        return None
    try:
        told: Mapping[str, Any] = json.loads(bundle.read(path))
    except ValueError as error:
        raise BundleDamaged(
            f"{bundle.source}: {path} cannot be read ({error}), expected a report; pack it again"
        ) from error
    return told


def _plain(changes: Sequence[Change]) -> list[dict[str, object]]:
    return [
        {
            "key": one.key,
            "before": one.before,
            "after": one.after,
            "origin": one.origin,
            "changed_by": one.changed_by or None,
        }
        for one in changes
    ]


def _text(value: object) -> str:
    if value in (None, "", []):
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
