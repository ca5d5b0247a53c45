"""The user's keys, and whose keys count: what `facekit keys` does."""

from pathlib import Path
from typing import Final

from facekit.errors import KeyRefused, KeyUnknown, UsageError
from facekit.media.files import write_bytes
from facekit.provenance.certificates import certificates_folder, ensure_certificates, own_root
from facekit.show_file import find_show, read_show
from facekit.signing.dsse import ENVELOPE_LIMIT
from facekit.signing.home import key_home
from facekit.signing.keys import PublicKey
from facekit.signing.statements import Statement, Subject, now_text, open_statement, sign_statement
from facekit.workflows.key_results import Distrusted, KeyList, NewKey, Rotated, Trusted

__all__ = [
    "ROTATE",
    "Distrusted",
    "KeyList",
    "NewKey",
    "Rotated",
    "Trusted",
    "distrust_key",
    "init_key",
    "rotate_key",
    "show_keys",
    "trust_key",
]

ROTATE: Final = "keys.rotate"
"""Kind of the statement that a new key takes the place of an old one."""

_SUFFIX: Final = ".rotate.json"


def init_key(name: str, *, passphrase: str | None = None) -> NewKey:
    """Make a key; the first one signs.

    Args:
        name: Of the file, and what others see.
        passphrase: Locks it.

    Raises:
        OutputExists: There is one of this name.
        UsageError: The name cannot be that of a file.
    """
    home = key_home()
    key = home.create(name, passphrase=passphrase)
    ensure_certificates(home)
    return NewKey(
        key=key.public,
        home=home,
        is_locked=home.is_locked(key.public.name),
        certificates=certificates_folder(home),
    )


def show_keys() -> KeyList:
    """List own keys and trusted ones.

    Raises:
        KeyRefused: A file of the folder is damaged.
    """
    home = key_home()
    own = dict(zip(home.own_names(), home.own(), strict=True))
    mine = {key.keyid for key in own.values()}
    return KeyList(
        home=home,
        own=own,
        others=tuple(key for key in home.trusted() if key.keyid not in mine),
        default=home.default_name() if own else None,
        root=own_root(home),
    )


def trust_key(given: str, *, name: str | None = None, replace: bool = False) -> Trusted:
    """Let the signatures of somebody else count.

    Args:
        given: The line of a ``.pub`` file, such a file, or what ``keys rotate`` wrote of a key that
            is trusted already.
        name: Whose it is, in place of what the line says.
        replace: Trust the old key no longer that has handed over to it.

    Raises:
        KeyUnknown: It is no key.
        SignatureRefused: A new key that no trusted key has handed over to.
        UsageError: There is no old key to replace.
    """
    home = key_home()
    path = Path(given)
    if replace and (given.startswith("ssh-") or path.suffix != ".json"):
        raise UsageError(
            f"--replace: {given[:40]} names no old key, expected NAME{_SUFFIX}; take the old one"
            " back with facekit keys distrust"
        )
    if given.startswith("ssh-") or not path.is_file():
        key = PublicKey.given(given, name=name)
        return Trusted(key=key, is_new=home.trust(key))
    if path.stat().st_size > ENVELOPE_LIMIT:
        raise KeyUnknown(f"{path}: too large for a key, expected a .pub file; name that")
    content = path.read_bytes()
    if not content.lstrip().startswith(b"{"):
        text = content.decode("utf-8", errors="replace")
        key = PublicKey.given(text, name=name, source=str(path))
        return Trusted(key=key, is_new=home.trust(key))
    statement = open_statement(content, home.trusted(), kind=ROTATE, name=str(path))
    key = PublicKey.from_line(str(statement.predicate.get("line", "")), name=name)
    signers = {signer.keyid for signer in statement.signers}
    old = str(statement.predicate.get("old", ""))
    if [one.sha256 for one in statement.subjects] != [key.keyid] or old not in signers:
        raise KeyRefused(
            f"{path}: hands over to another key than it names, expected the old key's word for the"
            " new one; ask for it again"
        )
    before = next(signer for signer in statement.signers if signer.keyid == old)
    if replace and all(other.keyid != old for other in home.others()):
        raise UsageError(
            f"--replace: {before.name} ({old[:12]}) is a key of your own, expected that of somebody"
            " else; own keys count until their files are removed"
        )
    is_new = home.trust(key)
    if replace:
        home.distrust(old)
    return Trusted(key=key, is_new=is_new, instead_of=old, old_name=before.name, replaced=replace)


def distrust_key(name: str) -> Distrusted:
    """Let the signatures of somebody else no longer count.

    Args:
        name: What the key is called, or the beginning of its keyid.

    Raises:
        KeyUnknown: No such key of somebody else is trusted.
        UsageError: ``facekit.toml`` cannot be read.
    """
    gone = key_home().distrust(name)
    of_show = {key.keyid for key in read_show(find_show()).all_keys()}
    return Distrusted(keys=gone, counted_by_show=any(key.keyid in of_show for key in gone))


def rotate_key(
    name: str | None = None, *, new_name: str | None = None, passphrase: str | None = None
) -> Rotated:
    """Make a new key, which signs from now on, and let the old one say so.

    The old one stays, so that what it has signed still counts.

    Args:
        name: Of the old one; the one that signs when None.
        new_name: Of the new one; the old one's with a number when None.
        passphrase: Locks the new one.

    Raises:
        KeyUnknown: There is no key of this name.
        KeyRefused: There is no old key, or it cannot be opened.
        OutputExists: There is one of the new name.
    """
    home = key_home()
    old_name = name or home.default_name()
    old = home.signing_key(old_name)
    chosen = new_name or _next_name(old_name, {path.name for path in home.folder.iterdir()})
    new = home.create(chosen, passphrase=passphrase)
    statement = Statement(
        ROTATE,
        (Subject(chosen, new.public.keyid),),
        {"old": old.public.keyid, "line": new.public.line, "at": now_text()},
    )
    path = home.folder / f"{chosen}{_SUFFIX}"
    write_bytes(path, sign_statement(statement, [old, new]).to_bytes())
    home.use(chosen)
    return Rotated(old=old.public, new=new.public, statement=path)


def _next_name(name: str, known: set[str]) -> str:
    """The next number of which no file is there, not even half a key."""
    stem, _, number = name.rpartition("-")
    start = int(number) + 1 if stem and number.isdigit() else 2
    base = stem if stem and number.isdigit() else name
    for candidate in range(start, start + 1000):
        new = f"{base}-{candidate}"
        if known.isdisjoint({new, f"{new}.pub", f"{new}{_SUFFIX}"}):
            return new
    raise UsageError(f"{name}: no free name for a new key, expected one; give it with --as")
