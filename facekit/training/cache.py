"""What a VAE, a text encoder or a parser has made, kept by content, for all runs and recipes.

An item lies at ``encodings/<kind>/<content>/<maker>.safetensors`` in the user's cache: the folder
is the sha256 of what was encoded, the file that of who encoded it. So what another maker has left
is never used, and it can be said why an item is made again.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from facekit.digests import json_digest, tensors_digest
from facekit.media.cache import cache_dir, cached_write
from facekit.types import NoProgress, Progress

__all__ = ["EncodingCache", "Item", "Kind", "Maker", "Tensors", "content_key"]

Tensors = Mapping[str, Tensor]

Kind = Literal["latents", "texts", "masks"]

_NOUNS: Mapping[Kind, str] = {"latents": "pictures", "texts": "captions", "masks": "face masks"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Who encodes."""

    facts: Mapping[str, str]
    """Everything that changes what comes out, such as ``"VAE"`` -> its sha256."""

    @property
    def digest(self) -> str:
        """Sha256 (hex)."""
        return json_digest(dict(self.facts))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Item:
    """One thing to encode."""

    content: str
    """Sha256 (hex) of it, from `content_key`."""
    make: Callable[[], Tensors]
    """Encodes it; called only where the cache does not hold it."""
    name: str = ""
    """For the progress."""


def content_key(*parts: "np.ndarray | str | int") -> str:
    """Return the sha256 (hex) of pixels, words and numbers; the borders between them count."""
    total = sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            head, body = f"{part.dtype} {part.shape}", np.ascontiguousarray(part).tobytes()
        else:
            body = str(part).encode()
            head = f"{type(part).__name__} {len(body)}"
        total.update(f"{head}\n".encode())
        total.update(body)
    return total.hexdigest()


class EncodingCache:
    """Keeps encodings in a folder that any number of processes may share.

    Args:
        folder: ``encodings`` in the user's cache when None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = cache_dir() / "encodings" if folder is None else folder

    def encode(
        self, kind: Kind, items: Sequence[Item], maker: Maker, progress: Progress | None = None
    ) -> list[dict[str, Tensor]]:
        """Recall items, and make those that are not there, are damaged or are another maker's.

        Args:
            kind: A folder of its own.
            items: Equal contents are made once.
            maker: Who encodes now.
            progress: Counts what is made, where anything is, and says why it is made again.

        Returns:
            The tensors of each item, in order, on the CPU.

        Raises:
            OutputError: The cache cannot be written.
        """
        wanted = {item.content: item for item in items}
        known: dict[str, dict[str, Tensor]] = {}
        missing: list[Item] = []
        reasons: Counter[str] = Counter()
        for content, item in wanted.items():
            found = self._recall(kind, content, maker)
            if isinstance(found, str):
                missing.append(item)
                reasons[found] += 1
            else:
                known[content] = found
        bar = progress or NoProgress()
        if missing:
            bar.start(len(missing), _label(kind, len(missing), len(wanted), reasons))
        for item in missing:
            tensors = {n: t.detach().cpu().contiguous() for n, t in item.make().items()}
            self._keep(kind, item.content, maker, tensors)
            known[item.content] = tensors
            bar.advance(1, item.name)
        if missing:
            bar.finish()
        return [known[item.content] for item in items]

    def _place(self, kind: Kind, content: str, maker: Maker) -> Path:
        return self._folder / kind / content / f"{maker.digest[:16]}.safetensors"

    def _recall(self, kind: Kind, content: str, maker: Maker) -> dict[str, Tensor] | str:
        """Give an item, or why it must be made: empty for what was never made before."""
        place = self._place(kind, content, maker)
        if not place.is_file():
            return _difference(place.parent, maker)
        try:
            with safe_open(place, framework="pt") as file:
                told = json.loads(file.metadata()["told"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return "damaged"
        return tensors if told == _told(maker, tensors) else "damaged"

    def _keep(self, kind: Kind, content: str, maker: Maker, tensors: dict[str, Tensor]) -> None:
        # Under one key, for several come in another order each time.
        header = {"told": json.dumps(_told(maker, tensors), sort_keys=True)}
        with cached_write(self._place(kind, content, maker)) as temporary:
            temporary.write_bytes(save(tensors, header))


def _told(maker: Maker, tensors: Tensors) -> dict[str, object]:
    """What an item says of itself."""
    return {"maker": dict(maker.facts), "sha256": tensors_digest(tensors)}


def _difference(folder: Path, maker: Maker) -> str:
    """What is other about the latest maker of the same content; empty where there is none."""
    try:
        others = sorted(
            folder.glob("[!.]*.safetensors"), key=lambda p: (p.stat().st_mtime_ns, p.name)
        )
        with safe_open(others[-1], framework="pt") as file:
            facts = json.loads(file.metadata()["told"])["maker"]
    except (OSError, IndexError, SafetensorError, KeyError, TypeError, ValueError):
        return ""
    names = sorted(facts.keys() | maker.facts.keys())
    other = [name for name in names if facts.get(name) != maker.facts.get(name)]
    return " and ".join(f"another {name}" for name in other)


def _label(kind: Kind, num_missing: int, num_items: int, reasons: Counter[str]) -> str:
    """Such as ``encoding 12 of 40 pictures again: another VAE``."""
    told = f"encoding {num_missing} of {num_items} {_NOUNS[kind]}"
    why = [reason for reason, _ in reasons.most_common() if reason]
    if not why:
        return told
    num_again = num_missing - reasons[""]
    again = " again" if num_again == num_missing else f", {num_again} again"
    return f"{told}{again}: {'; '.join(why)}"
