"""Files with credentials, and certificates of every kind to sign them with."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from facekit.media.images import write_image
from facekit.media.video import write_clip
from facekit.provenance.certificates import Certificates
from facekit.provenance.facts import Facts, Shown
from facekit.types import Clip

Key: TypeAlias = Ed25519PrivateKey | ec.EllipticCurvePrivateKey
_TIME = ExtendedKeyUsageOID.TIME_STAMPING  # critical, as RFC 3161 asks

FACTS = Facts(
    render_id="00112233445566778899aabbccddeeff",
    version="0.1.0",
    shown=(Shown(name="mira", character="a" * 64, preset="org.show/mira@1.0.0", consent="c" * 64),),
    backbone="toon",
    fingerprint="f" * 64,
)


def frames(seed: int = 0, num_frames: int = 3, side: int = 48) -> np.ndarray:
    """Smooth coloured pictures that no other seed gives."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (num_frames, 6, 6, 3)).astype(np.uint8)
    return small.repeat(side // 6, axis=1).repeat(side // 6, axis=2)


def clip(path: Path, seed: int = 0) -> Path:
    write_clip(path, Clip(frames=frames(seed), fps=8.0))
    return path


def picture(path: Path, seed: int = 0) -> Path:
    write_image(path, frames(seed)[0])
    return path


def chain(
    *,
    name: str = "somebody",
    purpose: ObjectIdentifier | None = ExtendedKeyUsageOID.EMAIL_PROTECTION,
    since: timedelta = timedelta(days=-1),
    until: timedelta = timedelta(days=30),
    is_ecdsa: bool = False,
) -> Certificates:
    """A root of nobody and a certificate by it, such as anybody can make."""
    root, key = _key(is_ecdsa), _key(is_ecdsa)
    authority = _certificate(f"{name} root", f"{name} root", root, root, since, until, None)
    leaf = _certificate(name, f"{name} root", key, root, since, until, purpose)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Certificates(chain=leaf + authority, private_key=secret)


def _key(is_ecdsa: bool) -> Key:
    return ec.generate_private_key(ec.SECP256R1()) if is_ecdsa else Ed25519PrivateKey.generate()


def _certificate(
    name: str,
    issuer: str,
    key: Key,
    signer: Key,
    since: timedelta,
    until: timedelta,
    purpose: ObjectIdentifier | None,
) -> str:
    now, is_root = datetime.now(UTC), key is signer
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + since)
        .not_valid_after(now + until)
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
        )
        .add_extension(
            x509.KeyUsage(not is_root, False, False, False, False, is_root, is_root, False, False),
            True,
        )
    )
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), purpose == _TIME)
    digest = hashes.SHA256() if isinstance(signer, ec.EllipticCurvePrivateKey) else None
    return builder.sign(signer, digest).public_bytes(Encoding.PEM).decode()


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "nobody"),
        ]
    )
