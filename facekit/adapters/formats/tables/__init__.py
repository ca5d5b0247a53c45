"""The names of each family of models, as data; one file per family."""

from collections.abc import Mapping

from facekit.adapters.formats.name_table import NameTable
from facekit.adapters.formats.tables.animatediff import ANIMATEDIFF
from facekit.adapters.formats.tables.cogvideox import COGVIDEOX
from facekit.adapters.formats.tables.hunyuan15 import HUNYUAN15
from facekit.adapters.formats.tables.hunyuan_video import HUNYUAN_VIDEO
from facekit.adapters.formats.tables.ltx import LTX
from facekit.adapters.formats.tables.ltx2 import LTX2
from facekit.adapters.formats.tables.wan import WAN

__all__ = ["TABLES"]

TABLES: Mapping[str, NameTable] = {
    table.family: table
    for table in (WAN, LTX, LTX2, HUNYUAN_VIDEO, HUNYUAN15, COGVIDEOX, ANIMATEDIFF)
}
"""Family to its names."""
