"""Photos and clips to tensors: nothing is encoded twice, and each latent frame knows its face."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facekit.faces.align import similarity_transform
from facekit.identity.excerpt import Excerpt
from facekit.media.cache import cache_dir
from facekit.media.frames import frame_times
from facekit.media.video import write_clip
from facekit.training import makers
from facekit.training.denoiser import Denoiser
from facekit.training.encoded import EncodedPhotos
from facekit.training.encoding import encode_photos
from facekit.training.train_character import CACHE_FILE
from facekit.types import Clip
from tests.tiny.faces import draw_photo
from tests.tiny.parsers import tiny_parser
from tests.tiny.training import TinyRun, face_in


@contextmanager
def counted(pipe: Any) -> Iterator[dict[str, int]]:
    """Counts how often the VAE and the text encoder are run."""
    counts = {"vae": 0, "text": 0}

    def count(name: str) -> Any:
        def hook(*_: Any) -> None:
            counts[name] += 1

        return hook

    hooks = [
        pipe.vae.encoder.register_forward_pre_hook(count("vae")),
        pipe.text_encoder.register_forward_pre_hook(count("text")),
    ]
    try:
        yield counts
    finally:
        for hook in hooks:
            hook.remove()


def encode(run: TinyRun, **options: Any) -> EncodedPhotos:
    denoiser = Denoiser(pipe=run.pipe, spec=run.spec)
    return encode_photos(run.photos, run.subject, denoiser, run.faces, **options)


def same(one: EncodedPhotos, two: EncodedPhotos) -> bool:
    pairs = [
        *zip(one.latents, two.latents, strict=True),
        *zip(one.masks, two.masks, strict=True),
        *zip(one.transforms, two.transforms, strict=True),
        *((one.texts[name], two.texts[name]) for name in one.texts),
    ]
    return one.captions == two.captions and all(torch.equal(a, b) for a, b in pairs)


def with_clip(run: TinyRun, folder: Path, faces: str = "11111", **changes: Any) -> TinyRun:
    """A run with an excerpt of five frames; ``faces`` says in which of them the face is."""
    path = folder / "a.mp4"
    drawn = [draw_photo(seed=index, size=(48, 96)) for index in range(5)]
    write_clip(path, Clip(frames=np.stack(drawn), fps=8.0))
    excerpt = Excerpt(
        source="a.mp4@00:00.000",
        file=path,
        content="c" * 64,
        times_ms=frame_times(path),
        size_px=(48, 96),
        faces=tuple(
            face_in(drawn[0]).moved(float(index), 0.0) if there == "1" else None
            for index, there in enumerate(faces)
        ),
        photo=2,
        sidecar="{trigger} in the park, talking",
    )
    run.photos = replace(run.photos, excerpts=(replace(excerpt, **changes),))
    return run


def test_warm_neither_the_vae_nor_the_text_encoder_is_run(tiny_run: TinyRun) -> None:
    with counted(tiny_run.pipe) as cold:
        first = encode(tiny_run)
    with counted(tiny_run.pipe) as warm:
        second = encode(tiny_run)
    assert min(cold.values()) > 0
    assert warm == {"vae": 0, "text": 0}
    assert same(first, second)


def test_runs_and_recipes_share_what_is_encoded(tmp_path: Path) -> None:
    TinyRun(tmp_path / "a", level="L0")()
    other = TinyRun(tmp_path / "b", level="L1", steps=1, seed=5, validate_every=0)
    with counted(other.pipe) as counts:
        other(validate=None)
    assert counts["vae"] == 0
    assert counts["text"] == 0


def test_a_run_goes_on_from_its_own_file_whatever_became_of_the_cache(tiny_run: TinyRun) -> None:
    first = tiny_run()
    kept = EncodedPhotos.load(tiny_run.out_dir / CACHE_FILE, tiny_run.digest)
    assert kept is not None
    shutil.rmtree(cache_dir())
    with counted(tiny_run.pipe) as counts:
        again = tiny_run(validate=None)
    assert counts == {"vae": 0, "text": 0}
    assert first.lora is not None
    assert again.lora is not None
    assert all(torch.equal(first.lora[name], again.lora[name]) for name in first.lora)
    assert not (cache_dir() / "encodings").exists()


@pytest.mark.parametrize(
    ("part", "again"),
    [("vae", {"vae": 1, "text": 0}), ("text_encoder", {"vae": 0, "text": 1})],
)
def test_another_part_encodes_its_own_share_again(
    tiny_run: TinyRun, part: str, again: dict[str, int]
) -> None:
    before = encode(tiny_run)
    for parameter in getattr(tiny_run.pipe, part).parameters():
        parameter.data += 0.01
    with counted(tiny_run.pipe) as counts:
        after = encode(tiny_run)
    assert {name: bool(number) for name, number in counts.items()} == {
        name: bool(number) for name, number in again.items()
    }
    changed = not torch.equal(before.latents[0], after.latents[0])
    assert changed == (part == "vae")
    texts = [x.texts["encoder_hidden_states"] for x in (before, after)]
    assert torch.equal(*texts) == (part == "vae")


def test_other_code_encodes_all_again(tiny_run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    before = encode(tiny_run)
    monkeypatch.setattr(makers, "RULES_OF_ENCODING", -1)
    with counted(tiny_run.pipe) as counts:
        after = encode(tiny_run)
    assert min(counts.values()) > 0
    assert same(before, after)


def test_what_is_encoded_does_not_depend_on_what_the_cache_held(tiny_run: TinyRun) -> None:
    whole = encode(tiny_run)
    files = sorted((cache_dir() / "encodings").rglob("*.safetensors"))
    for file in files[::2]:
        file.unlink()
    assert same(whole, encode(tiny_run))


def test_photos_that_stand_still_for_longer_are_other_items(tiny_run: TinyRun) -> None:
    short, still = encode(tiny_run), encode(tiny_run, num_frames=5)
    assert {x.shape[1] for x in short.latents} == {1}
    assert {x.shape[1] for x in still.latents} == {3}, "the tiny VAE puts two frames in one"
    assert set(still.face_frames) == {0}
    assert still.clips == set()


def test_an_excerpt_is_a_view_of_its_own(tiny_run: TinyRun, tmp_path: Path) -> None:
    photos = encode(tiny_run)
    both = encode(with_clip(tiny_run, tmp_path))
    assert both.clips == {len(photos.latents)}
    assert same(photos, replace(both, latents=both.latents[:-1], **_without_last(both)))
    assert both.latents[-1].shape[1:] == (3, 4, 8), "5 frames of 32 x 64 px, the nearest aspect"
    assert both.view_photos[-1] == 2
    assert both.captions[-1] == "a mira person in the park, talking"
    assert both.class_captions[-1] == "a person in the park, talking"


def _without_last(encoded: EncodedPhotos) -> dict[str, Any]:
    kept = [encoded.phrases.index(phrase) for phrase in encoded.phrases]
    known = {"", *encoded.captions[:-1], *encoded.class_captions[:-1]}
    kept = [index for index in kept if encoded.phrases[index] in known]
    return {
        "masks": encoded.masks[:-1],
        "transforms": encoded.transforms[:-1],
        "captions": encoded.captions[:-1],
        "texts": {name: tensor[kept] for name, tensor in encoded.texts.items()},
    }


def test_an_excerpt_is_not_even_decoded_when_it_is_known(tiny_run: TinyRun, tmp_path: Path) -> None:
    first = encode(with_clip(tiny_run, tmp_path))
    (tmp_path / "a.mp4").unlink()
    assert same(first, encode(tiny_run))


def test_the_mask_of_a_latent_frame_is_the_mean_of_its_frames(
    tiny_run: TinyRun, tmp_path: Path
) -> None:
    full = encode(with_clip(tiny_run, tmp_path)).masks[-1]
    none_first = encode(with_clip(tiny_run, tmp_path, faces="01111")).masks[-1]
    half = encode(with_clip(tiny_run, tmp_path, faces="10101")).masks[-1]
    assert full.shape == (3, 4, 8)
    assert full[0].sum() > 0.5
    assert none_first[0].sum() == 0
    assert torch.equal(none_first[1], full[1])
    assert float(half[1].sum()) == pytest.approx(float(full[1].sum()) / 2, rel=0.1)


@pytest.mark.parametrize(
    ("faces", "frame", "shown"),
    [("11111", 0, 0), ("01111", 1, 2), ("01001", 1, 1), ("00011", 2, 4)],
)
def test_the_identity_loss_looks_at_a_latent_frame_with_a_face(
    tiny_run: TinyRun, tmp_path: Path, faces: str, frame: int, shown: int
) -> None:
    encoded = encode(with_clip(tiny_run, tmp_path, faces=faces))
    assert encoded.face_frames[-1] == frame
    # 48 x 96 px become 32 x 64 px, and the face moves by one pixel of the clip a frame.
    face = face_in(draw_photo(size=(48, 96))).moved(float(shown), 0.0)
    marks = (face.landmarks_px + 0.5) * (2 / 3) - 0.5
    matrix = similarity_transform(marks, tiny_run.faces.crop_size_px, tiny_run.faces.crop_margin)
    np.testing.assert_allclose(encoded.transforms[-1].numpy(), matrix, atol=1e-3)


def test_a_parser_draws_the_masks_of_an_excerpt_once(tiny_run: TinyRun, tmp_path: Path) -> None:
    class Counting:
        def __init__(self) -> None:
            self.real, self.calls = tiny_parser(), 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def parse(self, image: Any, face: Any) -> Any:
            self.calls += 1
            return self.real.parse(image, face)

    parser = Counting()
    run = with_clip(tiny_run, tmp_path, faces="11011")
    first = encode(run, parser=parser)
    assert parser.calls == 4, "one frame has no face"
    assert same(first, encode(run, parser=parser))
    assert parser.calls == 4
    assert not torch.equal(first.masks[-1], encode(run).masks[-1])


def test_the_file_of_a_run_holds_everything(tiny_run: TinyRun, tmp_path: Path) -> None:
    encoded = encode(with_clip(tiny_run, tmp_path, faces="01111"))
    encoded.save(tmp_path / "a.safetensors", "d")
    loaded = EncodedPhotos.load(tmp_path / "a.safetensors", "d")
    assert loaded is not None
    assert same(encoded, loaded)
    assert loaded.clips == encoded.clips
    assert loaded.face_frames == encoded.face_frames
    assert EncodedPhotos.load(tmp_path / "a.safetensors", "e") is None
