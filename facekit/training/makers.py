"""Who encodes: every fact about a backbone or a parser that changes what the cache keeps of it."""

from functools import cache
from importlib import metadata

from facekit.backbones.digest import text_digest, vae_digest
from facekit.faces.protocols import FaceParser
from facekit.training.cache import Maker
from facekit.training.denoiser import Denoiser

__all__ = ["RULES_OF_ENCODING", "parser_maker", "text_maker", "vae_maker"]

RULES_OF_ENCODING = 1
"""Raised when the same picture or caption gives another encoding, so that what is kept is made
again."""

_LIBRARIES = ("torch", "diffusers", "transformers")
_version = cache(metadata.version)  # each call reads and parses a file


def vae_maker(denoiser: Denoiser) -> Maker:
    """The VAE of a backbone, and how its family runs it."""
    vae = denoiser.pipe.vae
    return Maker(
        facts={
            "VAE": vae_digest(denoiser.pipe),
            "kind of backbone": type(denoiser.spec.family).__name__,
            "precision": f"{vae.dtype} on {denoiser.place(vae).type}",
            "code version": _code(),
        }
    )


def text_maker(denoiser: Denoiser) -> Maker:
    """The text encoders of a backbone with their tokenizers, and how its family runs them."""
    pipe, spec = denoiser.pipe, denoiser.spec
    network, encoder = denoiser.network, pipe.text_encoder
    return Maker(
        facts={
            "text encoder": text_digest(pipe),
            "kind of backbone": type(spec.family).__name__,
            "length of captions": str(spec.max_sequence_length),
            # Some families give what the network is told in its own precision.
            "precision": f"{encoder.dtype} for {network.dtype} on {denoiser.place(encoder).type}",
            "code version": _code(),
        }
    )


def parser_maker(parser: FaceParser) -> Maker:
    """A parser of faces."""
    return Maker(
        facts={
            "parser": f"{parser.name} {parser.digest}",
            "code version": _code(),
        }
    )


def _code() -> str:
    libraries = ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES)
    return f"{RULES_OF_ENCODING}, {libraries}"
