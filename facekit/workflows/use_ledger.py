"""One line in the ledger for every clip that is delivered."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.errors import FacekitError
from facekit.provenance.facts import new_render_id
from facekit.rights.ledger import LedgerLine
from facekit.weights import file_digest, known_digest
from facekit.workflows.rights import Permit
from facekit.workflows.rights_place import RightsPlace

__all__ = ["Appearance", "UseLedger", "open_ledger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """A character in a clip."""

    permit: Permit
    seconds: float
    """Of the clip that it is in."""
    seen_seconds: float | None = None
    """In which its face was measured; None where nobody measured."""

    def to_json(self) -> dict[str, object]:
        """What the ledger keeps of it."""
        permit = self.permit
        return {
            "character": permit.name,
            "character_sha256": known_digest(Path(permit.source)),
            "preset": permit.preset or None,
            "subject_ref": permit.subject_ref or None,
            "consent": permit.consent or None,
            "right": permit.by,
            "seconds": round(self.seconds, 3),
            "seen_seconds": None if self.seen_seconds is None else round(self.seen_seconds, 3),
        }


@dataclass(slots=True, kw_only=True)
class UseLedger:
    """The ledger while clips are delivered."""

    place: RightsPlace
    use: str = ""
    closed: str = ""
    """Why nothing is written; only where nobody is depicted."""

    def delivered(
        self,
        media: Path,
        people: Sequence[Appearance],
        *,
        job: str,
        render_id: str | None = None,
        slot: Path | None = None,
    ) -> None:
        """Note a clip; one that is noted already, with this content, is not noted again.

        A line that is noted in the place of another one replaces it, so that nobody's seconds are
        counted twice.

        Args:
            media: The file as it is handed over.
            people: Who is in it.
            job: What it was made by: the fingerprint of the take.
            render_id: 128 bits as hex that the file carries; random ones when None.
            slot: What the clip takes the place in: the folder of a shot, of which the latest
                version is shown; the file itself when None.

        Raises:
            OutputError: The ledger cannot be written.
            LedgerDamaged: It does not hold.
        """
        if self.closed:
            return
        digest, place = file_digest(media), self._place(slot or media)
        content = {
            "render_id": render_id or new_render_id(),
            "file": str(media.absolute()),
            "slot": place,
            "sha256": digest,
            "job": job,
            "project": self.place.project,
            "use": self.use,
            "people": [one.to_json() for one in people],
        }

        def is_there(line: LedgerLine) -> bool:
            told = line.content
            return (told.get("sha256"), told.get("slot"), told.get("job")) == (digest, place, job)

        self.place.ledger.append_unless("use", content, is_there)

    def _place(self, path: Path) -> str:
        """A path from the ledger's folder, which stays the same where a show is moved."""
        path, folder = path.absolute(), self.place.ledger.path.absolute().parent
        return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)

    def take(self, clip: Path, permits: Sequence[Permit], *, job: str) -> None:
        """Note a take by what its record says of its length; raises as `delivered`."""
        told = json.loads(clip.with_suffix(".json").read_text(encoding="utf-8"))
        seconds = int(told["shot"]["num_frames"]) / float(told["fps"])
        people = [Appearance(permit=permit, seconds=seconds) for permit in permits]
        origin = told.get("origin") or {}
        self.delivered(clip, people, job=job, render_id=origin.get("render_id"))


def open_ledger(place: RightsPlace, permits: Sequence[Permit], use: str = "") -> UseLedger:
    """Make sure that clips can be noted before any is made.

    Where nobody is depicted, a ledger that cannot be written stops nothing; `closed` says why.

    Raises:
        OutputError: It cannot be written, and somebody is in the clips.
        LedgerDamaged: It does not hold, and somebody is in the clips.
    """
    used = next((one.use.use for one in permits if one.use is not None), use)
    try:
        place.ledger.ready()
    except FacekitError as error:
        if any(one.by != "nobody depicted" for one in permits):
            raise
        return UseLedger(place=place, use=used, closed=str(error).partition(";")[0])
    return UseLedger(place=place, use=used)
