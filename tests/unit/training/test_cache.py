"""Encodings kept by content: never those of another maker, never a damaged one."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facekit.errors import OutputError
from facekit.training.cache import EncodingCache, Item, Maker, content_key

VAE = Maker(facts={"VAE": "a", "precision": "float32", "code version": "1"})


class Told:
    """Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.names: list[str] = []

    def start(self, total: int, label: str) -> None:
        self.labels.append(label)

    def advance(self, n: int = 1, info: str = "") -> None:
        self.names.append(info)

    def finish(self) -> None:
        pass


class Counted:
    """Encodes words to their lengths, and counts how often."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def items(self, *words: str) -> list[Item]:
        return [self._item(word) for word in words]

    def _item(self, word: str) -> Item:
        def make() -> dict[str, torch.Tensor]:
            self.made.append(word)
            length = torch.full((1, 2), float(len(word)), dtype=torch.bfloat16)
            return {"latents": length, "mask": torch.ones(3, dtype=torch.int64)}

        return Item(content=content_key(word), make=make, name=word)


@pytest.fixture
def cache(tmp_path: Path) -> EncodingCache:
    return EncodingCache(tmp_path)


def the_file(folder: Path) -> Path:
    (file,) = folder.rglob("*.safetensors")
    return file


def test_what_is_known_is_not_made_again_and_keeps_its_bits_and_types(cache: EncodingCache) -> None:
    counted = Counted()
    first = cache.encode("latents", counted.items("one", "three", "one"), VAE)
    again = cache.encode("latents", counted.items("three", "one"), VAE)
    assert counted.made == ["one", "three"]
    for made, recalled in ((first[0], again[1]), (first[1], again[0]), (first[2], again[1])):
        assert made.keys() == recalled.keys() == {"latents", "mask"}
        assert all(torch.equal(made[n], recalled[n]) for n in made)
        assert recalled["latents"].dtype == torch.bfloat16


@pytest.mark.parametrize("fact", ["VAE", "precision", "code version"])
def test_what_another_maker_left_is_never_used_and_said_so(
    cache: EncodingCache, tmp_path: Path, fact: str
) -> None:
    counted, told = Counted(), Told()
    cache.encode("latents", counted.items("one", "two"), VAE)
    other = Maker(facts={**VAE.facts, fact: "other"})
    cache.encode("latents", counted.items("one", "two", "three"), other, told)
    assert counted.made == ["one", "two", "one", "two", "three"]
    assert told.labels == [f"encoding 3 of 3 pictures, 2 again: another {fact}"]
    cache.encode("latents", counted.items("one"), VAE)
    cache.encode("latents", counted.items("three"), other)
    assert len(counted.made) == 5, "both makers keep what they made"


def test_progress_tells_what_is_made_and_nothing_where_all_is_known(cache: EncodingCache) -> None:
    counted, told = Counted(), Told()
    cache.encode("texts", counted.items("one"), VAE, told)
    cache.encode("texts", counted.items("one"), VAE, told)
    cache.encode("texts", counted.items("one", "two"), VAE, told)
    assert told.labels == ["encoding 1 of 1 captions", "encoding 1 of 2 captions"]
    assert told.names == ["one", "two"]


def test_kinds_do_not_mix(cache: EncodingCache) -> None:
    counted = Counted()
    cache.encode("texts", counted.items("one"), VAE)
    cache.encode("latents", counted.items("one"), VAE)
    assert counted.made == ["one", "one"]


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, empty])
def test_a_damaged_item_is_made_again_and_replaced_whole(
    cache: EncodingCache, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    counted, told = Counted(), Told()
    (first,) = cache.encode("latents", counted.items("one"), VAE)
    file = the_file(tmp_path)
    whole = file.read_bytes()
    damage(file)
    before = file.stat().st_ino
    (second,) = cache.encode("latents", counted.items("one"), VAE, told)
    assert torch.equal(first["latents"], second["latents"])
    assert told.labels == ["encoding 1 of 1 pictures again: damaged"]
    assert file.read_bytes() == whole
    assert file.stat().st_ino != before, "it was renamed into place, not written over"
    assert list(tmp_path.rglob("*")) == [*file.parents[::-1], file][-3:]


def test_an_item_under_a_wrong_name_is_not_believed(cache: EncodingCache, tmp_path: Path) -> None:
    counted = Counted()
    cache.encode("latents", counted.items("one"), VAE)
    other = Maker(facts={"VAE": "b"})
    file = the_file(tmp_path)
    file.rename(file.with_name(f"{other.digest[:16]}.safetensors"))
    cache.encode("latents", counted.items("one"), other)
    assert counted.made == ["one", "one"]


def test_two_processes_that_write_at_once_leave_a_whole_item(
    cache: EncodingCache, tmp_path: Path
) -> None:
    """Both see that it is missing; each waits, half way, until the other is there too."""
    ends = [os.pipe(), os.pipe()]

    def encode(mine: int, his: int) -> None:
        def make() -> dict[str, torch.Tensor]:
            os.write(ends[his][1], b"!")
            os.read(ends[mine][0], 1)
            return {"latents": torch.arange(1000.0)}

        cache.encode("latents", [Item(content="c" * 64, make=make)], VAE)

    child = os.fork()
    if child == 0:
        try:
            encode(0, 1)
        finally:
            os._exit(0)
    encode(1, 0)
    os.waitpid(child, 0)

    def never() -> Any:
        raise AssertionError("it is there")

    (found,) = cache.encode("latents", [Item(content="c" * 64, make=never)], VAE)
    assert torch.equal(found["latents"], torch.arange(1000.0))
    assert [path.name for path in tmp_path.rglob("*.safetensors")] == [the_file(tmp_path).name]


def test_what_was_made_before_a_failure_is_kept(cache: EncodingCache) -> None:
    counted = Counted()

    def fail() -> Any:
        raise RuntimeError("out of memory")

    items = [*counted.items("one"), Item(content="d" * 64, make=fail)]
    with pytest.raises(RuntimeError, match="out of memory"):
        cache.encode("latents", items, VAE)
    cache.encode("latents", counted.items("one"), VAE)
    assert counted.made == ["one"]


def test_a_cache_that_cannot_be_written_says_where_to_put_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="FACEKIT_CACHE"):
        EncodingCache(tmp_path / "file").encode("latents", Counted().items("one"), VAE)


def test_contents_are_told_apart_by_pixels_shape_type_and_borders() -> None:
    pixels = np.arange(12, dtype=np.uint8)
    keys = [
        content_key(pixels),
        content_key(pixels.reshape(3, 4)),
        content_key(pixels.astype(np.int8)),
        content_key(pixels, 1),
        content_key(pixels, "1"),
        content_key("a", "bc"),
        content_key("ab", "c"),
        content_key(""),
    ]
    assert len(set(keys)) == len(keys)
    assert content_key(pixels[::2]) == content_key(pixels[::2].copy())
