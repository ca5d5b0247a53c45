"""Tamper with everything that a team hands on, in every way that the tests know.

    python -m benchmarks.tamper

writes docs/results/tamper.json: each attack on presets, registries, rights and credentials, whether
it was found, and by which error. The tables of attacks are those of the tests (`tests/tiny`).
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch

from benchmarks.results import RESULTS_DIR, write_results
from facekit.adapters.templates import split_templates
from facekit.errors import (
    AdapterDamaged,
    ConsentRefused,
    FacekitError,
    IntegrityError,
    KeyRefused,
    LedgerDamaged,
    PresetError,
)
from facekit.presets.seen import Seen
from facekit.provenance.signing import sign_file
from facekit.signing.home import KeyHome
from facekit.workflows.machine import provenance
from facekit.workflows.preset_files import load_any
from facekit.workflows.preset_refs import resolve
from facekit.workflows.rights_place import RightsPlace
from facekit.workflows.verify import verify_files
from tests.tiny import preset_attacks, registry_attacks
from tests.tiny.backbones import tiny_character, tiny_pipe
from tests.tiny.provenance import FACTS, chain, clip
from tests.tiny.provenance_attacks import REFUSED, STRIPPED, TAMPERED, make_files
from tests.tiny.registries import Team
from tests.tiny.rights_attacks import CONSENT_ATTACKS, LEDGER_ATTACKS, make_place, permit, use_four

Row: TypeAlias = dict[str, object]


@contextmanager
def _folder() -> Iterator[Path]:
    """An empty folder to work in, with keys and a cache of its own."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        os.environ |= {"FACEKIT_KEYS": str(root / "keys"), "FACEKIT_CACHE": str(root / "cache")}
        os.environ |= {"FACEKIT_LEDGER": str(root / "use.jsonl"), "HOME": name}
        os.chdir(root)
        try:
            yield root
        finally:
            os.chdir(before)


_Expected: TypeAlias = type[Exception] | tuple[type[Exception], ...] | str

_REFUSALS: Final = (IntegrityError, PresetError, AdapterDamaged)
"""What says that a preset was tampered with."""


def _row(
    table: str,
    attack: str,
    work: Callable[[], str],
    expected: _Expected = FacekitError,
) -> Row:
    """Attack, use what was attacked, and tell what happened.

    Args:
        table: What is attacked.
        attack: Its name.
        work: Does both; gives the verdict where no error is raised.
        expected: Errors that say what is wrong, or the rule of a consent; any other one is a fault
            of facekit.
    """
    row: Row = {"table": table, "attack": attack, "error": None, "exit_code": 0}
    try:
        return {**row, "verdict": work()}
    except FacekitError as error:
        rule = error.rule if isinstance(error, ConsentRefused) else ""
        said = f"{error.code}: {rule}" if rule else error.code
        if isinstance(expected, str):
            is_right = expected in ("any", rule or type(error).__name__)
        else:
            is_right = isinstance(error, expected)
        verdict = "found" if is_right else "ended otherwise"
        return {**row, "verdict": verdict, "error": said, "exit_code": error.exit_code}


def on_presets() -> Iterator[Row]:
    """Bundles: folders, archives, manifests."""
    pipe = tiny_pipe()
    one, two = (split_templates(tiny_character(pipe, seed=seed))[0].to_bytes() for seed in (0, 1))
    for attack in preset_attacks.ATTACKS:
        with _folder() as root:
            key = KeyHome(root / "keys").create("anna")
            scene = preset_attacks.make_scene(root, one, two, key)
            load_any(scene.folder)
            load_any(scene.archive)
            yield _row("presets", attack.name, partial(_loaded, attack.how(scene)), _REFUSALS)


def _loaded(path: Path) -> str:
    load_any(path)
    return "loaded"


def on_registries() -> Iterator[Row]:
    """Registries: pointers, statements, entries, content."""
    with _folder() as first:
        built = registry_attacks.Stage(first, Team())
        for attack in registry_attacks.ATTACKS:
            with _folder() as root:  # nothing that was fetched before is at hand
                stage, seen = built.copied(root), Seen()
                if attack.was_there:
                    resolve(stage.desk(seen), f"org.studio.show/{attack.reference}")
                attack.work(stage)
                work = partial(_taken, stage, seen, attack)
                yield _row("registries", attack.name, work, attack.verdict or ())


def _taken(stage: registry_attacks.Stage, seen: Seen, attack: registry_attacks.Attack) -> str:
    found = registry_attacks.take(stage, seen, attack.reference)
    is_right = attack.verdict is None and found.entry.digest == stage.new.digest
    return "passed over" if is_right else "taken"


def on_rights() -> Iterator[Row]:
    """Records of consent, and the ledger of use."""
    for name, (attack, asked, rule) in CONSENT_ATTACKS.items():
        with _folder() as root:
            place = make_place(root)
            permit(place)
            attack(place.store, root)
            yield _row("consents", name, partial(_allowed, place, asked), rule)
    for name, spoil in LEDGER_ATTACKS.items():
        with _folder() as root:
            place = make_place(root)
            use_four(place)
            permit(place)
            spoil(place.ledger)
            yield _row("ledger", name, partial(_allowed, place, {}), LedgerDamaged)


def _allowed(place: RightsPlace, asked: dict[str, Any]) -> str:
    return f"allowed by {permit(place, **asked).by}"


def on_credentials() -> Iterator[Row]:
    """Files that say where they come from, and certificates that would sign them."""
    for name, attack in TAMPERED.items():
        with _folder() as root:
            code = verify_files([attack(make_files(root))]).exit_code
            found = "found" if code == IntegrityError.exit_code else "believed"
            yield {**_row("credentials", name, partial(str, found)), "exit_code": code}
    for name, (strip, _) in STRIPPED.items():
        with _folder() as root:
            (told,) = verify_files([strip(make_files(root))]).files
            is_sure = told.is_sure and told.how != "file"
            verdict = "believed" if is_sure else f"not trusted, known by: {told.how}"
            yield _row("credentials", f"{name}, without credentials", partial(str, verdict))
    for name, options in REFUSED.items():
        with _folder() as root:
            work = partial(_signed, clip(root / "a.mp4"), options)
            yield _row("certificates", name, work, KeyRefused)


def _signed(path: Path, options: dict[str, Any]) -> str:
    sign_file(path, FACTS, chain(**options))
    return "signed"


def is_harmless(row: Row) -> bool:
    """Whether an attack was found, or came to nothing."""
    verdict = str(row["verdict"])
    return verdict in ("found", "passed over") or verdict.startswith("not trusted")


def main() -> None:
    """Try all, write the result, and fail where one was believed."""
    os.environ.pop("FACEKIT_CREDENTIALS", None)
    rows = [*on_presets(), *on_registries(), *on_rights(), *on_credentials()]
    tables = dict.fromkeys(str(row["table"]) for row in rows)
    write_results(
        RESULTS_DIR / "tamper.json",
        {
            **provenance(torch.device("cpu")),
            "attacks": len(rows),
            "found": sum(map(is_harmless, rows)),
            "tables": {
                name: {
                    "attacks": sum(row["table"] == name for row in rows),
                    "found": sum(row["table"] == name and is_harmless(row) for row in rows),
                }
                for name in tables
            },
            "rows": rows,
        },
    )
    bad = [row for row in rows if not is_harmless(row)]
    print(f"{len(rows) - len(bad)} of {len(rows)} attacks found or without effect")
    for row in bad:
        print(f"{row['table']}: {row['attack']}: {row['verdict']}")
    if bad:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
