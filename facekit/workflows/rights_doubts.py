"""What is told where a character is only looked at, and its consent does not hold."""

from facekit.adapters.character import Character
from facekit.errors import ConsentRefused, LedgerDamaged, SignatureRefused
from facekit.workflows.rights import permit_character
from facekit.workflows.rights_place import find_rights

__all__ = ["doubts_about"]


def doubts_about(character: Character) -> tuple[str, ...]:
    """Say why a character could not be trained or packed now; empty where it could."""
    place = find_rights()
    try:
        permit_character(
            character.name, character.source, character.file.header, place.use("pack"), place
        )
    except (ConsentRefused, SignatureRefused, LedgerDamaged) as error:
        told = str(error).rpartition(";")[0]
        return (f"{told}; measured all the same, and nothing new is made of it",)
    return ()
