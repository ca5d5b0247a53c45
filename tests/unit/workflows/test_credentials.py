import json
from datetime import timedelta

import numpy as np
import pytest

from facekit.errors import KeyRefused, UsageError, WeightsMissing
from facekit.media.images import read_image
from facekit.media.video import read_clip, write_clip
from facekit.provenance.credentials import read_credentials
from facekit.provenance.facts import Facts
from facekit.types import Clip, Shot
from facekit.workflows.credentials import (
    anchors,
    output_record,
    prepare_credentials,
    sign_output,
    signed_output,
    trusted_roots,
    why_unsigned,
)
from facekit.workflows.origin import facts_of
from facekit.workflows.takes import is_done, write_take
from tests.tiny.provenance import FACTS, chain, clip, frames

SHOT = Shot(name="a", prompt="p", seed=1, num_frames=3, height=48, width=48, kind="close-up")
RECORD = {"character": "mira", "character_file": None, "backbone": "toon", "fingerprint": "f" * 64}


@pytest.fixture(autouse=True)
def show(tmp_path, monkeypatch):
    """A show's folder, where credentials are wanted."""
    monkeypatch.delenv("FACEKIT_CREDENTIALS")
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "keys"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "facekit.toml"


def take(folder, seed=0, **record):
    pictures = Clip(frames=frames(seed), fps=8.0)
    return write_take(folder, SHOT, pictures, {**RECORD, **record})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_take_is_signed_and_its_record_says_the_same(tmp_path):
    path = take(tmp_path / "out")

    said = Facts.from_json(json.loads(path.with_suffix(".json").read_text())["origin"])
    for file in (path, path.with_suffix(".png")):
        found = read_credentials(file, trusted_roots())
        assert (found.state, found.facts) == ("trusted", said)
    assert (said.shown[0].name, said.backbone, said.made) == ("mira", "toon", "trained")
    assert is_done(tmp_path / "out", SHOT, "f" * 64)
    assert [one.name for one in output_record().all()] == ["a.mp4", "a.png"]
    assert names(tmp_path / "out") == ["a.json", "a.mp4", "a.png"]


def test_credentials_change_no_pixel(tmp_path, monkeypatch):
    signed = take(tmp_path / "signed")
    monkeypatch.setenv("FACEKIT_CREDENTIALS", "none")
    plain = take(tmp_path / "plain")

    assert (read_clip(signed).frames == read_clip(plain).frames).all()
    pictures = [read_image(path.with_suffix(".png")) for path in (signed, plain)]
    assert (pictures[0] == pictures[1]).all()
    assert "origin" not in json.loads(plain.with_suffix(".json").read_text())
    assert read_credentials(plain).state == "none"


def test_a_kill_while_signing_leaves_no_take(tmp_path, monkeypatch):
    def killed(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("facekit.workflows.credentials.sign_file", killed)
    with pytest.raises(KeyboardInterrupt):
        take(tmp_path / "out")

    assert names(tmp_path / "out") == ["a.json"]


def test_what_a_take_goes_on_from_becomes_an_ingredient(tmp_path):
    first = take(tmp_path / "first")
    second = take(tmp_path / "second", seed=1, starts_from=str(first))
    third = take(tmp_path / "third", seed=2, goes_on_from="not/there.mp4")

    assert [one.title for one in read_credentials(second).ingredients] == ["a.mp4"]
    assert read_credentials(third).ingredients == ()


def test_what_is_made_of_a_take_bears_its_render_id(tmp_path):
    record = json.loads(take(tmp_path / "out").with_suffix(".json").read_text())

    assert facts_of(record).render_id == record["origin"]["render_id"]


def test_a_folder_is_signed_file_by_file(tmp_path):
    folder = tmp_path / "exr"
    folder.mkdir()
    for index in range(2):
        (folder / f"a.{index:04d}.exr").write_bytes(b"v/1\x01" + bytes([index]))
    (folder / "notes.txt").write_text("no picture")

    sign_output(folder, FACTS)

    assert names(folder) == [
        "a.0000.c2pa",
        "a.0000.exr",
        "a.0001.c2pa",
        "a.0001.exr",
        "notes.txt",
    ]
    assert read_credentials(folder / "a.0001.exr").state == "valid"


def test_a_written_exr_gets_its_sidecar(tmp_path):
    with signed_output(tmp_path / "a.exr", FACTS) as place:
        place.write_bytes(b"v/1\x01")

    assert (tmp_path / "a.exr").read_bytes() == b"v/1\x01"
    assert read_credentials(tmp_path / "a.exr").facts == FACTS


def test_the_first_key_is_told_once():
    (told,) = prepare_credentials()

    assert "a key that was made now" in told
    assert "facekit.pub" in told
    assert prepare_credentials() == ()


def test_none_are_made_where_that_is_said(show, monkeypatch):
    show.write_text("[provenance]\nsign = false\n")
    assert why_unsigned() == f"[provenance] sign = false in {show}"
    assert facts_of(RECORD) is None
    assert "nobody will see where these files come from" in prepare_credentials()[0]
    assert not (show.parent / "keys").exists()
    monkeypatch.setenv("FACEKIT_CREDENTIALS", "perhaps")
    with pytest.raises(UsageError, match="FACEKIT_CREDENTIALS=perhaps, expected none"):
        why_unsigned()


def test_own_certificates_sign_and_own_roots_are_trusted(show):
    mine = chain(name="studio")
    (show.parent / "chain.pem").write_text(mine.chain)
    (show.parent / "key.pem").write_bytes(mine.private_key)
    (show.parent / "root.pem").write_text(mine.chain.partition("-----END CERTIFICATE-----\n")[2])
    show.write_text(
        '[provenance]\ncertificates = "chain.pem"\nprivate_key = "key.pem"\nanchors = "root.pem"\n'
    )
    with pytest.raises(KeyRefused, match="others may read it"):
        prepare_credentials()
    (show.parent / "key.pem").chmod(0o600)
    assert prepare_credentials() == ()

    path = clip(show.parent / "a.mp4")
    sign_output(path, FACTS)

    found = read_credentials(path, trusted_roots(), anchors=anchors())
    assert (found.state, found.signer) == ("trusted", "studio")
    assert not (show.parent / "keys" / "credentials").exists()


@pytest.mark.parametrize(
    ("algorithm", "until"), [("es256", timedelta(days=30)), ("ed25519", timedelta(hours=-1))]
)
def test_a_chain_that_cannot_sign_is_told_before_the_work(show, algorithm, until):
    """Of another kind of key, or over."""
    theirs = chain(since=timedelta(days=-9), until=until)
    (show.parent / "chain.pem").write_text(theirs.chain)
    (show.parent / "key.pem").write_bytes(theirs.private_key)
    (show.parent / "key.pem").chmod(0o600)
    show.write_text(
        '[provenance]\ncertificates = "chain.pem"\nprivate_key = "key.pem"\n'
        f'algorithm = "{algorithm}"\n'
    )
    with pytest.raises(KeyRefused):
        prepare_credentials()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('certificates = "a.pem"', "go together"),
        ('watermark = "a.jit"', "go together"),
        ('algorithm = "md5"', "algorithm"),
        ("stamp = true", "unknown key"),
    ],
)
def test_what_no_show_can_say_is_refused(show, text, match):
    show.write_text(f"[provenance]\n{text}\n")

    with pytest.raises(UsageError, match=match):
        prepare_credentials()


def test_a_watermark_that_is_not_there_is_told_before_the_work(show):
    show.write_text(f'[provenance]\nwatermark = "a.jit"\nwatermark_sha256 = "{"0" * 64}"\n')

    with pytest.raises(WeightsMissing, match=r"a\.jit: no such file"):
        prepare_credentials()


def test_anchors_that_are_not_there_are_told(show):
    show.write_text('[provenance]\nanchors = "none.pem"\n')

    with pytest.raises(UsageError, match="expected roots in PEM"):
        anchors()


def test_the_same_clip_is_the_same_but_for_its_credentials(tmp_path):
    pictures = Clip(frames=frames(0), fps=8.0)
    for name in ("a.mp4", "b.mp4"):
        write_clip(tmp_path / name, pictures)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()

    for name in ("a.mp4", "b.mp4"):
        sign_output(tmp_path / name, FACTS)

    assert (tmp_path / "a.mp4").read_bytes() != (tmp_path / "b.mp4").read_bytes()
    assert np.array_equal(
        read_clip(tmp_path / "a.mp4").frames, read_clip(tmp_path / "b.mp4").frames
    )
