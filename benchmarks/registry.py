"""How long presets take to be packed, verified, pushed, pulled and looked up.

    python -m benchmarks.registry

A preset of 24 MB goes through a registry in a folder and one on an S3 server on loopback (moto).
Lookups are timed in a folder of 10,000 versions and on S3 with 40.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import torch

from benchmarks.results import RESULTS_DIR, write_results
from facekit.presets.blobs import blob_path, fetch_blob
from facekit.presets.bundle import Bundle, open_bundle, pack_statement
from facekit.presets.entries import entry_of, entry_path
from facekit.presets.fsspec_store import FsspecStore
from facekit.presets.manifest import ADAPTER, Manifest, preset_digest
from facekit.presets.names import PACK_SIGNATURE
from facekit.presets.packing import Content, describe_files, write_archive
from facekit.presets.pointers import current_pointer, move_channel
from facekit.presets.policy import standing_of
from facekit.presets.registry import Registry, create_registry
from facekit.presets.seen import Seen
from facekit.presets.store import open_store
from facekit.show_file import RegistryAddress, Show, parse_show
from facekit.signing.keys import SigningKey
from facekit.signing.statements import sign_statement
from facekit.workflows.machine import provenance

__all__ = ["main", "measure", "populate"]

T = TypeVar("T")

_REPEATS = 5
_NOTES = (
    "lookups are told in milliseconds (median of five); writes wait for the disk (fsync), which"
    " other work on the machine may keep busy; S3 is moto in a thread of the same process"
)


def main() -> None:
    """Measure everything and write docs/results/registry.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=10_000)
    parser.add_argument("--s3-versions", type=int, default=40)
    parser.add_argument("--megabytes", type=int, default=24)
    parser.add_argument("--out", type=Path, default=RESULTS_DIR / "registry.json")
    given = parser.parse_args()
    rows = measure(given.versions, given.s3_versions, given.megabytes)
    write_results(given.out, {**provenance(torch.device("cpu")), "notes": _NOTES, "measured": rows})
    print(f"written: {given.out}")


def measure(versions: int, s3_versions: int, megabytes: int) -> dict[str, object]:
    """Measure in a temporary folder; seconds, or milliseconds where a name says so."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        key = SigningKey.generate("td")
        show = parse_show(
            f'[people.td]\nkey = "{key.public.line}"\nroles = ["td"]\n'
            "[policy.prod]\napprove = { td = 1 }\n",
            "benchmark",
        )
        path = folder / "mira.facekit"
        packed_s, _ = _timed(lambda: _pack(path, "1.0.0", os.urandom(megabytes * 1_000_000), key))
        verified_s, bundle = _timed(lambda: open_bundle(path))
        rows: dict[str, object] = {
            "preset_mb": round(path.stat().st_size / 1e6, 1),
            "pack_s": round(packed_s, 3),
            "verify_s": round(verified_s, 3),
        }
        store = open_store("folder", RegistryAddress(uri=str(folder / "kept")), folder)
        rows["folder"] = _through(create_registry(store), bundle, folder / "a", versions, show, key)
        with _s3() as address:
            registry = create_registry(open_store("s3", address, folder))
            rows["s3"] = _through(registry, bundle, folder / "b", s3_versions, show, key)
        return rows


def populate(registry: Registry, versions: int, key: SigningKey) -> tuple[str, str, str]:
    """Publish many small versions of many presets, 100 of each, without waiting for the disk.

    Returns:
        Id, version and digest of the last one.
    """
    for number in range(versions):
        preset_id, version = f"org.studio.show/c{number // 100:03d}", f"1.{number % 100}.0"
        manifest = _manifest(preset_id, version, [])
        content = manifest.to_bytes()
        entry = entry_of(manifest, content, {})
        for path, data in (
            (blob_path(entry.digest), content),
            (entry_path(preset_id, version), entry.to_bytes()),
        ):
            if isinstance(registry.store, FsspecStore) and registry.store.is_local:
                place = Path(registry.store.full(path))
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
            else:
                registry.store.put(path, [data], len(data))
    return preset_id, version, preset_digest(content)


def _through(
    registry: Registry,
    bundle: Bundle,
    out: Path,
    versions: int,
    show: Show,
    key: SigningKey,
) -> Mapping[str, object]:
    """Push and pull the large preset, then look things up among many."""
    preset_id, version, digest = populate(registry, versions, key)
    push_s, _ = _timed(lambda: registry.push(bundle.content, bundle.files, bundle.signatures))
    again_s, _ = _timed(lambda: registry.push(bundle.content, bundle.files, bundle.signatures))

    def pull() -> None:
        for file in bundle.manifest.files:
            fetch_blob(registry.store, (file.sha256, file.size), out / file.path)

    pull_s, _ = _timed(pull)
    for _ in range(20):
        move_channel(registry, show, preset_id, "prod", version, digest, key, "td", Seen())
    now = datetime.now(UTC)
    looked = {
        "version": lambda: registry.manifest(registry.entry(preset_id, version)),
        "channel": lambda: current_pointer(registry, show, preset_id, "prod", now, Seen()),
        "state": lambda: standing_of(registry, show, preset_id, digest, now, Seen()),
        "versions_of_one": lambda: registry.versions(preset_id),
        "all_presets": registry.ids,
    }
    return {
        "versions": versions + 1,
        "push_s": round(push_s, 3),
        "push_again_s": round(again_s, 3),
        "pull_s": round(pull_s, 3),
        "lookup_ms": {name: _median_ms(work) for name, work in looked.items()},
    }


def _median_ms(work: Callable[[], object]) -> float:
    return round(1000 * statistics.median(_timed(work)[0] for _ in range(_REPEATS)), 2)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def _pack(path: Path, version: str, weights: bytes, key: SigningKey) -> None:
    contents = [Content(path=ADAPTER, role="weights", data=weights)]
    manifest = _manifest("org.studio.show/mira", version, contents)
    content = manifest.to_bytes()
    signed = sign_statement(pack_statement(manifest, content), [key]).to_bytes()
    files = {one.path: one.blocks for one in contents}
    write_archive(path, content, files, {PACK_SIGNATURE: signed})


def _manifest(preset_id: str, version: str, contents: list[Content]) -> Manifest:
    files = describe_files(contents or [Content(path=ADAPTER, role="weights", data=b"weights")])
    return Manifest.model_validate(
        {
            "id": preset_id,
            "version": version,
            "title": "mira",
            "subject": {"type": "synthetic"},
            "base": {"name": "toon", "license": "Apache-2.0", "commercial": True},
            "encoder": None,
            "adapter": {
                "format": "facekit.character/1",
                "name": "mira",
                "level": "none",
                "trigger": "mira",
                "strength": 1.0,
                "sites": 0,
                "tokens": 0,
                "rank": 4,
                "alpha": 4.0,
                "dtype": "float32",
            },
            "training": {"photos": 8, "steps": 10, "facekit": "0.1.0"},
            "rights": {"license": "LicenseRef-Test", "commercial": False},
            "files": files,
        }
    )


@contextmanager
def _s3() -> Iterator[RegistryAddress]:
    import logging

    import boto3  # type: ignore[import-untyped]
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=url).create_bucket(Bucket="bucket")
        yield RegistryAddress(uri="s3://bucket/presets", options={"endpoint_url": url})
    finally:
        server.stop()


if __name__ == "__main__":
    main()
