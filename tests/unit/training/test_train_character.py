"""The loop on a tiny real backbone: levels, terms, resume, guards."""

import hashlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import LoraSettings
from facekit.errors import CheckpointMismatch, NonFiniteLoss, TrainingError
from facekit.identity.excerpt import Excerpt
from facekit.media.cache import cache_dir
from facekit.media.frames import frame_times
from facekit.media.video import write_clip
from facekit.recipe import MemorySection
from facekit.training.batches import make_batch
from facekit.training.denoiser import Denoiser
from facekit.training.encoded import EncodedPhotos
from facekit.training.encoding import encode_photos
from facekit.training.metrics import read_metrics
from facekit.training.objective import Objective
from facekit.training.run_digest import run_digest
from facekit.training.scopes import pooled
from facekit.training.train_character import CACHE_FILE, TrainingResult
from facekit.training.trainer import METRICS_FILE, STATE_FILE, Validation
from facekit.types import Clip
from tests.tiny.processes import together, train, train_until_killed
from tests.tiny.training import DIM, RECIPE_SETTINGS, TinyFaces, TinyRun, make_photo


def _bytes(result: TrainingResult) -> str:
    total = hashlib.sha256()
    if result.tokens_KC is not None:
        total.update(result.tokens_KC.numpy().tobytes())
    for name, tensor in sorted((result.lora or {}).items()):
        total.update(name.encode() + tensor.numpy().tobytes())
    return total.hexdigest()


@pytest.fixture(scope="module")
def straight_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("straight")


@pytest.fixture(scope="module")
def straight(straight_dir: Path) -> TrainingResult:
    """What the run gives that nothing changes or stops."""
    return TinyRun(straight_dir)()


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return TinyRun(tmp_path_factory.mktemp("enrolled"), level="L0")()


FEW: dict[str, Any] = {"precision": "bfloat16", "steps": 3, "validate_every": 0}


@pytest.fixture(scope="module")
def in_bfloat16(tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return TinyRun(tmp_path_factory.mktemp("bfloat16"), **FEW)(validate=None)


def _steps(run: TinyRun) -> list[dict[str, Any]]:
    return [row for row in read_metrics(run.out_dir / METRICS_FILE) if "loss/total" in row]


def test_every_level_runs_through_the_same_call(
    tmp_path: Path, enrolled: TrainingResult, straight: TrainingResult
) -> None:
    """What "none" gives is of `test_a_plain_lora_has_no_enrolment_to_go_back_to`."""
    run = TinyRun(tmp_path, level="L1", steps=3)
    found = {"L0": (enrolled, 0), "L1": (run(), 3), "L2": (straight, 6)}
    for level, (result, steps) in found.items():
        assert (result.lora is not None) == (level == "L2")
        assert result.steps == steps
        assert result.best_score is not None
        assert result.tokens_KC is not None
        assert result.tokens_KC.shape == (4, 16)
    assert not any("loss/preservation" in row for row in _steps(run)), "computed without a LoRA"


def test_the_start_equals_enrolment(tmp_path: Path, enrolled: TrainingResult) -> None:
    trained = TinyRun(tmp_path, level="L1", steps=1, token_lr=1e-12)(validate=None)
    assert enrolled.tokens_KC is not None
    assert trained.tokens_KC is not None
    torch.testing.assert_close(enrolled.tokens_KC, trained.tokens_KC)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    # The other terms have tests of their own; together they take longer than this one.
    weights = replace(RECIPE_SETTINGS.weights, identity=0.0, preservation=0.0)
    rare = {"validate_every": 0, "checkpoint_every": 100}
    run = TinyRun(tmp_path, steps=60, batch_size=4, weights=weights, **rare)
    run()
    flow = [row["loss/flow"] for row in _steps(run)]
    assert sum(flow[-20:]) < 0.95 * sum(flow[:20])


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({"flow": 0.0}, "loss/flow"),
        ({"identity": 0.0}, "loss/identity"),
        ({"preservation": 0.0}, "loss/preservation"),
        ({"preservation_probability": 0.0}, "loss/preservation"),
        ({"identity_max_sigma": 0.0}, "loss/identity"),
    ],
)
def test_a_term_can_be_switched_off(tmp_path: Path, change: dict[str, float], gone: str) -> None:
    """And where preservation is on, it is zero at the start."""
    weights = replace(
        RECIPE_SETTINGS.weights, identity_max_sigma=0.95, preservation_probability=1.0
    )
    run = TinyRun(tmp_path, steps=1, weights=replace(weights, **change))
    run(validate=None)
    expected = {"loss/flow", "loss/identity", "loss/preservation"} - {gone}
    seen = {name for row in _steps(run) for name in row if name.startswith("loss/")}
    assert gone not in seen
    assert expected <= seen
    assert _steps(run)[0].get("loss/preservation", 0.0) == 0.0


def test_a_lora_needs_its_size(tmp_path: Path) -> None:
    run = TinyRun(tmp_path, steps=1)
    run.lora = None
    with pytest.raises(TrainingError, match="L2 trains a LoRA, got no rank and alpha"):
        run()


def test_contrastive_needs_other_faces(tmp_path: Path) -> None:
    weights = replace(RECIPE_SETTINGS.weights, contrastive=0.1, identity_max_sigma=0.95)
    run = TinyRun(tmp_path, steps=2, validate_every=0, weights=weights)
    with pytest.raises(TrainingError, match="no other faces"):
        run()
    others = torch.nn.functional.normalize(torch.randn(6, DIM), dim=-1)
    run(others_ND=others)
    assert any("loss/contrastive" in row for row in _steps(run))


def test_held_out_photos_are_never_looked_at_and_the_pipeline_is_given_back(
    tmp_path: Path, straight: TrainingResult
) -> None:
    other = TinyRun(tmp_path)
    other.photos = replace(other.photos, held_out=())
    transformer = other.pipe.transformer
    before = {name: tensor.clone() for name, tensor in transformer.state_dict().items()}
    flags = [parameter.requires_grad for parameter in transformer.parameters()]
    processors = {name: type(p) for name, p in transformer.attn_processors.items()}
    assert _bytes(straight) == _bytes(other())
    after = transformer.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert [parameter.requires_grad for parameter in transformer.parameters()] == flags
    assert {name: type(p) for name, p in transformer.attn_processors.items()} == processors
    assert not getattr(transformer, "peft_config", None)


def test_photos_can_be_pooled_by_joining_their_tokens(tmp_path: Path) -> None:
    """All other runs here pool by the mean, to four tokens."""
    run = TinyRun(tmp_path, pool="concat", max_photos=3, steps=2)
    result = run()
    assert result.tokens_KC is not None
    assert len(result.tokens_KC) == 12
    assert run.adapter is not None
    assert run.adapter.projector.pool == "mean"


def test_concat_makes_the_tokens_of_the_best_views(tmp_path: Path) -> None:
    """Of the views that were chosen, not of the photos of the highest quality."""
    run = TinyRun(tmp_path / "a", pool="concat", max_photos=2, level="L0")
    by_quality = run()
    other = TinyRun(tmp_path / "b", pool="concat", max_photos=2, level="L0")
    other.photos = replace(other.photos, views=(3, 1))
    assert run.adapter is not None
    found = other().tokens_KC
    vectors = torch.stack([torch.from_numpy(other.photos.train[i].embedding) for i in (1, 3)])
    assert found is not None
    with pooled(run.adapter, run.settings), torch.no_grad():
        torch.testing.assert_close(found, run.adapter.tokens(vectors[None])[0])
    assert by_quality.tokens_KC is not None
    assert not torch.equal(found, by_quality.tokens_KC)


def test_the_mean_is_of_all_photos_whatever_the_views(tmp_path: Path) -> None:
    run, other = (TinyRun(tmp_path / name, max_photos=2, steps=2) for name in "ab")
    other.photos = replace(other.photos, views=(3, 1))
    assert _bytes(run(validate=None)) == _bytes(other(validate=None))
    digests = [
        run_digest(r.settings, r.photos, r.subject, backbone_digest="x") for r in (run, other)
    ]
    assert digests[0] == digests[1]


def test_other_views_are_another_run_where_they_decide(tmp_path: Path) -> None:
    run = TinyRun(tmp_path, pool="concat", max_photos=2)
    digests = {
        run_digest(run.settings, replace(run.photos, views=views), run.subject, backbone_digest="x")
        for views in ((), (3, 1), (1, 3), (2, 3))
    }
    assert len(digests) == 3


def test_masks_of_photos_decide_what_is_learned(tmp_path: Path) -> None:
    weights = replace(RECIPE_SETTINGS.weights, face_mask_probability=1.0)
    plain, other = (TinyRun(tmp_path / name, steps=2, weights=weights) for name in "ab")
    shapes = [photo.image.shape[:2] for photo in other.photos.train]
    drawn = [np.zeros(shape, np.uint8) for shape in shapes]
    for mask in drawn:
        mask[:12, :12] = 255
    other.photos = replace(
        other.photos,
        train=tuple(
            replace(photo, mask=mask) for photo, mask in zip(other.photos.train, drawn, strict=True)
        ),
    )
    assert _bytes(plain(validate=None)) != _bytes(other(validate=None))


def test_gradient_checkpointing_gives_the_same_bits(
    tmp_path: Path, in_bfloat16: TrainingResult
) -> None:
    """In bfloat16, where blocks that ran again in the backward pass once took another kernel.

    That the bits are the same says as well that such a run can be repeated.
    """
    memory = MemorySection(checkpointing_every=1)
    checkpointed = TinyRun(tmp_path, memory=memory, **FEW)(validate=None)
    assert _bytes(in_bfloat16) == _bytes(checkpointed)
    assert checkpointed.lora is not None
    assert {tensor.dtype for tensor in checkpointed.lora.values()} == {torch.float32}


def test_photos_as_clips_that_stand_still(tmp_path: Path) -> None:
    assert TinyRun(tmp_path, num_frames=5, steps=2)(validate=None).steps == 2


def test_the_best_checkpoint_is_chosen_by_validation(tmp_path: Path) -> None:
    scores = {0: 0.1, 1: 0.3, 2: 0.7, 3: 0.5}
    kept: dict[int, str] = {}
    run = TinyRun(tmp_path, steps=3, validate_every=1)

    def validate(step: int) -> Validation:
        state = run.pipe.transformer.state_dict()
        lora = [state[name].flatten() for name in sorted(state) if "lora_" in name]
        kept[step] = hashlib.sha256(torch.cat(lora).numpy().tobytes()).hexdigest()
        return Validation(score=scores[step])

    result = run(validate=validate)
    assert (result.best_step, result.best_score, result.start_score) == (2, 0.7, 0.1)
    assert sorted(kept) == [0, 1, 2, 3]
    assert result.lora is not None
    assert len(result.lora) == 4 * 8 * 2
    assert kept[2] != kept[3]
    rows = read_metrics(run.out_dir / METRICS_FILE)
    assert [row["validate/score"] for row in rows if "validate/score" in row] == list(
        scores.values()
    )
    assert [row["validate/best_step"] for row in rows if "validate/score" in row] == [0, 1, 2, 2]


def _judged(scores: dict[int, float], calls: list[int]) -> Callable[[int], Validation]:
    def validate(step: int) -> Validation:
        calls.append(step)
        return Validation(score=scores[step])

    return validate


@pytest.mark.parametrize("every", [0, 1])
def test_training_that_only_makes_it_worse_gives_enrolment(
    tmp_path: Path, enrolled: TrainingResult, every: int
) -> None:
    """Validation at step 0 is a candidate, so a run is never worse than L0 without a word."""
    run, calls = TinyRun(tmp_path, steps=2, validate_every=every), []
    result = run(validate=_judged({0: 0.5, 1: 0.4, 2: 0.5}, calls))
    assert calls == ([0, 1, 2] if every else [0, 2])
    assert (result.best_step, result.best_score, result.start_score) == (0, 0.5, 0.5)
    assert result.tokens_KC is not None
    assert enrolled.tokens_KC is not None
    assert torch.equal(result.tokens_KC, enrolled.tokens_KC)
    assert not any(tensor.any() for name, tensor in (result.lora or {}).items() if "lora_B" in name)


def test_a_plain_lora_has_no_enrolment_to_go_back_to(tmp_path: Path) -> None:
    calls: list[int] = []
    run = TinyRun(tmp_path, level="none", steps=2, validate_every=1)
    result = run(validate=_judged({0: 0.5, 1: 0.3, 2: 0.4}, calls))
    assert result.tokens_KC is None
    assert result.steps == 2
    assert (result.best_step, result.best_score, result.start_score) == (2, 0.4, 0.5)
    assert any(tensor.any() for name, tensor in (result.lora or {}).items() if "lora_B" in name)


def test_a_resumed_run_remembers_the_start_and_does_not_judge_it_again(tmp_path: Path) -> None:
    scores = {0: 0.5, 2: 0.4, 3: 0.3}
    run, calls = TinyRun(tmp_path, steps=3, validate_every=2), []
    with pytest.raises(KeyboardInterrupt):
        run(validate=_judged(scores, calls), progress=_Stops(1))
    result = run(validate=_judged(scores, calls))
    assert calls == [0, 2, 3]
    assert (result.best_step, result.best_score, result.start_score) == (0, 0.5, 0.5)
    rows = read_metrics(run.out_dir / METRICS_FILE)
    assert [row["step"] for row in rows if "validate/score" in row] == [0, 2, 3]


def test_an_average_is_what_is_kept(tmp_path: Path) -> None:
    plain, averaged = (
        TinyRun(tmp_path / name, steps=2, **change)(validate=None)
        for name, change in (("a", {}), ("b", {"ema": 0.99}))
    )
    assert _bytes(plain) != _bytes(averaged)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are killed in forked processes")
def test_kill_9_and_the_same_command_give_a_bit_identical_adapter(
    tmp_path: Path, straight: TrainingResult, straight_dir: Path
) -> None:
    killed = tmp_path / "killed"
    for steps in (1, 4):
        (shot,) = together(1, train_until_killed, killed, steps)
        assert (shot.exit_code, shot.value, shot.error) == (-signal.SIGKILL, None, None)
    (resumed,) = together(1, train, killed, {})
    assert resumed.exit_code == 0
    tokens, lora, *judged = resumed.value
    assert judged == [straight.best_step, straight.best_score]
    assert straight.tokens_KC is not None
    assert torch.equal(tokens, straight.tokens_KC)
    assert straight.lora is not None
    assert lora.keys() == straight.lora.keys()
    assert all(torch.equal(tensor, straight.lora[name]) for name, tensor in lora.items())
    logs = [
        [(row["step"], row.get("loss/total"), row.get("validate/score")) for row in read_metrics(p)]
        for p in (straight_dir / METRICS_FILE, killed / METRICS_FILE)
    ]
    assert logs[0] == logs[1]


class _Stops:
    """Presses Ctrl-C once so many steps are done."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.trains = False

    def start(self, total: int, label: str) -> None:
        self.trains = label == "train"

    def advance(self, n: int = 1, info: str = "") -> None:
        if not self.trains:
            return
        self.left -= n
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)

    def finish(self) -> None:
        pass


def test_ctrl_c_saves_and_the_next_call_goes_on(tmp_path: Path, straight: TrainingResult) -> None:
    handler = signal.getsignal(signal.SIGINT)
    run = TinyRun(tmp_path / "b", checkpoint_every=100)
    with pytest.raises(KeyboardInterrupt):
        run(progress=_Stops(4))
    assert signal.getsignal(signal.SIGINT) is handler
    assert len(_steps(run)) == 4
    assert _bytes(run()) == _bytes(straight)


def test_a_thread_can_train(tmp_path: Path) -> None:
    found: list[TrainingResult] = []
    run = TinyRun(tmp_path, steps=1, validate_every=0)
    thread = threading.Thread(target=lambda: found.append(run(validate=None)))
    thread.start()
    thread.join()
    assert found[0].steps == 1


def test_a_state_of_another_run_is_refused(tiny_run: TinyRun) -> None:
    tiny_run.settings = replace(tiny_run.settings, steps=1)
    tiny_run(validate=None)
    tiny_run.digest = "e" * 64
    with pytest.raises(CheckpointMismatch, match="made by another recipe"):
        tiny_run()


def test_a_loss_that_stays_not_finite_stops_with_the_last_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = TinyRun(tmp_path, steps=9, validate_every=0, checkpoint_every=2)
    real, good = Objective.backward, []

    def breaks(self: Objective, batch: Any) -> Any:
        if len(good) == 3:
            return replace(good[-1], total=float("nan"))
        good.append(real(self, batch))
        return good[-1]

    monkeypatch.setattr(Objective, "backward", breaks)
    with pytest.raises(NonFiniteLoss, match=r"6 steps in a row .*/state\.safetensors"):
        run(validate=None)
    assert (run.out_dir / STATE_FILE).is_file()
    monkeypatch.setattr(Objective, "backward", real)
    run.settings = replace(run.settings, steps=4)
    lora = run(validate=None).lora
    assert lora
    for tensor in lora.values():
        assert bool(tensor.isfinite().all())


def test_a_single_bad_step_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = TinyRun(tmp_path, steps=3)
    real, calls = Objective.backward, []

    def breaks(self: Objective, batch: Any) -> Any:
        calls.append(1)
        found = real(self, batch)
        return replace(found, total=float("inf")) if len(calls) == 2 else found

    monkeypatch.setattr(Objective, "backward", breaks)
    assert run(validate=None).steps == 3
    assert [row["skipped"] for row in _steps(run)] == [False, True, False]


def test_tokens_that_cannot_learn_are_an_error(tmp_path: Path) -> None:
    run = TinyRun(tmp_path, level="L1")
    assert run.adapter is not None
    for _, branch in run.adapter.branches():
        torch.nn.init.zeros_(branch.to_v.weight)
    with pytest.raises(TrainingError, match="nothing in tokens has changed"):
        run()


def test_a_level_with_identity_needs_the_base_adapter(tiny_run: TinyRun) -> None:
    tiny_run.adapter = None
    with pytest.raises(TrainingError, match=r"identity\.level L2 needs the base identity adapter"):
        tiny_run()


def test_a_time_budget_becomes_a_number_of_steps(tmp_path: Path) -> None:
    run = TinyRun(tmp_path, steps=10_000, minutes=0.01, validate_every=0, checkpoint_every=5)
    began = time.monotonic()
    result = run(validate=None)
    assert 1 <= result.steps < 1000
    assert time.monotonic() - began < 20
    # A second call knows the number from the state and does not measure again.
    assert run(validate=None).steps == result.steps


def test_few_steps_are_not_stretched_to_the_budget(tmp_path: Path) -> None:
    assert TinyRun(tmp_path, steps=2, minutes=5, validate_every=0)(validate=None).steps == 2


def test_the_learned_null_stands_for_dropped_identities(tmp_path: Path) -> None:
    from tests.tiny.training import tiny_adapter

    run = TinyRun(tmp_path, steps=2)
    run.adapter = tiny_adapter(run.pipe, learned_null=True)
    assert isinstance(run.adapter, IdentityAdapter)
    assert run(validate=None).steps == 2


def test_the_digest_covers_what_decides_the_weights(tiny_run: TinyRun) -> None:
    def digest(**changes: Any) -> str:
        arguments: dict[str, Any] = {
            "settings": tiny_run.settings,
            "photos": tiny_run.photos,
            "subject": tiny_run.subject,
            "backbone_digest": "b",
            "lora": LoraSettings(rank=2, alpha=4.0),
        }
        return run_digest(**{**arguments, **changes})

    others = [
        digest(settings=replace(tiny_run.settings, seed=1)),
        digest(photos=replace(tiny_run.photos, train=tiny_run.photos.train[:3])),
        digest(subject=replace(tiny_run.subject, trigger="sks")),
        digest(backbone_digest="c"),
        digest(lora=LoraSettings(rank=4, alpha=4.0)),
    ]
    assert digest() == digest()
    assert len({digest(), *others}) == 6


def _clip_run(folder: Path, source: Path) -> TinyRun:
    """A run that learns from a clip in about half of its steps."""
    clip = source / "a.mp4"
    if not clip.exists():
        source.mkdir(exist_ok=True)
        drawn = [make_photo(10 + index, TinyFaces()).image for index in range(5)]
        write_clip(clip, Clip(frames=np.stack(drawn), fps=8.0))
    run = TinyRun(folder, steps=6, seed=2)
    face = make_photo(0, run.faces).face
    excerpt = Excerpt(
        source="a.mp4@00:00.000",
        file=clip,
        content="c" * 64,
        times_ms=frame_times(clip),
        size_px=(48, 48),
        faces=(None, face, face, face, face),
        photo=1,
    )
    run.photos = replace(run.photos, excerpts=(excerpt,))
    return run


def test_photos_and_clips_go_on_bit_for_bit_without_the_cache_and_the_clip(tmp_path: Path) -> None:
    whole = _clip_run(tmp_path / "whole", tmp_path / "clips")()
    assert whole.lora is not None
    drawn: set[int] = set()
    stopped = _clip_run(tmp_path / "stopped", tmp_path / "clips")

    class Stop:
        def __init__(self) -> None:
            self.left = 3

        def start(self, total: int, label: str) -> None:
            self.trains = label == "train"

        def advance(self, n: int = 1, info: str = "") -> None:
            self.left -= self.trains and bool(info)
            if self.left == 0:
                self.left = -1
                signal.raise_signal(signal.SIGINT)

        def finish(self) -> None:
            pass

    with pytest.raises(KeyboardInterrupt):
        stopped(progress=Stop())
    shutil.rmtree(cache_dir())
    shutil.rmtree(tmp_path / "clips")
    again = _clip_run_of(stopped)()
    assert _bytes(again) == _bytes(whole)
    encoded = EncodedPhotos.load(stopped.out_dir / CACHE_FILE, stopped.digest)
    assert encoded is not None
    for step in range(6):
        batch = make_batch(step, stopped.settings, encoded, 1.0)
        drawn.add(batch.latents_BCFHW.shape[2])
        assert set(batch.face_frames) <= ({0} if batch.latents_BCFHW.shape[2] == 1 else {1})
    assert drawn == {1, 3}, "steps of photos and steps of the clip"


def _clip_run_of(run: TinyRun) -> TinyRun:
    other = TinyRun(run.out_dir, steps=6, seed=2)
    other.photos = run.photos
    return other


def test_the_identity_loss_decodes_the_latent_frame_that_shows_the_face(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _clip_run(tmp_path / "out", tmp_path / "clips")
    denoiser = Denoiser(pipe=run.pipe, spec=run.spec)
    encoded = encode_photos(run.photos, run.subject, denoiser, run.faces)
    settings = replace(run.settings, level="none", batch_size=1)
    step = next(s for s in range(99) if make_batch(s, settings, encoded, 1.0).face_frames == (1,))
    batch = replace(
        make_batch(step, settings, encoded, 1.0),
        sigma_B=torch.tensor([1e-6]),
        present_B=torch.ones(1),
        named_B=torch.tensor([True]),
    )
    seen: list[torch.Tensor] = []
    real = Denoiser.decode

    def decode(self: Denoiser, latents: torch.Tensor) -> torch.Tensor:
        seen.append(latents.detach())
        return real(self, latents)

    monkeypatch.setattr(Denoiser, "decode", decode)
    Objective(denoiser, settings, run.faces).backward(batch)
    (decoded,) = seen
    torch.testing.assert_close(decoded, batch.latents_BCFHW[:, :, 1:2], atol=1e-3, rtol=1e-3)
