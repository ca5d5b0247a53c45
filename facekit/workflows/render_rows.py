"""One row per shot: for the table, the report and programs."""

from collections.abc import Mapping

from facekit.generation.units import take_name, take_seed
from facekit.workflows.board_export import SHOT_RECORD
from facekit.workflows.render_files import IDENTITY_SUFFIX, read_json, versions
from facekit.workflows.render_jobs import TAKES_DIR
from facekit.workflows.render_state import BoardState, ShotState, drawn_seconds

__all__ = ["shot_rows"]


def shot_rows(state: BoardState) -> list[dict[str, object]]:
    """One row per shot in order of the cut; the same columns in all of them."""
    return [_row(state, state.shots[shot.name]) for shot in state.plan.shots]


def _row(state: BoardState, here: ShotState) -> dict[str, object]:
    shot, chosen = here.shot, here.decision.chosen
    frames = shot.frames
    record: Mapping[str, object] = {}
    there = versions(state.plan.out_dir, shot)
    if here.is_delivered:
        record = read_json(there[-1] / SHOT_RECORD) or {}
    width, height = shot.deliver_size or (shot.width, shot.height)
    return {
        "name": shot.name,
        "sequence": shot.sequence,
        "shot": shot.shot,
        "aspect": shot.aspect,
        "version": there[-1].name if here.is_delivered else "",
        "verdict": here.word,
        "take": take_name(chosen.number) if chosen else "",
        "takes": len(here.takes),
        "seed": take_seed(shot, chosen.number) if chosen else None,
        "likeness": chosen.score if chosen else None,
        **_figures(here),
        "requested": frames.asked,
        "delivered": frames.cut,
        "seconds": round(frames.seconds, 3),
        "fps": round(float(frames.rate), 3),
        "head": frames.head,
        "tail": frames.tail,
        "drawn": frames.drawn,
        "chunks": " ".join(map(str, frames.chunks)),
        "drawn_size": f"{shot.width}x{shot.height}",
        "size": f"{width}x{height}",
        "draw_s": round(drawn_seconds([here]), 3),
        "characters": " ".join(person.id for person in shot.characters),
        "goes_on_from": " ".join(shot.depends_on),
        "media": f"{shot.folder.as_posix()}/{there[-1].name}/{record['media']}"
        if "media" in record
        else "",
        "reason": here.decision.reason,
        "prompt": shot.prompt,
        "fingerprint": chosen.fingerprint if chosen else "",
    }


def _figures(here: ShotState) -> dict[str, object]:
    """The gated figures of the chosen take: the worst of its characters."""
    found: dict[str, object] = dict.fromkeys(("coverage", "drift_slope", "wrong_person", "swap"))
    chosen = here.decision.chosen
    if chosen is None:
        return found
    path = here.version / TAKES_DIR / f"{take_name(chosen.number)}{IDENTITY_SUFFIX}"
    figures = (read_json(path) or {}).get("figures")
    if not isinstance(figures, Mapping):
        return found
    people = figures["characters"].values()
    slopes = [one["slope_per_s"] for one in people if one["slope_per_s"] is not None]
    return {
        "coverage": min((one["coverage"] for one in people), default=None),
        "drift_slope": min(slopes, default=None),
        "wrong_person": figures["wrong_person"],
        "swap": figures["swap"],
    }
