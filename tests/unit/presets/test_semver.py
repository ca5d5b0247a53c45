from facekit.presets.semver import is_prerelease, newest, version_key

IN_ORDER = (
    *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2"),
    *("1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.2.0", "1.10.0", "2.0.0"),
)
"""Source: Semantic Versioning 2.0.0, section 11, and numbers of two digits."""


def test_versions_come_in_the_order_of_semver() -> None:
    assert sorted(set(IN_ORDER), key=version_key) == list(IN_ORDER)


def test_a_build_is_no_prerelease() -> None:
    assert is_prerelease("1.0.0-rc.1+x")
    assert not is_prerelease("1.0.0+rc-1")


def test_a_name_without_a_version_means_the_latest_release() -> None:
    assert newest(["1.10.0", "1.9.0", "2.0.0-rc.1"]) == "1.10.0"
    assert newest(["2.0.0-rc.2", "2.0.0-rc.10"]) == "2.0.0-rc.10"
