"""``facekit adapter`` from the command line: envelopes, exit codes, plans."""

import json
from pathlib import Path
from typing import Any

import pytest

from facekit.adapters.formats.bases import get_base
from facekit.adapters.formats.catalogue import get_format
from facekit.adapters.formats.writing import write_lora
from facekit_cli.main import app
from tests.tiny.loras import random_lora


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    base = get_base("toon")
    weights = random_lora(base, paths=[path for path in base.shapes if "attn1" in path])
    return write_lora([weights], tmp_path / "in.safetensors", get_format("kohya"), base)[0]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = app(["adapter", *arguments, "--json"], standalone_mode=False)
    (line,) = capsys.readouterr().out.splitlines()
    return code or 0, json.loads(line)


def test_convert_then_verify(lora: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(lora.with_name("out.safetensors"))
    convert = ("convert", str(lora), out, "--to", "diffusers")
    code, said = run(capsys, *convert, "--dry-run")
    assert (code, said["schema"], said["data"]["to_format"]) == (
        0,
        "facekit.adapter.convert/1",
        "diffusers",
    )
    assert not Path(out).exists()
    code, said = run(capsys, *convert)
    assert code == 0
    assert said["data"]["max_error"] <= 1e-6
    assert run(capsys, *convert)[0] == 2
    code, said = run(capsys, "verify", out, str(lora), "--base", "toon")
    assert (code, said["ok"], said["data"]["missing"]) == (0, True, [])
    code, said = run(capsys, "inspect", out)
    assert (code, said["data"]["format"]) == (0, "diffusers")


def test_what_does_not_fit_ends_with_seven(lora: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys, "verify", str(lora), "--base", "wan2_1_t2v_1_3b")
    assert (code, said["error"]["code"]) == (7, "adapter_mismatch")
    assert said["error"]["next"]


def test_the_formats_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys, "formats")
    assert code == 0
    assert "comfyui" in [each["name"] for each in said["data"]["formats"]]
