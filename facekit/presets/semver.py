"""Which of two versions is the later one.

Source: Semantic Versioning 2.0.0, section 11, https://semver.org
"""

from collections.abc import Sequence

__all__ = ["is_prerelease", "newest", "version_key"]

_Key = tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...], str]


def version_key(version: str) -> _Key:
    """A key that sorts versions, oldest first; a prerelease comes before its release.

    What stands behind a plus decides nothing in semver; here it comes last, so that equal input
    always gives equal order.

    Args:
        version: One that `names.is_version` takes.
    """
    core, _, build = version.partition("+")
    numbers, _, prerelease = core.partition("-")
    parts = tuple(
        (False, int(part), "") if part.isdecimal() else (True, 0, part)
        for part in prerelease.split(".")
        if part
    )
    return tuple(int(part) for part in numbers.split(".")), not prerelease, parts, build


def is_prerelease(version: str) -> bool:
    """Whether it is one such as `2.0.0-rc.1`."""
    return "-" in version.partition("+")[0]


def newest(versions: Sequence[str]) -> str:
    """The version that a name without one means: the latest, a prerelease only where all are.

    Args:
        versions: One or more, in any order.
    """
    ordered = sorted(versions, key=version_key)
    released = [version for version in ordered if not is_prerelease(version)]
    return (released or ordered)[-1]
