"""What is said about presets and keys that will not do."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from facekit.presets.bundle import open_bundle
from facekit.presets.manifest import ADAPTER
from facekit.presets.names import PACK_SIGNATURE
from facekit.signing.home import KeyHome
from facekit.signing.statements import canonical_json
from facekit.workflows.keys import trust_key
from facekit.workflows.preset_files import load_any
from facekit.workflows.preset_look import plan_verify_preset
from facekit.workflows.preset_strip import plan_strip
from facekit.workflows.presets import plan_pack
from tests.tiny.backbones import tiny_character, tiny_pipe
from tests.tiny.preset_attacks import flip
from tests.tiny.presets import tiny_contents, write_preset


@contextlib.contextmanager
def _keys_at(folder: Path) -> Iterator[None]:
    before = os.environ.get("FACEKIT_KEYS")
    os.environ["FACEKIT_KEYS"] = str(folder)
    try:
        yield
    finally:
        del os.environ["FACEKIT_KEYS"]
        if before is not None:
            os.environ["FACEKIT_KEYS"] = before


def preset_cases(tmp: Path) -> dict[str, Callable[[], object]]:
    """Every message about presets under its case."""
    root = tmp / "presets"
    root.mkdir()
    tiny_character(tiny_pipe()).save(root / "mira.safetensors")
    key = KeyHome(root / "keys").create("anna")
    made = write_preset(root / "whole.facekit", tiny_contents(), key=key)
    for name in ("changed", "added", "unsigned", "later", "linked"):
        write_preset(root / f"{name}.facekit", tiny_contents(), key=key)
    flip(root / "changed.facekit" / "README.md")
    (root / "added.facekit" / "more.json").touch()
    (root / "unsigned.facekit" / PACK_SIGNATURE).unlink()
    (root / "later.facekit" / "facekit.json").write_bytes(
        canonical_json({"schema": "facekit.preset/2"})
    )
    (root / "linked.facekit" / ADAPTER).unlink()
    (root / "linked.facekit" / ADAPTER).symlink_to(made.source / ADAPTER)
    (root / "archive.facekit").write_bytes(b"PK" * 50)

    def keys(what: Callable[[], object], name: str = "keys") -> Callable[[], object]:
        def provoke() -> object:
            with _keys_at(root / name):
                return what()

        return provoke

    def pack(**options: object) -> Callable[[], object]:
        mira = str(root / "mira.safetensors")
        return keys(lambda: plan_pack(mira, **options))  # type: ignore[arg-type]

    return {
        "preset: a file changed": lambda: open_bundle(root / "changed.facekit"),
        "preset: a file added": lambda: open_bundle(root / "added.facekit"),
        "preset: a link": lambda: open_bundle(root / "linked.facekit"),
        "preset: a later schema": lambda: open_bundle(root / "later.facekit"),
        "preset: no archive": lambda: open_bundle(root / "archive.facekit"),
        "preset: not signed": keys(lambda: load_any(root / "unsigned.facekit")),
        "preset: signed by a stranger": keys(lambda: load_any(made.source), "nobody"),
        "preset: nobody says whose face": pack(),
        "preset: no consent": pack(subject="real"),
        "preset: id": pack(subject="synthetic", preset_id="mira"),
        "preset: version": pack(subject="synthetic", version="one"),
        "preset: a licence": pack(subject="synthetic", commercial=True),
        "preset: no parity": keys(lambda: plan_verify_preset(made.source, parity=True)),
        "preset: no templates": keys(lambda: plan_strip(made.source)),
        "keys: none": keys(lambda: KeyHome(root / "nobody").signing_key()),
        "keys: no key": keys(lambda: trust_key("ssh-ed25519 AAAA")),
    }
