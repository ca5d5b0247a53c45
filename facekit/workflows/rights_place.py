"""Where rights are looked up from here: consents, ledger, keys that count, the show."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from facekit.media.files import full_path
from facekit.rights.consent import SignedConsent
from facekit.rights.ledger import Ledger
from facekit.rights.policy import Action, Use
from facekit.rights.store import ConsentStore, DamagedRevocation, Revocation
from facekit.show_file import ConsentPlace, Show, find_show, read_show
from facekit.signing.home import KeyHome, key_home, settings_folder
from facekit.signing.keys import PublicKey, SigningKey
from facekit.signing.statements import parse_time

__all__ = ["RightsPlace", "find_rights"]

_OWN_KEY = "me"


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsPlace:
    """What holds in a folder."""

    store: ConsentStore
    ledger: Ledger
    keys: KeyHome
    show: Show
    show_file: Path | None
    others: tuple["RightsPlace", ...] = ()
    """Where else something may have been taken back, such as the show that a character is of."""
    beside: tuple[Path, ...] = ()
    """Folders in which statements that something was taken back may lie by themselves."""

    @property
    def project(self) -> str:
        """Of the show; empty outside of any."""
        return self.show.project.id

    @property
    def told(self) -> ConsentPlace:
        """What the show says of consent."""
        return self.show.consent

    def known(self) -> tuple[PublicKey, ...]:
        """Own keys, those trusted, and those of the show's people."""
        return (*self.keys.trusted(), *self.show.all_keys())

    @property
    def demanded_by(self) -> Path | None:
        """The file of a show that demands a subject of each character; None where none does."""
        return next((one.show_file for one in (self, *self.others) if one.told.required), None)

    def trusted(self) -> tuple[PublicKey, ...]:
        """Keys that may sign consents: all known ones, unless the show names roles for it.

        Where another show that is looked in names roles, keys count that may sign there as well.
        """
        named = [{key.raw for key in x.in_roles()} for x in self.others if x.told.roles]
        own = self.in_roles() if self.told.roles else self.known()
        return tuple(key for key in own if all(key.raw in keys for keys in named))

    def in_roles(self) -> tuple[PublicKey, ...]:
        """Keys of the people whom the show lets sign consents."""
        people = self.show.people.values()
        return tuple(
            key
            for person in people
            if set(person.roles) & set(self.told.roles)
            for key in person.all_keys()
        )

    def revocations(self, of: Iterable[SignedConsent]) -> tuple[Revocation, ...]:
        """Everything that was taken back, also where the file of it has been removed since.

        Args:
            of: Records that are asked about; what is damaged and cannot be about them is passed
                over.

        Raises:
            SignatureRefused: One is damaged, or signed by nobody trusted.
            LedgerDamaged: The ledger does not hold.
        """
        records = tuple(of)
        found, damaged = self.look_at_revocations()
        for one in damaged:
            if any(map(one.may_concern, records)):
                raise one.error
        return found

    def look_at_revocations(
        self,
    ) -> tuple[tuple[Revocation, ...], tuple[DamagedRevocation, ...]]:
        """Everything that was taken back, and what is damaged; raises `LedgerDamaged`."""
        noted = [
            Revocation(
                digest=str(line.content.get("consent", "")),
                subject_ref=str(line.content.get("subject_ref", "")),
                at=parse_time(line.at),
                effect="withdraw" if line.content.get("effect") == "withdraw" else "stop-new",
            )
            for line in self.ledger.lines()
            if line.kind == "revoke"
        ]
        stores = (self.store, *map(ConsentStore, self.beside))
        looked = [store.look_at_revocations(self.known()) for store in stores]
        looked += [other.look_at_revocations() for other in self.others]
        found = [one for revocations, _ in looked for one in revocations]
        return (*found, *noted), tuple(one for _, damaged in looked for one in damaged)

    def records_of(self, subject_ref: str) -> tuple[SignedConsent, ...]:
        """The records of a person, here and in the other places; raises as `of_subject`."""
        places = (self, *self.others)
        return tuple(one for place in places for one in place.store.of_subject(subject_ref))

    def around(self, source: Path | str) -> "RightsPlace":
        """Look beside a file and in its own show too, which may be another than this one.

        Args:
            source: A character, or a record of consent.

        Raises:
            UsageError: The file of that show has a mistake.
        """
        folders = dict.fromkeys((full_path(source).parent, Path(source).resolve().parent))
        others = {one.home: one for one in (*self.others, *map(find_rights, folders))}
        others.pop(self.home, None)
        beside = dict.fromkeys((*self.beside, *folders))
        beside.pop(full_path(self.store.folder), None)
        return replace(self, others=tuple(others.values()), beside=tuple(beside))

    @property
    def home(self) -> tuple[Path, Path]:
        """The folder of consents and the file of the ledger, in full."""
        return full_path(self.store.folder), full_path(self.ledger.path)

    def use(
        self,
        action: Action,
        *,
        use: str = "",
        territory: tuple[str, ...] = (),
        territory_exclude: tuple[str, ...] = (),
        media: tuple[str, ...] = (),
    ) -> Use:
        """Describe a use; what is not said is what the show says."""
        told = self.told
        return Use(
            action=action,
            use=use or told.use,
            project=self.project,
            territory=territory or told.territory,
            territory_exclude=territory_exclude or told.territory_exclude,
            media=media or told.media,
        )

    def signing_key(self, name: str | None = None, *, make: bool = False) -> SigningKey:
        """The key that signs.

        Args:
            name: Which; the default one when None.
            make: Whether one is made where there is none.

        Raises:
            KeyRefused: There is none, or it cannot be opened.
        """
        if make and name is None and not self.keys.own():
            self.keys.create(_OWN_KEY, passphrase=os.environ.get("FACEKIT_PASSPHRASE"))
        return self.keys.signing_key(name)


def find_rights(folder: Path | None = None) -> RightsPlace:
    """Find consents and ledger: those of the show around a folder, or else the user's own.

    `FACEKIT_CONSENT` and `FACEKIT_LEDGER` name others.

    Args:
        folder: Where to look from; the working folder when None.

    Raises:
        UsageError: The show's file has a mistake.
    """
    path = find_show(folder)
    show = read_show(path)
    home = settings_folder()
    consents = home / "consent" if path is None else path.parent / show.consent.folder
    ledger = home / "ledger.jsonl" if path is None else path.parent / show.ledger.file
    if named := os.environ.get("FACEKIT_CONSENT"):
        consents = Path(named).expanduser()
    if named := os.environ.get("FACEKIT_LEDGER"):
        ledger = Path(named).expanduser()
    return RightsPlace(
        store=ConsentStore(consents),
        ledger=Ledger(ledger),
        keys=key_home(),
        show=show,
        show_file=path,
    )
