import json

import pytest

from facekit.errors import UsageError
from facekit.workflows.preset_texts import clean_report, licence_text, model_card, report_summary
from tests.tiny.presets import tiny_contents, tiny_manifest
from tests.unit.workflows.test_preset_diff import MEASURED, report


def test_a_report_loses_where_it_was_measured(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(report("mira", 0.0)))
    (tmp_path / "said.json").write_text(
        json.dumps({"data": {"report": str(tmp_path / "report.json")}})
    )
    for path in (tmp_path, tmp_path / "report.json", tmp_path / "said.json"):
        told = clean_report(path, "mira", MEASURED)
        assert told["settings"] == {"reported with encoder": "judge"}
    summary = report_summary(told)
    assert (summary.sim_held, summary.sim_held_low, summary.gates) == (0.5, 0.4, "passed")
    with pytest.raises(UsageError, match="about mira, expected tomas"):
        clean_report(tmp_path, "tomas", MEASURED)
    with pytest.raises(UsageError, match="another version of it, aaaaaaaaaaaa, expected mira of b"):
        clean_report(tmp_path, "mira", "b" * 64)
    without = json.dumps(report("mira", 0.0)).replace(MEASURED, "")
    (tmp_path / "report.json").write_text(without)
    with pytest.raises(UsageError, match="an unknown version"):
        clean_report(tmp_path, "mira", MEASURED)
    (tmp_path / "report.json").write_text("[]")
    with pytest.raises(UsageError, match="no report"):
        clean_report(tmp_path, "mira", MEASURED)


def test_a_card_cannot_be_steered_by_names(tmp_path):
    manifest = tiny_manifest(tiny_contents(), name="[x](http://y) |", summary="---\n# <b>")
    card = model_card(manifest).decode()
    assert card.count("---\n") == 2
    assert "<b>" not in card.replace("\\<b\\>", "")
    assert "[x](" not in card


def test_terms_are_named_or_given(tmp_path):
    assert b"SPDX-License-Identifier: MIT" in licence_text("MIT", None)
    assert b"All rights reserved" in licence_text("LicenseRef-X", None)
    (tmp_path / "terms.txt").write_text("Only on Tuesdays.")
    assert licence_text("LicenseRef-X", tmp_path / "terms.txt").endswith(b"Only on Tuesdays.")
