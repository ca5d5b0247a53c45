"""Attacks on consents and on the ledger, as data: each changes files, and none may go unnoticed."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

from facekit.adapters.character_header import CharacterHeader, SubjectRecord
from facekit.rights import policy
from facekit.rights.consent import SignedConsent
from facekit.rights.ledger import Ledger
from facekit.rights.store import ConsentStore
from facekit.show_file import Show
from facekit.signing.home import KeyHome
from facekit.signing.statements import Statement, Subject, sign_statement
from facekit.workflows.rights import Permit, permit_character
from facekit.workflows.rights_place import RightsPlace
from tests.tiny.consents import LEGAL, NOW, REF, STRANGER, consent, days, terms

Attack: TypeAlias = Callable[[ConsentStore, Path], None]
Use: TypeAlias = dict[str, Any]


def record_of(store: ConsentStore) -> Path:
    (path,) = store.folder.glob("*.consent.json")
    return path


def edited(**changes: Any) -> Attack:
    """Change the fields of the record and leave its signature."""

    def attack(store: ConsentStore, _: Path) -> None:
        path = record_of(store)
        path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))

    return attack


def replaced(make: Callable[[], SignedConsent]) -> Attack:
    """Put another record in its place."""

    def attack(store: ConsentStore, _: Path) -> None:
        record_of(store).write_bytes(make().to_bytes())

    return attack


def swapped_signature(store: ConsentStore, _: Path) -> None:
    path = record_of(store)
    other = json.loads(consent(purpose="another").to_bytes())["signatures"]
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "signatures": other}))


def without_signature(store: ConsentStore, _: Path) -> None:
    path = record_of(store)
    told = json.loads(path.read_bytes())
    del told["signatures"]
    path.write_text(json.dumps(told))


def borrowed_keyid(store: ConsentStore, _: Path) -> None:
    told = json.loads(consent(key=STRANGER).to_bytes())
    told["signatures"][0]["keyid"] = LEGAL.public.keyid
    record_of(store).write_text(json.dumps(told))


def signed_as_something_else(store: ConsentStore, _: Path) -> None:
    """A signature of the same key over the same record, as a statement of another kind."""
    path = record_of(store)
    told = json.loads(path.read_bytes())
    del told["signatures"]
    made = consent()
    statement = Statement("preset.approve", (Subject(REF, made.digest),), made.content)
    (one,) = sign_statement(statement, [LEGAL]).signatures
    sig = base64.b64encode(one.sig).decode()
    path.write_text(json.dumps({**told, "signatures": [{"keyid": one.keyid, "sig": sig}]}))


def key_twice(store: ConsentStore, _: Path) -> None:
    path = record_of(store)
    path.write_text(path.read_text().replace("{", '{"project": "org.studio.other",', 1))


def one_bit(place: float) -> Attack:
    def attack(store: ConsentStore, _: Path) -> None:
        path = record_of(store)
        content = bytearray(path.read_bytes())
        content[int(place * len(content))] ^= 1
        path.write_bytes(content)

    return attack


def removed(store: ConsentStore, _: Path) -> None:
    record_of(store).unlink()


def emptied(store: ConsentStore, _: Path) -> None:
    record_of(store).write_bytes(b"")


def huge(store: ConsentStore, _: Path) -> None:
    record_of(store).write_bytes(b" " * 1_000_001)


def deep(store: ConsentStore, _: Path) -> None:
    record_of(store).write_bytes(b"[" * 100_000)


def taken_back(store: ConsentStore, _: Path) -> None:
    store.revoke(store.find("mira"), (LEGAL,), effect="withdraw")


def forged_revocation(store: ConsentStore, _: Path) -> None:
    store.revoke(store.find("mira"), (STRANGER,), effect="withdraw")


def damaged_revocation(store: ConsentStore, _: Path) -> None:
    path, _revocation = store.revoke(store.find("mira"), (LEGAL,), effect="withdraw")
    path.write_bytes(path.read_bytes()[:-40])


def older_one_after_taking_back(store: ConsentStore, place: Path) -> None:
    taken_back(store, place)
    store.add("mira", consent(now=NOW - timedelta(days=30), purpose="older"), again=True)


def beside_it(store: ConsentStore, place: Path) -> None:
    """The statement lies in the folder of the character, and nowhere else."""
    path, _ = store.revoke(store.find("mira"), (LEGAL,), effect="withdraw")
    (place / "mira").mkdir()
    path.rename(place / "mira" / path.name)


def _its_show(place: Path) -> ConsentStore:
    """The character lies in a show of its own, which is not the one that is worked in."""
    (place / "mira").mkdir()
    (place / "mira" / "facekit.toml").write_text(f"[people.legal]\nkey = '{LEGAL.public.line}'\n")
    return ConsentStore(place / "mira" / "consent")


def in_its_show(store: ConsentStore, place: Path) -> None:
    _its_show(place).revoke(store.find("mira"), (LEGAL,), effect="withdraw")


def narrower_in_its_show(store: ConsentStore, place: Path) -> None:
    late = consent(now=NOW + timedelta(seconds=1), uses={"allow": ["narrative-fiction"]})
    _its_show(place).add("mira", late)


NOTHING: Attack = lambda store, place: None  # noqa: E731

CONSENT_ATTACKS: dict[str, tuple[Attack, Use, str]] = {
    "no consent": (removed, {}, "exists"),
    "an empty file": (emptied, {}, "record"),
    "a huge file": (huge, {}, "record"),
    "a deeply nested file": (deep, {}, "record"),
    "a use added": (edited(uses=terms()["uses"] | {"allow": ["any"]}), {}, "signature"),
    "a denial removed": (edited(uses={"allow": ["test"], "deny": ["deception"]}), {}, "signature"),
    "a longer term": (edited(valid_until="2030-01-01"), {}, "signature"),
    "another project": (edited(project="org.studio.other"), {}, "signature"),
    "another person": (edited(subject_ref="subj_" + "0" * 32), {}, "exists"),
    "another evidence": (edited(evidence=[]), {}, "record"),
    "no more an adult": (edited(adult=False), {}, "minor"),
    "silent about the age": (edited(adult=None), {}, "minor"),
    "a real person called synthetic": (
        edited(subject="synthetic", method="not-required", reason="drawn"), {}, "exists"
    ),
    "a later schema": (edited(schema="facekit.consent/9"), {}, "record"),
    "an unknown field": (edited(note="may do all"), {}, "record"),
    "a key twice": (key_twice, {}, "record"),
    "more than ten years": (edited(valid_until="2099-01-01"), {}, "record"),
    "signed by a stranger": (replaced(lambda: consent(key=STRANGER)), {}, "signature"),
    "a stranger under a known keyid": (borrowed_keyid, {}, "signature"),
    "the signature of another record": (swapped_signature, {}, "signature"),
    "no signature": (without_signature, {}, "signature"),
    "signed as an approval": (signed_as_something_else, {}, "signature"),
    "expired": (replaced(lambda: consent(valid_until=str(days(-1)))), {}, "dates"),
    "not yet": (replaced(lambda: consent(valid_from=str(days(1)))), {}, "dates"),
    "kept too long": (
        replaced(lambda: consent(retention={"templates_until": str(days(-1))})), {}, "retention"
    ),
    "taken back": (taken_back, {}, "revoked"),
    "an older one after it was taken back": (older_one_after_taking_back, {}, "revoked"),
    "a revocation by a stranger": (forged_revocation, {}, "SignatureRefused"),
    "a damaged revocation": (damaged_revocation, {}, "SignatureRefused"),
    "for another project": (NOTHING, {"project": "org.studio.other"}, "project"),
    "outside of any project": (NOTHING, {"project": ""}, "project"),
    "a use nobody agreed to": (NOTHING, {"use": "advertising"}, "use"),
    "a denied use": (NOTHING, {"use": "political-endorsement"}, "denied"),
    "another country": (
        replaced(lambda: consent(territory=["DE"])), {"territory": ("US",)}, "territory"
    ),
    "a country of which a part is excluded": (
        replaced(lambda: consent(territory_exclude=["US-CA"])), {"territory": ("US",)}, "territory"
    ),
    "training after the photos had to go": (
        replaced(lambda: consent(retention={"photos_until": str(days(-1))})),
        {"action": "train"}, "retention",
    ),
    "taken back by a statement beside the character alone": (beside_it, {}, "revoked"),
    "taken back in the show of the character alone": (in_its_show, {}, "revoked"),
    "a narrower one in the show of the character": (narrower_in_its_show, {}, "use"),
    "another medium": (replaced(lambda: consent(media=["film"])), {"media": ("tv",)}, "media"),
    "training that was not agreed to": (
        replaced(lambda: consent(train={"adapter": False})), {"action": "train"}, "train"
    ),
    **{f"one bit at {place}": (one_bit(place), {}, "any") for place in (0.1, 0.3, 0.5, 0.7, 0.9)},
}  # fmt: skip


def lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Ledger], None]:
    """Change the lines of the ledger."""

    def attack(ledger: Ledger) -> None:
        there = ledger.path.read_bytes().splitlines(keepends=True)
        ledger.path.write_bytes(b"".join(change(there)))

    return attack


def chained_anew(ledger: Ledger) -> None:
    """Change a line and compute the chain again, without the head."""
    head = ledger.path.with_name(f"{ledger.path.name}.head")
    kept = head.read_bytes()
    contents = [dict(line.content) for line in ledger.lines()]
    ledger.path.unlink()
    head.unlink()
    for content in contents:
        ledger.append("use", content | {"seconds": 0})
    head.write_bytes(kept)


def no_head(ledger: Ledger) -> None:
    ledger.path.with_name(f"{ledger.path.name}.head").unlink()


def false_head(ledger: Ledger) -> None:
    ledger.path.with_name(f"{ledger.path.name}.head").write_text("{}")


def gone(ledger: Ledger) -> None:
    ledger.path.unlink()


LEDGER_ATTACKS: dict[str, Callable[[Ledger], None]] = {
    "a line changed": lines(lambda x: [x[0].replace(b"1.5", b"0.5"), *x[1:]]),
    "the last line changed": lines(lambda x: [*x[:-1], x[-1].replace(b"1.5", b"0.5")]),
    "a line removed": lines(lambda x: [x[0], *x[2:]]),
    "the first line removed": lines(lambda x: x[1:]),
    "the last line removed": lines(lambda x: x[:-1]),
    "all lines removed": lines(lambda x: []),
    "two lines swapped": lines(lambda x: [x[1], x[0], *x[2:]]),
    "a line twice": lines(lambda x: [*x, x[-1]]),
    "a line in between": lines(lambda x: [x[0], b'{"n": 2}\n', *x[1:]]),
    "an empty line": lines(lambda x: [*x, b"\n"]),
    "rubbish at the end": lines(lambda x: [*x, b"rubbish\n"]),
    "other line ends": lines(lambda x: [line.replace(b"\n", b"\r\n") for line in x]),
    "spaces in a line": lines(lambda x: [x[0].replace(b": ", b":  ", 1), *x[1:]]),
    "chained anew": chained_anew,
    "the head is gone": no_head,
    "a false head": false_head,
    "the file is gone": gone,
}


def make_place(folder: Path) -> RightsPlace:
    """Where a consent lies that allows what `permit` asks for."""
    made = RightsPlace(
        store=ConsentStore(folder / "consent"),
        ledger=Ledger(folder / "ledger.jsonl"),
        keys=KeyHome(folder / "keys"),
        show=Show(),
        show_file=None,
    )
    made.keys.trust(LEGAL.public)
    made.store.add("mira", consent())
    return made


def permit(place: RightsPlace, **asked: Any) -> Permit:
    """Ask whether a character of the person may be used."""
    use = policy.Use(**{"action": "render", "use": "test", "project": "org.studio.show", **asked})
    subject = SubjectRecord(type="real", ref=REF, consent=consent().digest)
    header = CharacterHeader(name="mira", level="L2", backbone="toon", subject=subject)
    source = place.store.folder.parent / "mira" / "adapter.safetensors"
    # Signed statements carry the clock's time, so what was taken back counts from then on.
    return permit_character("mira", source, header, use, place, now=NOW)


def use_four(place: RightsPlace) -> None:
    """Write the four lines that are attacked."""
    for number in range(4):
        place.ledger.append("use", {"number": number, "seconds": 1.5})
