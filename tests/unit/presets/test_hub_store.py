import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from facekit.errors import BundleDamaged, RegistryError, VersionExists
from facekit.presets import hub_store
from facekit.presets.blobs import Put, blob_path, fetch_blob, put_blob
from facekit.presets.bundle import Bundle
from facekit.presets.entries import pointer_path
from facekit.presets.gc import remove_unused
from facekit.presets.registry import Registry, create_registry
from facekit.presets.storage import Store
from facekit.presets.store import open_store
from facekit.show_file import RegistryAddress
from tests.tiny.hub_repository import LFS_FROM, Hub, Refused
from tests.tiny.hub_server import hub_server
from tests.tiny.presets import ADAPTER, ID
from tests.tiny.registries import Team, is_whole, push

URI = "hf://datasets/studio/presets/kept"


def store_at(uri: str = URI) -> Store:
    return open_store("main", RegistryAddress(uri=uri), Path())


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr("facekit.presets.hub_repo._LONGEST_S", 0.02)
    with hub_server(monkeypatch) as running:
        yield running


@pytest.fixture
def store(hub: Hub) -> Store:
    return store_at()


@pytest.fixture
def registry(store: Store) -> Registry:
    return create_registry(store)


@pytest.fixture(scope="module")
def team() -> Team:
    return Team()


@pytest.fixture(scope="module")
def bundle(team: Team, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return team.bundle(tmp_path_factory.mktemp("made"))


def once(hub: Hub, work: object) -> None:
    """Do something when the next commit has come, before the Hub looks at its parent."""

    def hook() -> None:
        hub.before_commit = lambda: None
        assert callable(work)
        work()

    hub.before_commit = hook


def test_a_file_is_created_once(store: Store) -> None:
    assert store.keeps_writers_apart
    assert store.put_new("a/b.json", b"one")
    assert not store.put_new("a/b.json", b"two")
    assert store.read("a/b.json", 3) == b"one"
    with pytest.raises(RegistryError, match="more than 2 bytes"):
        store.read("a/b.json", 2)


def test_what_is_missing_is_none(store: Store, hub: Hub) -> None:
    assert store.read("no", 10) is None
    assert store.size("no") is None
    assert store.names("no") == ()
    assert store.walk("no") == ()
    assert store.walk("", hidden=True) == ()
    store.delete("no")
    store.delete()
    assert hub.titles == ["initial commit"]
    with pytest.raises(RegistryError, match="no gone, expected it"):
        list(store.blocks("gone", 0, 1))


def test_many_are_read_as_one_is(store: Store, hub: Hub) -> None:
    store.put_new("a", b"0123456789")
    store.put_new("b/c", b"")
    assert store.read_many(["a", "no", "b/c"], 10) == (b"0123456789", None, b"")
    assert store.read_many(["a"], 9) == (b"",)
    assert store.read_many([], 9) == ()
    hub.fails_at = 2
    with pytest.raises(RegistryError, match="refused"):
        store.read_many(["a", "b/c"], 10)


def test_files_are_written_read_in_parts_listed_and_removed(store: Store, hub: Hub) -> None:
    large = bytes(range(256)) * 16
    store.put("a/large", [large[:1000], large[1000:]], len(large))
    store.put("a/large", [large], len(large))
    store.put_new("empty", b"")
    for number in range(9):  # more than a page
        store.put_new(f"many/{number:02d}/x", b"x")
    assert len(large) > LFS_FROM
    assert b"".join(store.blocks("a/large", 100, len(large))) == large[100:]
    assert (store.size("a/large"), store.size("a")) == (len(large), None)
    assert store.read("empty", 10) == b""
    assert store.names("") == ("a", "empty", "many")
    assert store.names("many") == tuple(f"{number:02d}" for number in range(9))
    assert len(store.walk("")) == 11
    assert store.walk("a")[0].path == "a/large"
    assert store.below("many").names("03") == ("x",)
    before = len(hub.titles)
    store.delete("a/large", "empty", "never")
    assert len(hub.titles) == before + 1
    assert store.size("a/large") is None


def test_a_version_is_one_commit(
    registry: Registry, hub: Hub, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_store, "_LARGE", LFS_FROM + 1)
    before, told = len(hub.titles), []
    pushed = registry.push(bundle.content, bundle.files, bundle.signatures, told.append)
    assert hub.titles[before:] == [f"Publish {ID}@1.0.0"]
    assert (pushed.is_new, pushed.mended, sum(told)) == (True, 0, pushed.sent_bytes)
    assert is_whole(registry)
    assert (registry.ids(), registry.versions(ID)) == ((ID,), ("1.0.0",))
    (weights,) = (file for file in bundle.manifest.files if file.path == ADAPTER)
    fetch_blob(registry.store, (weights.sha256, weights.size), tmp_path / "w")
    again = push(registry, bundle)
    assert (again.is_new, again.sent_bytes, again.mended) == (False, 0, 0)
    assert len(hub.titles) == before + 1


def test_of_two_pushes_of_one_version_one_wins(
    registry: Registry, hub: Hub, team: Team, tmp_path: Path
) -> None:
    first, other = (team.bundle(tmp_path, text=text) for text in "ab")
    once(hub, lambda: push(Registry(store_at()), other))
    with pytest.raises(VersionExists, match="published with digest"):
        push(registry, first)
    assert hub.refused == 1
    assert registry.entry(ID, "1.0.0").digest == other.digest
    assert is_whole(registry)


def test_a_push_beside_others_is_tried_again(
    registry: Registry, hub: Hub, team: Team, bundle: Bundle, tmp_path: Path
) -> None:
    later = team.bundle(tmp_path, "1.1.0")
    once(hub, lambda: push(Registry(store_at()), later))
    assert push(registry, bundle).is_new
    assert (hub.refused, registry.versions(ID)) == (1, ("1.0.0", "1.1.0"))
    assert is_whole(registry)
    assert is_whole(registry, "1.1.0")


def test_of_many_pushes_at_once_one_wins(hub: Hub, team: Team, tmp_path: Path) -> None:
    create_registry(store_at())
    bundles = [team.bundle(tmp_path, text=str(number)) for number in range(4)]
    start = threading.Barrier(4)

    def work(one: Bundle) -> str:
        registry = Registry(store_at())
        start.wait()
        try:
            return "won" if push(registry, one).is_new else "same"
        except VersionExists:
            return "refused"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(work, bundles)) == ["refused"] * 3 + ["won"]
    assert is_whole(Registry(store_at()))


def test_of_two_pointers_with_one_number_one_wins(
    registry: Registry, hub: Hub, team: Team, bundle: Bundle
) -> None:
    once(hub, lambda: Registry(store_at()).add_pointer(ID, "prod", 1, b"theirs"))
    assert not registry.add_pointer(ID, "prod", 1, b"ours")
    assert registry.store.read(pointer_path(ID, "prod", 1), 10) == b"theirs"
    assert registry.counters(ID, "prod") == (1,)


def test_an_interrupted_push_shows_nothing_and_goes_on(
    registry: Registry, hub: Hub, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_store, "_LARGE", LFS_FROM)
    before = dict(hub.tree("main"))
    uploads: list[int] = []

    def second_fails() -> None:
        uploads.append(1)
        if len(uploads) == 2:
            raise Refused(400)

    hub.before_upload = second_fails
    given = (bundle.content, *bundle.signatures.values())
    large = [data for data in given if len(data) >= LFS_FROM]
    assert len(large) == 2
    with pytest.raises(RegistryError, match="try again"):
        push(registry, bundle)
    assert hub.tree("main") == before
    uploads.extend([0] * 10)
    hub.asked.clear()
    assert push(registry, bundle).is_new
    assert sum(one.startswith("PUT") for one in hub.asked) == len(large) - 1
    assert is_whole(registry)


def test_a_push_that_fails_at_any_request_shows_nothing(
    registry: Registry, hub: Hub, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_store, "_LARGE", LFS_FROM)
    before, step, failed = hub.tree("main"), 0, True
    while failed:
        step += 1
        hub.fails_at = step
        try:
            failed = not push(registry, bundle).is_new
        except RegistryError:
            assert hub.tree("main") == before
    hub.fails_at = 0
    assert step > 10
    assert is_whole(registry)


def test_a_push_whose_answer_is_lost_is_there(registry: Registry, hub: Hub, bundle: Bundle) -> None:
    hub.lose_reply = True
    with pytest.raises(RegistryError, match="try again"):
        push(registry, bundle)
    assert is_whole(registry)
    again = push(registry, bundle)
    assert (again.is_new, again.sent_bytes) == (False, 0)


def test_a_push_mends_what_was_damaged_without_reading_it(
    registry: Registry, hub: Hub, bundle: Bundle
) -> None:
    push(registry, bundle)
    blobs = [found.path for found in registry.store.walk("blobs")]
    spoilt = {
        f"kept/{path}": b"X" * (registry.store.size(path) or 0) for path in (blobs[0], blobs[-1])
    }
    hub.add("main", spoilt)
    hub.asked.clear()
    pushed = push(registry, bundle)
    assert (pushed.is_new, pushed.mended) == (False, 2)
    assert not any("/resolve/" in one and "/blobs/" in one for one in hub.asked)
    assert is_whole(registry)


def test_content_that_changes_while_it_is_sent_is_not_published(
    registry: Registry, hub: Hub, bundle: Bundle
) -> None:
    before = len(hub.titles)
    files = {path: lambda: iter([b"other"]) for path in bundle.files}
    with pytest.raises(BundleDamaged, match="changed while"):
        registry.push(bundle.content, files, bundle.signatures)
    assert len(hub.titles) == before


def test_a_single_blob_is_sent_once(store: Store, hub: Hub) -> None:
    content = b"x" * 100
    blob = (sha256(content).hexdigest(), len(content))
    assert put_blob(store, blob, [content]) is Put.SENT
    assert put_blob(store, blob, [content]) is Put.KEPT
    hub.add("main", {f"kept/{blob_path(blob[0])}": b"y" * 100})
    assert put_blob(store, blob, [content]) is Put.MENDED


def test_unused_content_goes_in_one_commit_and_no_push_meets_it(
    registry: Registry, hub: Hub, bundle: Bundle, team: Team, tmp_path: Path
) -> None:
    push(registry, bundle)
    lost = [sha256(bytes([n])).hexdigest() for n in range(3)]
    hub.add("main", {f"kept/{blob_path(digest)}": b"x" for digest in lost})
    before = len(hub.titles)
    later, refused = team.bundle(tmp_path, "1.1.0"), []

    def meets() -> None:
        with pytest.raises(RegistryError, match="being removed"):
            push(Registry(store_at()), later)
        refused.append(1)

    def after_mark() -> None:
        once(hub, meets)

    once(hub, after_mark)  # the first commit is the mark, the second one removes
    assert len(remove_unused(registry, dry_run=True).files) == 3
    assert len(remove_unused(registry, dry_run=False).files) == 3
    assert refused == [1]
    assert len(hub.titles) == before + 3
    assert push(registry, later).is_new
    assert is_whole(registry)


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("hf_eve", r"may not write here \(403\).*one with write access.*login main"),
        ("", r"no such dataset, or you may not see it.*hf repos create .* --private"),
    ],
)
def test_who_may_not_write_is_told_what_to_do(
    registry: Registry, hub: Hub, token: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nowhere")
    with pytest.raises(RegistryError, match=said):
        registry.add_pointer(ID, "prod", 1, b"x")
    monkeypatch.setenv("HF_TOKEN", "hf_ana")
    assert registry.counters(ID, "prod") == ()


def test_what_cannot_be_written_to_is_told(store: Store, hub: Hub) -> None:
    head = hub.heads["main"]
    with pytest.raises(RegistryError, match="is a commit, which is only read"):
        store_at(f"hf://datasets/studio/presets@{head}").put_new("a", b"x")
    with pytest.raises(RegistryError, match="no revision other, expected a branch"):
        store_at("hf://datasets/studio/presets@other").read("a", 1)
    hub.add("main", {".gitignore": b"blobs/"})
    with pytest.raises(RegistryError, match=r"has a \.gitignore"):
        store.put_new("a", b"x")
    assert store_at(f"hf://datasets/studio/presets@{head}").names("") == ()


def test_a_branch_of_its_own(hub: Hub) -> None:
    hub.heads["team"] = hub.heads["main"]
    team = store_at("hf://datasets/studio/presets@team")
    assert team.put_new("a", b"x")
    assert store_at("hf://datasets/studio/presets").size("a") is None
    assert team.read("a", 1) == b"x"


def test_a_branch_that_never_stands_still_is_given_up(store: Store, hub: Hub) -> None:
    hub.before_commit = lambda: hub.add("main", {"other": bytes([hub.refused])}) and None
    with pytest.raises(RegistryError, match="moved 10 times"):
        store.put_new("a", b"x")
    assert hub.refused == 10


def test_without_a_network_it_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RegistryError, match="HF_HUB_OFFLINE is set"):
        store.read("a", 1)


def test_whether_anybody_may_read_it(store: Store, hub: Hub) -> None:
    assert not store.is_public
    hub.private = False
    assert store.is_public
