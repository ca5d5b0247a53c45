import dataclasses
import shutil

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from PIL import Image as PillowImage

from facekit.errors import KeyRefused, MediaError, OutputError
from facekit.media.images import read_image
from facekit.media.video import read_clip
from facekit.provenance.credentials import read_credentials, read_manifest
from facekit.provenance.signing import Edit, sign_file
from tests.tiny.provenance import FACTS, chain, clip, frames, picture
from tests.tiny.time_stamps import serve_time


def saved(path, seed=0):
    PillowImage.fromarray(frames(seed)[0]).save(path)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif", "a.tif"])
def test_pictures_hold_their_credentials_and_their_pixels(name, tmp_path):
    path = saved(tmp_path / name)
    before = read_image(path)

    assert sign_file(path, FACTS, chain()) == path

    assert read_credentials(path).facts == FACTS
    assert (read_image(path) == before).all()


def test_clips_hold_them_too_and_frames_are_the_same(tmp_path):
    path = clip(tmp_path / "a.mp4")
    before = read_clip(path).frames
    size = path.stat().st_size

    sign_file(path, FACTS, chain())

    assert (read_clip(path).frames == before).all()
    assert path.stat().st_size - size < 6000


def test_what_holds_none_gets_a_sidecar_and_stays_as_it_is(tmp_path):
    path = tmp_path / "a.0001.exr"
    path.write_bytes(b"v/1\x01 and so on")

    beside = sign_file(path, FACTS, chain())

    assert beside == tmp_path / "a.0001.c2pa"
    assert path.read_bytes() == b"v/1\x01 and so on"
    found = read_credentials(path)
    assert (found.state, found.is_beside, found.facts) == ("valid", True, FACTS)


def test_the_source_is_told(tmp_path):
    trained, drawn = clip(tmp_path / "a.mp4"), clip(tmp_path / "b.mp4")
    sign_file(trained, FACTS, chain())
    sign_file(drawn, dataclasses.replace(FACTS, made="drawn"), chain())

    kinds = []
    for path in (trained, drawn):
        told = read_manifest(path)
        said = told["manifests"][told["active_manifest"]]["assertions"]
        (actions,) = [one["data"]["actions"] for one in said if one["label"] == "c2pa.actions.v2"]
        assert actions[0]["action"] == "c2pa.created"
        kinds.append(actions[0]["digitalSourceType"].rpartition("/")[2])
    assert kinds == ["trainedAlgorithmicMedia", "algorithmicMedia"]


def test_inputs_with_credentials_become_ingredients(tmp_path):
    first, plain = picture(tmp_path / "first.png"), picture(tmp_path / "plain.png", seed=1)
    sign_file(first, FACTS, chain())
    path = clip(tmp_path / "a.mp4", seed=2)

    sign_file(path, FACTS, chain(), inputs=[first, plain])

    assert [(one.title, one.state) for one in read_credentials(path).ingredients] == [
        ("first.png", "valid")
    ]


def test_an_input_that_was_tampered_with_is_told_as_such(tmp_path):
    first = picture(tmp_path / "first.png")
    sign_file(first, FACTS, chain())
    first.write_bytes(first.read_bytes().replace(b"c" * 64, b"d" * 64))
    path = clip(tmp_path / "a.mp4", seed=2)

    sign_file(path, FACTS, chain(), inputs=[first])

    found = read_credentials(path)
    assert (found.state, found.ingredients[0].state) == ("valid", "invalid")


def test_earlier_credentials_are_kept(tmp_path):
    path = clip(tmp_path / "a.mp4")
    sign_file(path, FACTS, chain(name="first"))
    sign_file(path, FACTS, chain(name="second"))

    found = read_credentials(path)

    assert (found.state, found.signer, len(found.ingredients)) == ("valid", "second", 1)
    assert len(read_manifest(path)["manifests"]) == 2


def test_a_key_that_is_elsewhere_signs(tmp_path):
    here = chain()
    key = load_pem_private_key(here.private_key, None)
    there = dataclasses.replace(here, private_key=b"", sign=key.sign)
    path = clip(tmp_path / "a.mp4")

    sign_file(path, FACTS, there)

    assert read_credentials(path).state == "valid"


def test_no_chain_and_no_media_are_refused_and_leave_the_file(tmp_path):
    path = clip(tmp_path / "a.mp4")
    before = path.read_bytes()
    with pytest.raises(KeyRefused):
        sign_file(path, FACTS, dataclasses.replace(chain(), chain="nothing"))
    assert path.read_bytes() == before
    (tmp_path / "b.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError, match=r"b\.mp4: cannot carry credentials"):
        sign_file(tmp_path / "b.mp4", FACTS, chain())
    assert {file.name for file in tmp_path.iterdir()} == {"a.mp4", "b.mp4"}


def test_an_edit_keeps_its_original_whatever_that_says_of_itself(tmp_path):
    plain, done = picture(tmp_path / "plain.png"), picture(tmp_path / "done.png", seed=1)
    edit = Edit(original=plain, action="c2pa.addedText", description="visible label")

    sign_file(done, None, chain(), edit=edit)

    found = read_credentials(done)
    assert (found.state, found.facts) == ("valid", None)
    assert [(one.title, one.state) for one in found.ingredients] == [("plain.png", "none")]


needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl answers for the time stamp authority"
)


@needs_openssl
def test_a_time_stamp_is_told_and_whose_it_is_counts(tmp_path):
    path, mine = picture(tmp_path / "a.png"), chain()
    with serve_time(tmp_path / "clock") as (address, root):
        sign_file(path, FACTS, mine, timestamp=address)

    found = read_credentials(path)
    assert (found.state, found.is_time_trusted) == ("valid", False)
    assert found.signed_at.startswith("20")
    assert read_credentials(path, anchors=root).is_time_trusted


def test_no_answer_is_told_as_such_and_leaves_the_file(tmp_path):
    path = picture(tmp_path / "a.png")
    before = path.read_bytes()
    with serve_time(tmp_path / "clock", broken=True) as (address, _):
        pass
    with pytest.raises(OutputError, match=rf"no time stamp from {address} .* try again later"):
        sign_file(path, FACTS, chain(), timestamp=address)
    with (
        serve_time(tmp_path / "other", broken=True) as (address, _),
        pytest.raises(OutputError, match="no time stamp from"),
    ):
        sign_file(path, FACTS, chain(), timestamp=address)
    assert path.read_bytes() == before
