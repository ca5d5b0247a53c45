"""Tamper with presets in every way that the tests know, and publish what became of each.

    python -m benchmarks.tamper

writes docs/results/tamper.json: each attack, whether it was found, and by which error. The table of
attacks is that of the tests (`tests/tiny/preset_attacks.py`).
"""

import os
import tempfile
from pathlib import Path

import torch

from benchmarks.results import RESULTS_DIR, write_results
from facekit.adapters.templates import split_templates
from facekit.errors import FacekitError
from facekit.signing.home import KeyHome
from facekit.workflows.machine import provenance
from facekit.workflows.preset_files import load_any
from tests.tiny.backbones import tiny_character, tiny_pipe
from tests.tiny.preset_attacks import ATTACKS, Attack, make_scene


def verdict_on(attack: Attack, adapters: tuple[bytes, bytes]) -> dict[str, object]:
    """Pack a preset, attack it, load it, and tell what happened."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["FACEKIT_KEYS"] = str(root / "keys")
        os.environ["FACEKIT_CACHE"] = str(root / "cache")
        scene = make_scene(root, *adapters, KeyHome(root / "keys").create("anna"))
        load_any(scene.folder)
        load_any(scene.archive)
        path = attack.how(scene)
        try:
            load_any(path)
        except FacekitError as error:
            return {
                "attack": attack.name,
                "verdict": "found",
                "error": error.code,
                "exit_code": error.exit_code,
            }
        return {"attack": attack.name, "verdict": "loaded", "error": None, "exit_code": 0}


def main() -> None:
    """Try all, write the result, and fail where one was loaded."""
    pipe = tiny_pipe()
    one, two = (split_templates(tiny_character(pipe, seed=seed))[0] for seed in (0, 1))
    rows = [verdict_on(attack, (one.to_bytes(), two.to_bytes())) for attack in ATTACKS]
    found = sum(row["verdict"] == "found" for row in rows)
    write_results(
        RESULTS_DIR / "tamper.json",
        {
            **provenance(torch.device("cpu")),
            "attacks": len(rows),
            "found": found,
            "rows": rows,
        },
    )
    print(f"{found} of {len(rows)} attacks found")
    if found < len(rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
