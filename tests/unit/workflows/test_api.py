"""The public door: what its own page shows works as it stands."""

import inspect
import textwrap
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from facekit.adapters.character import attach_characters
from facekit.adapters.character_header import SubjectRecord
from facekit.errors import ConsentRefused
from facekit.signing.home import key_home
from facekit.workflows import api
from facekit.workflows.consent import ConsentTerms, record_consent, revoke_consent
from tests.tiny.backbones import predict, tiny_character, tiny_pipe

TERMS = ConsentTerms(
    method="agreement-ref",
    reason="contract 7",
    controller="Studio",
    purpose="a film",
    allow=("narrative-fiction",),
    contact="legal@studio.example",
)


def test_the_example_of_the_module_is_python_that_runs(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import facekit

    monkeypatch.chdir(tmp_path)
    pipe = tiny_pipe()
    (tmp_path / "mira").mkdir()
    tiny_character(pipe).save(tmp_path / "mira" / "adapter.safetensors")
    assert api.__doc__ is not None
    lines = api.__doc__.splitlines()
    example = textwrap.dedent("\n".join(line for line in lines if line.startswith("    ")))
    asked: dict[str, Any] = {}

    class Frames:
        frames = "frames"

    class Pipe:
        transformer = pipe.transformer

        def __call__(self, prompt: str, **options: Any) -> Frames:
            asked.update(options, prompt=prompt)
            return Frames()

    names: dict[str, Any] = {"facekit": facekit, "pipe": Pipe()}
    exec(example, names)
    assert names["frames"] == "frames"
    assert asked == {"prompt": "mira in the kitchen", "max_sequence_length": 48}


def test_both_doors_take_the_same_options() -> None:
    outer, inner = (
        {
            name: (each.default, each.kind)
            for name, each in inspect.signature(function).parameters.items()
            if each.kind is inspect.Parameter.KEYWORD_ONLY
        }
        for function in (api.attach, attach_characters)
    )
    assert outer.pop("use") == ("", inspect.Parameter.KEYWORD_ONLY)
    assert outer == inner


def test_a_path_will_do_and_options_arrive(tmp_path: Any) -> None:
    pipe = tiny_pipe()
    tiny_character(pipe).save(tmp_path / "adapter.safetensors")
    left = torch.zeros(4, 6)
    left[:, :3] = 1
    with api.attach(pipe, tmp_path):
        everywhere = predict(pipe)
    with api.attach(pipe, tmp_path / "adapter.safetensors", masks_LHW=(left,)):
        assert not torch.equal(predict(pipe), everywhere)


def test_what_a_pipeline_gives_can_be_saved_with_the_public_names(tmp_path: Any) -> None:
    """`write_clip` was public, and what it takes was not."""
    import facekit

    frames = np.random.default_rng(0).random((1, 5, 16, 16, 3)).astype(np.float32)
    clip = facekit.Clip(frames=(255 * frames[0]).round().astype("uint8"), fps=8)
    facekit.write_clip(tmp_path / "mira.mp4", clip)
    assert facekit.read_clip(tmp_path / "mira.mp4").num_frames == 5


def test_a_person_is_attached_only_as_agreed(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("FACEKIT_CONSENT", str(tmp_path / "consent"))
    monkeypatch.setenv("FACEKIT_LEDGER", str(tmp_path / "ledger.jsonl"))
    key_home().create("legal")
    record = record_consent([], "mira", TERMS, adult=True).consent
    pipe = tiny_pipe()
    made = tiny_character(pipe)
    path = tmp_path / "adapter.safetensors"
    subject = SubjectRecord(type="real", ref=record.record.subject_ref, consent=record.digest)
    replace(made, header=replace(made.header, subject=subject)).save(path)
    real = api.load_character(path)
    with api.attach(pipe, real, use="narrative-fiction"):
        pass
    with pytest.raises(ConsentRefused, match="advertising"):
        api.attach(pipe, real, use="advertising")
    revoke_consent("mira", effect="withdraw", reason="asked")
    with pytest.raises(ConsentRefused, match="revoked"):
        api.attach(pipe, real)
