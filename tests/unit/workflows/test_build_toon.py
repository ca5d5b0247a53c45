"""The build of the embedded weights: its plan, its order, its time limit and its light pieces."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import nn

from facekit.errors import UsageError, WeightsMissing
from facekit.resources import datasets_dir, toon_dir
from facekit.toon import encoders
from facekit.toon.fitting import load_average
from facekit.workflows import build_toon, toon_checkpoints, toon_plan
from facekit.workflows.build_toon import PARTS, BuildToonPlan, plan_build_toon, run_build_toon
from facekit.workflows.toon_checkpoints import new_model, tensors_digest, trained_embedder
from facekit.workflows.toon_pipeline import save_half
from facekit.workflows.toon_plan import TOKENS

Report = Callable[[int, int], None]


class Recorder:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def start(self, total: int, label: str) -> None:
        self.calls.append(("start", total, label))

    def advance(self, n: int = 1, info: str = "") -> None:
        self.calls.append(("advance", n, info))

    def finish(self) -> None:
        self.calls.append(("finish",))


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace every builder by one that notes its part."""
    names: list[str] = []

    def builder(part: str) -> Callable[[BuildToonPlan, Report], None]:
        def build(plan: BuildToonPlan, report: Report) -> None:
            names.append(part)
            report(0, 10)
            report(4, 10)
            report(10, 10)

        return build

    monkeypatch.setattr(build_toon, "_BUILDERS", {part: builder(part) for part in PARTS})
    return names


def test_an_unknown_part_lists_the_known() -> None:
    with pytest.raises(UsageError) as caught:
        plan_build_toon(parts=("vae", "vea", "brain"))
    message = str(caught.value)
    assert message.startswith("--part brain, vea: no such part, expected some of corpus,")
    assert all(part in message for part in PARTS)


def test_all_parts_by_default() -> None:
    plan = plan_build_toon()
    assert plan.parts == tuple(PARTS)
    assert plan.seed == 0
    assert plan.hours is None


def test_parts_are_built_in_their_order() -> None:
    assert plan_build_toon(parts=("export", "vae", "corpus")).parts == ("corpus", "vae", "export")


def test_every_part_has_a_builder() -> None:
    assert set(build_toon._BUILDERS) == set(PARTS)
    assert all(steps > 0 for steps in PARTS.values())


def test_the_plan_is_printable(tmp_path: Path) -> None:
    plan = plan_build_toon(parts=("vae",), seed=3, out=tmp_path, device="cpu")
    assert "parts: vae" in plan.describe()
    assert "device: cpu" in plan.describe()
    assert "tokens" not in plan.describe()
    assert str(tmp_path) in plan.describe()
    assert json.loads(json.dumps(plan.to_json())) == {
        "parts": ["vae"],
        "out": str(tmp_path),
        "export_to": str(tmp_path / "export"),
        "samples_to": str(tmp_path / "datasets"),
        "install": False,
        "seed": 3,
        "device": "cpu",
        "steps": None,
        "tokens": TOKENS,
        "from_shipped": False,
    }


def test_steps_belong_to_one_trained_part() -> None:
    plan = plan_build_toon(parts=("corpus", "backbone", "export"), steps=7)
    assert plan.steps_of("backbone") == 7
    assert plan.steps_of("probe") == PARTS["probe"]
    assert "steps: 7" in plan.describe()
    with pytest.raises(UsageError, match="--steps 7: 2 trained parts"):
        plan_build_toon(parts=("vae", "probe"), steps=7)


def test_tokens_belong_to_the_backbone() -> None:
    plan = plan_build_toon(parts=("backbone",), tokens=18432)
    assert "tokens per step: 18432" in plan.describe()
    assert plan.to_json()["tokens"] == 18432
    assert f"tokens per step: {TOKENS}" in plan_build_toon().describe()
    with pytest.raises(UsageError, match=r"--tokens 9: vae, probe has no use for it, .*; name it"):
        plan_build_toon(parts=("vae", "probe"), tokens=9)


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"device 'cuda': .* finds none here"):
        plan_build_toon(device="cuda")


def test_the_device_and_the_tokens_reach_every_trained_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nets = ("detector", "refiner", "embedder")
    seen: dict[str, tuple[object, ...]] = {}

    def trainer(name: str) -> Callable[..., None]:
        def train(*args: object, device: torch.device, **options: object) -> None:
            variant = args[0] if name in nets else ""
            seen[f"{name}{variant}"] = (device, options.get("tokens_per_step"))

        return train

    class Faces:
        """Notes where it is asked to go."""

        def to(self, device: torch.device) -> "Faces":
            seen["faces"] = (*seen.get("faces", ()), device)
            return self

        def embedder_state(self) -> dict[str, torch.Tensor]:
            return {}

    def cache(*args: Any, **options: object) -> None:
        seen["latents"] = (args[2].weight.device, args[3])

    for net in nets:
        monkeypatch.setattr(encoders, f"train_{net}", trainer(net))
    monkeypatch.setattr("facekit.toon.vae_training.train_vae", trainer("vae"))
    monkeypatch.setattr("facekit.toon.vae_training.refine_vae", trainer("refine"))
    monkeypatch.setattr("facekit.toon.fitting.load_average", lambda *args: 0)
    monkeypatch.setattr("facekit.toon.probe.train_probe", trainer("probe"))
    monkeypatch.setattr("facekit.training.pretrain.train_backbone", trainer("backbone"))
    monkeypatch.setattr("facekit.training.latents.cache_shard", cache)
    faces = Faces()
    for name, thing in {
        "embedder_a": faces,
        "first_vae": nn.Linear(2, 2),
        "new_model": None,
    }.items():
        monkeypatch.setattr(toon_checkpoints, name, lambda plan, thing=thing: thing)
    parts = tuple(part for part, steps in PARTS.items() if steps > 1)
    plan = plan_build_toon(parts=parts, out=tmp_path, tokens=7)
    elsewhere = torch.device("meta")
    run_build_toon(dataclasses.replace(plan, device=elsewhere))
    assert seen.pop("faces") == (elsewhere,) * 3
    assert seen.pop("latents") == (elsewhere, faces)
    assert seen.pop("backbone") == (elsewhere, 7)
    both = {net + variant for net in nets for variant in ("toon-a", "toon-b")}
    assert set(seen) == {"vae", "refine", "probe", *both}
    assert all(value == (elsewhere, None) for value in seen.values())


def test_shipped_weights_become_checkpoints(tmp_path: Path, built: list[str]) -> None:
    plan = plan_build_toon(parts=("backbone",), out=tmp_path, from_shipped=True)
    (tmp_path / "probe.pt").write_text("kept")
    run_build_toon(plan)
    assert built == ["backbone"]
    assert (tmp_path / "probe.pt").read_text() == "kept"
    model = new_model(plan)
    assert load_average(model, tmp_path / "backbone.pt") == 0, "is trained on"
    shipped = toon_dir() / "backbone" / "transformer" / "diffusion_pytorch_model.safetensors"
    with safe_open(shipped, "pt") as file:
        for name, value in model.transformer.state_dict().items():
            assert torch.equal(value, file.get_tensor(name).float()), name
    with safe_open(toon_dir() / "toon-b.safetensors", "pt") as file:
        for name, value in trained_embedder(plan, "toon-b").state_dict().items():
            if value.is_floating_point():
                assert torch.equal(value, file.get_tensor(f"embedder.{name}").float()), name
    saved = torch.load(tmp_path / "toon-b-embedder.pt", weights_only=True)
    assert saved["step"] == PARTS["embedder-b"], "counts as done"


def test_only_the_shipped_weights_that_are_lacking_are_read(
    tmp_path: Path, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    variants, nets = ("toon-a", "toon-b"), ("detector", "refiner", "embedder")
    names = [f"{variant}-{net}" for variant in variants for net in nets]
    for name in (*names, "probe", "vae", "vae-faces", "backbone"):
        (tmp_path / f"{name}.pt").touch()
    (tmp_path / "toon-b-embedder.pt").unlink()
    read: list[str] = []
    verify = toon_checkpoints.verify
    monkeypatch.setattr(
        toon_checkpoints,
        "verify",
        lambda folder, below: (read.append(below), verify(folder, below=below)),
    )
    plan = plan_build_toon(parts=("vae",), out=tmp_path, from_shipped=True)
    run_build_toon(plan)
    assert read == ["toon-b.safetensors"]
    run_build_toon(plan)
    assert read == ["toon-b.safetensors"], "every checkpoint is there now"


def test_parts_run_and_report(tmp_path: Path, built: list[str]) -> None:
    progress = Recorder()
    plan = plan_build_toon(parts=("vae", "probe"), out=tmp_path / "work")
    result = run_build_toon(plan, progress)
    assert built == ["vae", "probe"]
    assert (tmp_path / "work").is_dir()
    assert list(result.seconds) == ["vae", "probe"]
    assert result.unfinished == ()
    assert progress.calls[:5] == [
        ("start", 10, "vae"),
        ("advance", 0, "0/10"),
        ("advance", 4, "4/10"),
        ("advance", 6, "10/10"),
        ("finish",),
    ]
    assert "vae: 0 s" in result.describe()


def test_time_that_is_up_leaves_the_rest(tmp_path: Path, built: list[str]) -> None:
    plan = plan_build_toon(parts=("vae", "probe"), out=tmp_path, hours=-1.0)
    result = run_build_toon(plan)
    assert built == []
    assert result.unfinished == ("vae", "probe")
    assert "not reached: vae, probe; run the same command again" in result.describe()
    assert json.loads(json.dumps(result.to_json()))["unfinished"] == ["vae", "probe"]


def test_nothing_that_ships_is_replaced_unless_asked(tmp_path: Path) -> None:
    plan = plan_build_toon(parts=("samples", "export"), out=tmp_path)
    assert (plan.export_to, plan.samples_to) == (tmp_path / "export", tmp_path / "datasets")
    assert "place of what ships" not in plan.describe()
    asked = plan_build_toon(parts=("samples", "export"), out=tmp_path, install=True)
    assert (asked.export_to, asked.samples_to) == (toon_dir(), datasets_dir())
    assert f"export to: {toon_dir()}, in the place of what ships" in asked.describe()
    assert f"samples to: {datasets_dir()}, in the place of what ships" in asked.describe()


def test_an_installation_is_refused_before_hours_of_building(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"vae writes nothing that ships.*; name one of them"):
        plan_build_toon(parts=("vae",), out=tmp_path, install=True)
    monkeypatch.setattr(toon_plan.os, "access", lambda path, mode: False)
    with pytest.raises(UsageError, match=r"no permission to write to .*; leave --install out"):
        plan_build_toon(parts=("export",), out=tmp_path, install=True)
    assert plan_build_toon(parts=("export",), out=tmp_path)


def test_a_killed_installation_is_mended(tmp_path: Path, built: list[str]) -> None:
    shipped = tmp_path / "weights"
    (tmp_path / ".weights.old").mkdir()
    (tmp_path / ".weights.old" / "manifest.json").touch()
    plan = plan_build_toon(parts=("vae",), out=tmp_path / "work")
    run_build_toon(dataclasses.replace(plan, export_to=shipped))
    assert (shipped / "manifest.json").is_file()


def test_samples_are_written_into_the_work_folder(tmp_path: Path) -> None:
    run_build_toon(plan_build_toon(parts=("samples",), out=tmp_path))
    assert (tmp_path / "datasets" / "toon_mira" / "mira_01.png").is_file()
    assert not list((tmp_path / "datasets").glob(".*"))


def test_an_export_without_checkpoints_leaves_the_last_one(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "manifest.json").touch()
    with pytest.raises(WeightsMissing, match=r"toon-a-detector\.pt: no such checkpoint"):
        run_build_toon(plan_build_toon(parts=("export",), out=tmp_path))
    assert (tmp_path / "export" / "manifest.json").is_file()


def test_every_shard_counts_from_its_own_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first shard's 60,000 once stood through all the others."""

    def build_shard(folder: Path, *, num_samples: int, on_progress: Report, **_: object) -> None:
        if folder.name != "16x9_1":  # as if that one had been drawn before
            on_progress(num_samples, num_samples)

    monkeypatch.setattr("facekit.toon.corpus.build_shard", build_shard)
    progress = Recorder()
    run_build_toon(plan_build_toon(parts=("corpus",), out=tmp_path), progress)
    assert progress.calls[:6] == [
        ("start", 60000, "corpus 1x1_1"),
        ("advance", 60000, "60000/60000"),
        ("finish",),
        ("start", 8000, "corpus 9x16_1"),
        ("advance", 8000, "8000/8000"),
        ("finish",),
    ]


def test_a_part_that_was_done_before_reports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_toon, "_BUILDERS", {"vae": lambda plan, report: None})
    progress = Recorder()
    run_build_toon(plan_build_toon(parts=("vae",), out=tmp_path), progress)
    assert progress.calls == []


def test_the_digest_is_of_the_bytes_in_order() -> None:
    one, two = torch.arange(3.0), torch.ones(2)
    assert tensors_digest([one, two]) == tensors_digest([one.clone(), two.clone()])
    assert tensors_digest([one, two]) != tensors_digest([two, one])
    assert tensors_digest([one.flip(0), two]) != tensors_digest([one, two])


def test_files_that_ship_hold_halves_of_floats(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_half({"weight": torch.ones(4, 3).T, "count": torch.tensor(5)}, path)
    with safe_open(path, framework="pt") as file:
        assert list(file.keys()) == ["weight"]
        assert file.get_tensor("weight").dtype == torch.float16
        assert file.metadata() == {"format": "pt", "licence": "Apache-2.0"}
