"""Who is in single takes, written beside them."""

import json

import numpy as np
import pytest
import torch

from facekit.adapters.character import load_character
from facekit.errors import UsageError
from facekit.types import Clip, NoProgress, Shot
from facekit.workflows.shoot import plan_shoot, run_shoot
from facekit.workflows.take_identity import plan_identities, write_identities
from facekit.workflows.takes import StoredTake


def test_a_take_is_told_who_is_in_it_when_that_is_asked(trained, tmp_path):
    prompt = ["close-up of @mira"]
    made = plan_shoot(
        prompt, character=str(trained.adapter), out=tmp_path, recipe=trained.recipe, num_frames=5
    )
    pipe, judge = trained.backbone.pipe, trained.judge
    result = run_shoot(made, NoProgress(), pipe=pipe, identify=True, judging=judge)
    (path,) = result.identities
    assert path.name == f"{result.clips[0].stem}.identity.json"
    assert result.to_json()["identities"] == [str(path)]
    told = json.loads(path.read_text())
    assert (told["schema"], told["cast"]) == ("facekit.identity/1", ["mira"])
    assert told["encoder"].startswith("judge")
    again = plan_shoot(
        prompt, character=str(trained.adapter), out=tmp_path, recipe=trained.recipe, num_frames=5
    )
    path.unlink()
    assert again.done == (True,), "what is not part of a take makes none anew"
    assert run_shoot(again, NoProgress(), pipe=pipe).identities == ()
    assert not path.exists()


def test_nobody_can_be_told_without_photos(trained, tmp_path):
    lost = tmp_path / "adapter.safetensors"
    lost.write_bytes(trained.adapter.read_bytes())
    for name in ("recipe.toml",):
        (tmp_path / name).write_bytes((trained.adapter.parent / name).read_bytes())
    away = trained.photos.rename(trained.photos.with_name("away"))
    try:
        with pytest.raises(UsageError, match=r"mira: no photos at hand .*; leave --identity away"):
            plan_identities([load_character(lost)])
    finally:
        away.rename(trained.photos)


def test_regions_of_the_record_say_where_everybody_should_be(trained, tmp_path, monkeypatch):
    seen = {}

    def report(clip, cast, faces, *, masks_FHW):
        seen.update(masks_FHW)
        return type("Report", (), {"to_json": staticmethod(dict)})

    monkeypatch.setattr("facekit.workflows.take_identity.report_cast", report)
    shot = Shot(name="a", prompt="", seed=0, num_frames=5, height=96, width=96, kind="unknown")
    clip = Clip(frames=np.zeros((5, 96, 96, 3), np.uint8), fps=8.0)
    record = {"backbone": "toon", "regions": {"mira": "left", "tom": "right"}}
    take = StoredTake(path=tmp_path / "a.mp4", shot=shot, clip=clip, record=record)
    write_identities([take], {"mira": np.eye(1, 4, dtype=np.float32)}, trained.judge)
    assert list(seen) == ["mira"]
    assert torch.as_tensor(seen["mira"])[0, 0].tolist()[0] == 1.0
