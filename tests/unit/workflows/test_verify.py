import hashlib
import json
import shutil
from dataclasses import replace

import pytest
import torch

from facekit.errors import MediaError
from facekit.media.images import write_image
from facekit.presets.seen import Seen
from facekit.provenance.signing import sign_file
from facekit.provenance.watermark import VideoSeal, message_of
from facekit.rights.ledger import LedgerLine
from facekit.signing.home import KeyHome, key_home
from facekit.signing.keys import SigningKey
from facekit.weights import file_digest
from facekit.workflows.credentials import output_record, sign_output
from facekit.workflows.rights_place import find_rights
from facekit.workflows.verify import verify_files
from facekit.workflows.verify_known import ledger_words
from tests.tiny.presets import tiny_contents, write_preset
from tests.tiny.provenance import FACTS, chain, clip, frames, picture
from tests.tiny.seals import TinySeal
from tests.tiny.time_stamps import serve_time
from tests.unit.provenance.test_watermark import grey


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("FACEKIT_CREDENTIALS")
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("FACEKIT_LEDGER", str(tmp_path / "ledger.jsonl"))
    (tmp_path / "show").mkdir()
    monkeypatch.chdir(tmp_path / "show")
    return tmp_path / "show"


def made(path, seed=0):
    sign_output(clip(path, seed), FACTS, frames=frames(seed))
    return path


def test_it_says_whose_face_which_preset_and_which_consent(folder):
    result = verify_files([made(folder / "a.mp4")])

    text = result.describe()
    for line in (
        "a.mp4: whole since it was signed, by a trusted key",
        "face: mira (character aaaaaaaaaaaa)",
        "preset: org.show/mira@1.0.0",
        "consent: cccccccccccc",
        f"render: {FACTS.render_id}, by facekit 0.1.0 toon",
        "made here as: a.mp4",
        "cannot be known: when it was signed",
    ):
        assert line in text
    (told,) = json.loads(json.dumps(result.to_json()))["files"]
    assert (told["sure"], told["how"], told["credentials"]["state"]) == (
        True,
        "credentials",
        "trusted",
    )
    assert result.exit_code == 0


def test_somebody_who_trusts_the_root_sees_a_trusted_file(folder, tmp_path, monkeypatch):
    path = made(folder / "a.mp4")
    root = (tmp_path / "keys" / "credentials" / "facekit.pub").read_text()
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "theirs"))
    (before,) = verify_files([path]).files
    assert (before.credentials.state, before.is_sure) == ("valid", False)

    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "trusted.pub").write_text(root)

    (after,) = verify_files([path]).files
    assert (after.credentials.state, after.is_sure, after.output) == ("trusted", True, None)
    assert key_home().own() == ()


def test_a_folder_is_walked_and_counted(folder):
    made(folder / "a.mp4")
    (folder / "deep").mkdir()
    picture(folder / "deep" / "b.png", seed=7)
    (folder / "deep" / "c.txt").write_text("no picture")

    result = verify_files([folder, folder / "a.mp4"])

    assert [one.path.name for one in result.files] == ["a.mp4", "b.png"]
    assert result.describe().endswith("2 files: 1 trusted, 0 tampered with")
    assert "no credentials, and nothing is known of it here" in result.describe()


def test_what_others_signed_says_nothing_of_facekit_but_what_is_known(folder):
    path = picture(folder / "a.png", seed=3)
    sign_file(path, replace(FACTS, shown=(), render_id="8" * 32), chain())

    (found,) = verify_files([path]).files

    assert (found.how, found.is_sure, found.tampered) == ("credentials", False, "")
    assert "face: as it says, no character" in found.describe()


def test_bytes_that_are_in_the_list_are_known_without_credentials(folder):
    path = folder / "a.0001.exr"
    path.write_bytes(b"v/1\x01 pixels")
    sign_output(path, FACTS)
    path.with_suffix(".c2pa").unlink()

    (found,) = verify_files([path]).files

    assert (found.how, found.is_sure, found.facts) == ("file", True, FACTS)
    assert "these very bytes" in found.describe()


def test_a_watermark_leads_to_the_render(folder):
    net = folder / "tiny.jit"
    torch.jit.script(TinySeal()).save(str(net))
    digest = hashlib.sha256(net.read_bytes()).hexdigest()
    marked = VideoSeal(net, digest).embed(grey(1), message_of(FACTS.render_id))
    (folder / "facekit.toml").write_text(
        f'[provenance]\nwatermark = "tiny.jit"\nwatermark_sha256 = "{digest}"\n'
    )
    made(folder / "a.mp4", seed=4)
    write_image(folder / "marked.png", marked[0])
    write_image(folder / "plain.png", grey(1)[0])

    found, plain = verify_files([folder / "marked.png", folder / "plain.png"]).files

    assert (found.how, found.is_sure, found.facts) == ("watermark", False, FACTS)
    assert "its watermark names a render" in found.describe()
    assert plain.how == "nothing"
    assert not any("names no model" in text for text in plain.unknown)


def test_what_cannot_be_looked_at_is_refused(folder):
    (folder / "a.c2pa").write_bytes(b"x")
    for path, match in (
        (folder / "none.mp4", "no such file or folder"),
        (folder / "a.c2pa", "the credentials of another file"),
        (folder, "no video, picture or preset in it"),
    ):
        with pytest.raises(MediaError, match=match):
            verify_files([path])


def test_a_damaged_file_is_no_error(folder):
    (folder / "a.mp4").write_bytes(b"junk")

    (found,) = verify_files([folder / "a.mp4"]).files

    assert (found.how, found.credentials.state) == ("nothing", "none")
    assert "what it shows: it cannot be decoded" in found.unknown
    assert list(output_record().all()) == []


def test_the_ledger_of_use_tells_what_a_file_was_delivered_for(folder):
    path = made(folder / "a.mp4")
    bare = picture(folder / "b.png", seed=7)
    people = [{"character": "mira", "consent": "c" * 64, "seconds": 1.5}]
    for file, render_id in ((path, FACTS.render_id), (bare, "7" * 32)):
        told = {"file": str(file), "sha256": file_digest(file), "render_id": render_id}
        find_rights().ledger.append("use", {**told, "use": "test", "people": people})

    first, second = verify_files([path, bare]).files

    assert first.line is not None
    assert first.line.number == 1
    assert "ledger: line 1, this file delivered" in first.describe()
    assert (second.how, second.is_sure, second.facts.render_id) == ("ledger", True, "7" * 32)
    assert "mira, 1.5 s, by consent cccccccccccc" in second.describe()
    json.dumps(second.to_json())

    ledger = find_rights().ledger.path
    ledger.write_bytes(ledger.read_bytes().replace(b"1.5", b"0.5"))
    result = verify_files([path])
    assert result.exit_code == 6
    assert "ledger of use: " in result.describe()
    assert result.files[0].line is None


def test_a_number_of_the_ledger_in_credentials_of_a_stranger_proves_nothing(folder):
    told = {"sha256": "0" * 64, "file": "film.mp4", "render_id": FACTS.render_id, "people": []}
    find_rights().ledger.append("use", told)
    sign_file(picture(folder / "a.png"), FACTS, chain())

    (verdict,) = verify_files([folder / "a.png"]).files

    assert verdict.line is None
    assert not verdict.is_sure
    assert "ledger: " not in verdict.describe()
    assert "whether it is the render that it names: the ledger notes other bytes" in (
        verdict.describe()
    )


def test_presets_are_verified_with_the_files_of_a_folder(folder):
    key = KeyHome(key_home().folder).create("anna")
    good = write_preset(folder / "good.facekit", tiny_contents(), key=key)
    strange = SigningKey.generate("stranger")
    write_preset(folder / "strange.facekit", tiny_contents(), key=strange)
    (good.source / "README.md").touch()
    whole = verify_files([folder])

    assert [one.path.name for one in whole.presets] == ["good.facekit", "strange.facekit"]
    assert whole.exit_code == 0
    assert "by anna" in whole.describe()
    assert "cannot be known: who packed it" in whole.describe()

    (good.source / "README.md").write_text("changed")
    (broken,) = verify_files([good.source]).presets
    assert broken.tampered
    assert verify_files([good.source]).exit_code == 6
    json.dumps(verify_files([folder]).to_json())


def test_a_preset_that_was_revoked_is_told(folder):
    bob = key_home().create("bob")
    bundle = write_preset(folder / "mira", tiny_contents(), key=bob)
    assert verify_files([bundle.source]).exit_code == 0
    seen = Seen.open("s3://of-some-show")
    seen.remember_revoked(bundle.digest, [bob.public.keyid])
    seen.save()
    result = verify_files([bundle.source])
    assert "REVOKED; whole since it was packed, by bob" in result.describe()
    assert result.exit_code == 4
    assert result.to_json()["presets"][0]["revoked"] is True


@pytest.mark.parametrize(
    ("right", "said"),
    [("nobody depicted", "nobody is depicted"), ("not told", "nobody has said whose face it is")],
)
def test_a_right_that_is_no_consent_is_said_properly(right, said):
    people = [{"character": "mira", "seconds": 1.125, "right": right}]
    line = LedgerLine(
        number=1, kind="use", at="now", prev="", content={"people": people}, sha256=""
    )
    assert ledger_words(line, "")[1] == f"ledger: mira, 1.125 s, {said}"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl answers for the authority")
def test_a_time_that_a_stranger_attests_is_not_known(folder, tmp_path):
    path = picture(folder / "a.png")
    with serve_time(tmp_path / "clock") as (address, root):
        sign_output(path, FACTS, timestamp=address)

    told = verify_files([path]).describe()
    assert "by an unknown time stamp authority" in told
    assert "cannot be known: when it was signed: the authority that attests the time" in told
    (folder / "roots.pem").write_text(root)
    (folder / "facekit.toml").write_text('[provenance]\nanchors = "roots.pem"\n')
    told = verify_files([path]).describe()
    assert "by a time stamp authority" in told
    assert "cannot be known" not in told


def test_what_is_no_media_or_was_cut_off_is_told_apart_from_what_was_changed(folder):
    (folder / "empty.png").write_bytes(b"")
    (folder / "junk.mp4").write_bytes(b"nothing of a movie" * 9)
    (folder / "README.md").write_text("words")
    for name in ("empty.png", "junk.mp4", "README.md"):
        named = verify_files([folder / name])
        assert (named.describe(), named.exit_code) == (f"{folder / name}: no picture or movie", 2)
    assert verify_files([folder]).exit_code == 0
    for path in folder.iterdir():
        path.unlink()
    for path in (made(folder / "a.mp4"), picture(folder / "b.png", seed=7)):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = verify_files([folder])
    assert [(one.is_cut_off, one.is_other) for one in result.files] == [(True, False)] * 2
    assert "damaged or cut off" in result.describe()
    assert "TAMPERED" not in result.describe()
    assert result.describe().endswith("0 trusted, 0 tampered with, 2 damaged or cut off")
    assert result.exit_code == 6
