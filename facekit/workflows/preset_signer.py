"""Who signs a decision about a preset, and in which role."""

from facekit.errors import PolicyRefused, UsageError
from facekit.show_file import SHOW_FILE, Show
from facekit.signing.home import key_home
from facekit.signing.keys import SigningKey

__all__ = ["signer"]


def signer(
    show: Show, role: str | None, allowed: frozenset[str], key: str | None
) -> tuple[SigningKey, str]:
    """The key to sign a decision with, and the role that its owner decides in.

    Args:
        show: Whose people count.
        role: As asked for; found where only one is possible when None.
        allowed: Roles that may decide this.
        key: Name of the key; the default one when None.

    Raises:
        PolicyRefused: The key is nobody's of the show, or its owner does not hold such a role.
        UsageError: The owner holds several of them, and none is asked for.
        KeyRefused: There is no key, or it cannot be opened.
    """
    secret = key_home().signing_key(key)
    person = show.person_of(secret.public)
    if person is None:
        raise PolicyRefused(
            f"key {secret.public.name} ({secret.public.keyid[:12]}): nobody's in {SHOW_FILE},"
            " expected that of one of its people; let whoever keeps the file add"
            f" [people.{secret.public.name or 'NAME'}] with key = {secret.public.line!r} and roles"
        )
    roles = [one for one in show.people[person].roles if one in allowed]
    if role is None and len(roles) > 1:
        raise UsageError(
            f"{person}: {', '.join(roles)}, expected one of them; say with --role in which you"
            " decide this"
        )
    chosen = role or (roles[0] if roles else None)
    if chosen is None or chosen not in roles:
        expected = " or ".join(sorted(allowed)) or f"a role that {SHOW_FILE} lets decide this"
        got = ", ".join(show.people[person].roles) or "no role"
        said = f" and --role {role}" if role else ""
        raise PolicyRefused(f"{person}: {got}{said}, expected {expected}; {_ask(show, allowed)}")
    return secret, chosen


def _ask(show: Show, allowed: frozenset[str]) -> str:
    """Who may do it, or what the show's file lacks."""
    if not allowed:
        return f"{SHOW_FILE} names no role, write approve = {{ ROLE = 1 }} under a [policy.CHANNEL]"
    may = [
        f"{name} ({', '.join(held)})"
        for name, person in show.people.items()
        if (held := [role for role in person.roles if role in allowed])
    ]
    if may:
        return f"ask {' or '.join(may)}"
    return f"nobody in {SHOW_FILE} has such a role, let whoever keeps the file give it to somebody"
