"""Ways to make a file say what is not so, as data."""

import shutil
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import av
from cryptography.x509.oid import ExtendedKeyUsageOID
from PIL import Image as PillowImage

from facekit.media.images import read_image
from facekit.provenance.credentials import sidecar_of
from facekit.provenance.signing import sign_file
from facekit.workflows.credentials import sign_output
from facekit.workflows.verify import verify_files
from tests.tiny.provenance import FACTS, chain, clip, frames, picture

__all__ = ["REFUSED", "STRIPPED", "TAMPERED", "make_files", "signer_name"]

Files: TypeAlias = dict[str, Path]

UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def make_files(folder: Path) -> Files:
    """A clip, a picture and an EXR that were made here, and another clip."""
    made = {
        "clip": clip(folder / "take.mp4"),
        "picture": picture(folder / "take.png"),
        "other": clip(folder / "other.mp4", seed=5),
        "exr": folder / "take.0001.exr",
    }
    made["exr"].write_bytes(b"v/1\x01" + bytes(range(256)))
    for index, (kind, path) in enumerate(made.items()):
        facts = replace(FACTS, render_id=f"{index:032x}")
        shown = None if kind == "exr" else frames(5 if kind == "other" else 0)
        sign_output(path, facts, frames=shown if kind != "picture" else shown[:1])
    return made


def flip(path: Path, at: int) -> Path:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    return path


def boxes(content: bytes) -> list[bytes]:
    """The top-level boxes of an mp4."""
    found, at = [], 0
    while at < len(content):
        size = struct.unpack(">I", content[at : at + 4])[0]
        found.append(content[at : at + size])
        at += size
    return found


def flipped_pixels(files: Files) -> Path:
    path = files["clip"]
    return flip(path, path.read_bytes().rfind(b"mdat") + 500)


def flipped_picture(files: Files) -> Path:
    path = files["picture"]
    return flip(path, path.read_bytes().rfind(b"IDAT") + 40)


def other_words(files: Files) -> Path:
    """The name of the character is another one."""
    path = files["clip"]
    content = path.read_bytes()
    assert content.count(b"dmira") == 1
    path.write_bytes(content.replace(b"dmira", b"dmona"))
    return path


def other_consent(files: Files) -> Path:
    path = files["picture"]
    content = path.read_bytes().replace(b"c" * 64, b"d" * 64)
    path.write_bytes(content)
    return path


def flipped_signature(files: Files) -> Path:
    path = files["clip"]
    return flip(path, path.read_bytes().find(b"c2pa.signature\x00") + 60)


def flipped_claim(files: Files) -> Path:
    path = files["clip"]
    return flip(path, path.read_bytes().find(b"c2pa.claim.v2") + 40)


def flipped_manifest_header(files: Files) -> Path:
    path = files["clip"]
    return flip(path, path.read_bytes().find(b"jumb"))


def flipped_certificate(files: Files) -> Path:
    """The purpose of the certificate is another one: 1.3.6.1.5.5.7.3.4 becomes ...3.1."""
    path = files["clip"]
    content = path.read_bytes()
    oid = bytes.fromhex("06082b06010505070304")
    assert oid in content
    path.write_bytes(content.replace(oid, oid[:-1] + b"\x01"))
    return path


def manifest_of_another(files: Files) -> Path:
    """The box of credentials comes from another clip."""
    theirs = next(box for box in boxes(files["clip"].read_bytes()) if box[8:24] == UUID)
    own = boxes(files["other"].read_bytes())
    files["other"].write_bytes(b"".join(theirs if box[8:24] == UUID else box for box in own))
    return files["other"]


def edited_with_the_old_manifest(files: Files) -> Path:
    """Pixels are drawn anew and the chunk with the credentials is put back."""
    path = files["picture"]
    content = path.read_bytes()
    at = content.find(b"caBX") - 4
    size = struct.unpack(">I", content[at : at + 4])[0] + 12
    chunk = content[at : at + size]
    pixels = read_image(path).copy()
    pixels[10:20, 10:20] = 255
    PillowImage.fromarray(pixels).save(path)
    fresh = path.read_bytes()
    path.write_bytes(fresh[:33] + chunk + fresh[33:])
    return path


def appended(files: Files) -> Path:
    path = files["clip"]
    path.write_bytes(path.read_bytes() + struct.pack(">I4s", 16, b"moov") + bytes(8))
    return path


def cut_short(files: Files) -> Path:
    path = files["picture"]
    path.write_bytes(path.read_bytes()[:-30])
    return path


def changed_exr(files: Files) -> Path:
    return flip(files["exr"], 100)


def sidecar_of_another(files: Files) -> Path:
    other = files["exr"].with_name("other.0002.exr")
    other.write_bytes(files["exr"].read_bytes() + b"x")
    shutil.copy(sidecar_of(files["exr"]), sidecar_of(other))
    return other


def damaged_sidecar(files: Files) -> Path:
    path = sidecar_of(files["exr"])
    path.write_bytes(path.read_bytes()[:500])
    return files["exr"]


def pretended(files: Files) -> Path:
    """Somebody signs another picture anew and says that it is a render of here."""
    path = clip(files["clip"].with_name("new.mp4"), seed=9)
    return sign_file(path, replace(FACTS, render_id=f"{0:032x}"), chain(name=signer_name(files)))


def signed_again(files: Files) -> Path:
    """The pixels are changed, and somebody else signs the same words."""
    path = clip(files["clip"].with_name("again.mp4"), seed=1)
    return sign_file(path, replace(FACTS, render_id=f"{0:032x}"), chain(name="facekit"))


def expired(files: Files) -> Path:
    path = clip(files["clip"].with_name("expired.mp4"), seed=9)
    sign_file(path, FACTS, chain(until=timedelta(seconds=1)))
    time.sleep(2.1)  # certificates count whole seconds
    return path


def signer_name(files: Files) -> str:
    (found,) = verify_files([files["clip"]]).files
    return str(found.credentials.signer)


TAMPERED: dict[str, Callable[[Files], Path]] = {
    one.__name__: one
    for one in (
        flipped_pixels,
        flipped_picture,
        other_words,
        other_consent,
        flipped_signature,
        flipped_claim,
        flipped_manifest_header,
        flipped_certificate,
        manifest_of_another,
        edited_with_the_old_manifest,
        appended,
        cut_short,
        changed_exr,
        sidecar_of_another,
        damaged_sidecar,
        pretended,
        signed_again,
        expired,
    )
}
"""Files that are not what they say; exit code 6."""


def remuxed(files: Files) -> Path:
    out = files["clip"].with_name("remuxed.mp4")
    with av.open(str(files["clip"])) as source, av.open(str(out), "w") as target:
        given = source.streams.video[0]
        stream = target.add_stream_from_template(given)
        for packet in source.demux(given):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return out


def saved_again(files: Files) -> Path:
    out = files["picture"].with_name("saved.png")
    PillowImage.fromarray(read_image(files["picture"])).save(out)
    return out


def scaled_jpeg(files: Files) -> Path:
    out = files["picture"].with_name("scaled.jpg")
    picture = PillowImage.fromarray(read_image(files["picture"]))
    picture.resize((90, 90), PillowImage.Resampling.BICUBIC).save(out, quality=50)
    return out


def without_sidecar(files: Files) -> Path:
    sidecar_of(files["exr"]).unlink()
    return files["exr"]


def stripped_box(files: Files) -> Path:
    path = files["clip"].with_name("stripped.mp4")
    kept = [box for box in boxes(files["clip"].read_bytes()) if box[8:24] != UUID]
    path.write_bytes(b"".join(kept))
    return path


STRIPPED: dict[str, tuple[Callable[[Files], Path], str]] = {
    "remuxed": (remuxed, "looks"),
    "saved_again": (saved_again, "looks"),
    "scaled_jpeg": (scaled_jpeg, "looks"),
    "stripped_box": (stripped_box, "nothing"),  # its chunks are sought where they were before
    "without_sidecar": (without_sidecar, "file"),
}


REFUSED: dict[str, dict[str, Any]] = {
    "wrong_purpose": {"purpose": ExtendedKeyUsageOID.SERVER_AUTH},
    "any_purpose": {"purpose": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE},
    "no_purpose": {"purpose": None},
    "expired_already": {"since": timedelta(days=-9), "until": timedelta(days=-1)},
    "not_yet": {"since": timedelta(days=1)},
}
