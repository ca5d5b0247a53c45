"""The picture of the README: the demo's photos above, one frame of each of its shots below.

Made from the files that a demo leaves in its folder, and from nothing else.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from facekit.adapters.character import load_character
from facekit.evaluation.plots import INK, SOFT
from facekit.generation.shots import expected_attributes
from facekit.media.files import atomic_write
from facekit.media.images import read_image
from facekit.types import Image
from facekit.workflows.characters import ADAPTER_FILE
from facekit.workflows.demo_plan import NAME
from facekit.workflows.photos import find_photos
from facekit.workflows.takes import StoredTake, read_take, scan_takes

WIDTH_PX = 1000
ROW_PX = 130
"""Height that pictures come close to; each row is scaled so that it fills the width."""
GAP_PX = 6
LINE_PX = 13
DPI = 100
LETTER_PX = 6.0
"""Mean width of a letter of a caption."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """A picture with a few words below it."""

    image: Image
    caption: str

    @property
    def ratio(self) -> float:
        """Width over height."""
        return self.image.shape[1] / self.image.shape[0]


@dataclass(frozen=True, kw_only=True)
class Row:
    """Tiles side by side."""

    tiles: tuple[Tile, ...]
    height_px: float
    """Of the pictures."""

    @property
    def captions(self) -> list[str]:
        """The captions, broken to the width of their pictures."""
        widths = [max(4, int(tile.ratio * self.height_px / LETTER_PX)) for tile in self.tiles]
        return [
            textwrap.fill(tile.caption, width)
            for tile, width in zip(self.tiles, widths, strict=True)
        ]

    @property
    def full_px(self) -> float:
        """Height with captions and the gap to the next row."""
        lines = max(caption.count("\n") + 1 for caption in self.captions)
        return self.height_px + lines * LINE_PX + GAP_PX


def demo_groups(out_dir: Path) -> list[tuple[str, list[Tile]]]:
    """Read what a finished demo left in its folder: the photos, then every shot.

    Raises:
        AdapterDamaged: The demo has made no character yet.
        MediaError: It has made no shots yet, or a photo or a clip cannot be read.
        UsageError: Its photos are no longer where they were.
    """
    character = load_character(out_dir / "characters" / NAME / ADAPTER_FILE)
    found = find_photos(character)
    photos = [Tile(image=read_image(path), caption="trained on") for path in found.enrolled]
    photos += [Tile(image=read_image(path), caption="held out") for path in found.held_out]
    shots = [_tile(read_take(path)) for path in scan_takes([out_dir / "shots"]).clips]
    return [(f"Photos of {character.name}", photos), ("One frame of each shot", shots)]


def _tile(take: StoredTake) -> Tile:
    asked = expected_attributes(take.shot.prompt)
    words = ", ".join(asked[name] for name in ("place", "mood") if name in asked)
    middle = take.clip.frames[take.clip.num_frames // 2]
    return Tile(image=middle, caption=words or take.shot.name)


def split_rows(tiles: Sequence[Tile], width_px: int = WIDTH_PX) -> list[Row]:
    """Share tiles out over rows of about equal width, in order; each row fills the width.

    Few tiles are not blown up: their row ends early.
    """
    total = sum(tile.ratio for tile in tiles)
    count = max(1, round(total * ROW_PX / width_px))
    rows: list[list[Tile]] = [[] for _ in range(count)]
    passed = 0.0
    for tile in tiles:
        rows[int((passed + tile.ratio / 2) / total * count)].append(tile)
        passed += tile.ratio
    filled = []
    for row in filter(None, rows):
        free_px = width_px - GAP_PX * (len(row) + 1)
        height_px = min(free_px / sum(tile.ratio for tile in row), 1.4 * ROW_PX)
        filled.append(Row(tiles=tuple(row), height_px=height_px))
    return filled


def write_demo_sheet(
    path: Path, groups: Sequence[tuple[str, Sequence[Tile]]], width_px: int = WIDTH_PX
) -> None:
    """Draw groups of tiles below each other; equal tiles give equal bytes.

    Args:
        path: A .png, replaced at once.
        groups: A title and its tiles.
        width_px: Of the whole picture.

    Raises:
        OutputError: It cannot be written.
    """
    laid_out = [(title, split_rows(tiles, width_px)) for title, tiles in groups if tiles]
    title_px = LINE_PX + 2 * GAP_PX
    height_px = sum(title_px + sum(row.full_px for row in rows) for _, rows in laid_out)
    figure = Figure(figsize=(width_px / DPI, height_px / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    top_px = 0.0
    for title, rows in laid_out:
        _write(figure, GAP_PX, top_px + GAP_PX, title, size=8.5, color=INK, weight="bold")
        top_px += title_px
        for row in rows:
            for left_px, tile, caption in _placed(row):
                _show(figure, tile, left_px, top_px, row.height_px)
                below_px = top_px + row.height_px + 1
                _write(figure, left_px, below_px, caption, size=7.5, color=SOFT)
            top_px += row.full_px
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", facecolor="white", metadata={"Software": None})


def _placed(row: Row) -> Iterator[tuple[float, Tile, str]]:
    left_px = float(GAP_PX)
    for tile, caption in zip(row.tiles, row.captions, strict=True):
        yield left_px, tile, caption
        left_px += tile.ratio * row.height_px + GAP_PX


def _show(figure: Figure, tile: Tile, left_px: float, top_px: float, height_px: float) -> None:
    whole_width, whole_height = figure.get_size_inches() * DPI
    axes = figure.add_axes(
        (
            left_px / whole_width,
            1 - (top_px + height_px) / whole_height,
            tile.ratio * height_px / whole_width,
            height_px / whole_height,
        )
    )
    axes.set_axis_off()
    axes.imshow(tile.image, interpolation="lanczos", aspect="auto")


def _write(
    figure: Figure,
    left_px: float,
    top_px: float,
    text: str,
    *,
    size: float,
    color: str,
    weight: str = "normal",
) -> None:
    whole_width, whole_height = figure.get_size_inches() * DPI
    for number, line in enumerate(text.splitlines()):
        base_px = top_px + (number + 1) * LINE_PX - 2
        place = left_px / whole_width, 1 - base_px / whole_height
        figure.text(*place, line, fontsize=size, color=color, weight=weight)
