"""An adapter works with the backbone and the encoder it was made for, and with no other."""

from typing import Protocol

from facekit.errors import AdapterMismatch

__all__ = ["MadeFor", "check_backbone", "check_encoder"]


class MadeFor(Protocol):
    """What an identity adapter's config and a character's header have in common."""

    @property
    def backbone(self) -> str:
        """Name of the backbone spec."""

    @property
    def backbone_digest(self) -> str:
        """sha256 of its weights; empty when unknown."""

    @property
    def encoder(self) -> str:
        """Name of the face encoder."""

    @property
    def encoder_digest(self) -> str:
        """sha256 of its weights; empty when unknown."""


def check_backbone(
    source: str, made: MadeFor, name: str, digest: str = "", *, allow_other_weights: bool = False
) -> None:
    """Compare with a backbone; an empty digest on either side is not compared.

    Args:
        source: The file, for the message.
        made: A config or header.
        name: Of the backbone at hand.
        digest: sha256 of its weights.
        allow_other_weights: Only the name must agree, as for a finetuned backbone.

    Raises:
        AdapterMismatch: Another one.
    """
    if made.backbone != name:
        raise AdapterMismatch(
            f"{source}: made for backbone {made.backbone or 'unknown'}, got {name}, expected the"
            f" same; load {made.backbone or 'that backbone'}, or train on {name}"
        )
    if not allow_other_weights and _differ(made.backbone_digest, digest):
        raise AdapterMismatch(
            f"{source}: made for {name} with sha256 {made.backbone_digest[:12]}, got"
            f" {digest[:12]}, expected the same weights; load those (a recipe names them with"
            " base.source), or attach from Python with allow_other_weights"
        )


def check_encoder(source: str, made: MadeFor, name: str, digest: str = "") -> None:
    """Compare with a face encoder; an empty digest on either side is not compared.

    Raises:
        AdapterMismatch: Another one.
    """
    if made.encoder and made.encoder != name:
        raise AdapterMismatch(
            f"{source}: made for face encoder {made.encoder}, got {name}, expected the same;"
            f" use encoder {made.encoder}"
        )
    if _differ(made.encoder_digest, digest):
        raise AdapterMismatch(
            f"{source}: made for {name} with sha256 {made.encoder_digest[:12]}, got"
            f" {digest[:12]}, expected the same weights; use those"
        )


def _differ(recorded: str, found: str) -> bool:
    return bool(recorded and found) and recorded != found
