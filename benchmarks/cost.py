"""How near the estimate of a training step comes to what it takes: ``python -m benchmarks.cost``.

Random Wan networks of several sizes take a real step on the CPU, each in a process of its own.
Three numbers are compared: the estimate, made of networks with few blocks and tensors without
numbers; the peak of the bytes of living tensors; and the peak of the process's resident memory
above what it was before the weights. The last one holds what libraries allocate too.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from facekit.adapters.lora import LoraSettings, add_lora
from facekit.backbones import get_spec
from facekit.backbones.shapes import Shapes
from facekit.recipe import load_recipe
from facekit.training.cost import Situation, step_cost
from facekit.training.ledger import Ledger
from facekit.training.probing import FakeRun
from facekit.training.settings import TrainSettings
from facekit.training.sketch import Outline

_MIB = 2**20
_WARM_UP = {"width": 1, "layers": 2, "every": 1, "identity": 0.1, "side": 10}
_RETURNED = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""For the C library: what is freed goes back, so that resident memory is what is held."""
CASES: dict[str, dict[str, Any]] = {
    "5 M, no checkpointing": {"width": 4, "layers": 6, "every": 0},
    "60 M, no checkpointing": {"width": 8, "layers": 12, "every": 0},
    "60 M, every second block, batch of 2": {"width": 8, "layers": 12, "every": 2, "batch": 2},
    "60 M, identity loss": {"width": 8, "layers": 12, "every": 1, "identity": 0.1},
    "280 M, every block": {"width": 14, "layers": 18, "every": 1},
}


def _prepared(case: dict[str, Any]) -> tuple[Any, Outline, TrainSettings, LoraSettings, Situation]:
    from diffusers import AutoencoderKLWan, WanTransformer3DModel

    spec = replace(get_spec("wan2_1_t2v_1_3b"), sizes={"1:1": (320, 320)})
    sets = [
        f"train.batch_size={case.get('batch', 1)}",
        f"memory.checkpointing_every={case['every']}",
        f"loss.identity={case.get('identity', 0.0)}",
        "loss.preservation=0",
        "train.precision=float32",
    ]
    settings = TrainSettings.from_recipe(load_recipe("wan2_1_t2v_1_3b/train", sets))
    tiny: Any = spec.tiny()
    with torch.device("meta"):
        network = WanTransformer3DModel(
            num_attention_heads=case["width"],
            attention_head_dim=64,
            ffn_dim=case["width"] * 64 * 4,
            num_layers=case["layers"],
            text_dim=256,
        )
        vae = AutoencoderKLWan(base_dim=16)
    shapes = Shapes(text={"encoder_hidden_states": (128, 256)}, text_parameters=0, text_width=1)
    made = Outline(network=network, vae=vae, tiny=tiny, shapes=shapes)
    lora = LoraSettings(rank=16, alpha=16.0, targets=spec.lora_targets)
    return spec, made, settings, lora, Situation(device="cpu", num_views=1)


def estimated(case: dict[str, Any]) -> dict[str, float]:
    """Without numbers."""
    spec, made, settings, lora, situation = _prepared(case)
    found = step_cost(spec, made, settings, lora, situation)
    return {
        "bytes": found.base + found.trained + found.activations + found.autoencoder_weights,
        "flops": found.flops,
    }


def measured(case: dict[str, Any]) -> dict[str, float]:
    """A real step, in this process, after a small one that loads what libraries load late."""
    if case is not _WARM_UP:
        measured(_WARM_UP)
        gc.collect()
    spec, made, settings, lora, situation = _prepared(case)
    add_lora(made.network.to_empty(device="cpu"), spec, lora)
    for tensor in (*made.network.parameters(), *made.network.buffers()):
        if tensor.is_floating_point():
            tensor.data.normal_(std=0.02)
    made.vae.to_empty(device="cpu")
    for tensor in made.vae.parameters():
        tensor.data.normal_(std=0.02)
    made.tiny.register_modules(transformer=made.network, vae=made.vae)
    # Nothing of the step has been held yet but weights, which both peaks count.
    weights = sum(
        tensor.untyped_storage().nbytes()
        for part in (made.network, made.vae)
        for tensor in (*part.parameters(), *part.buffers())
    )
    resident = _resident_now() - weights
    # The peak so far is forgotten: what was imported and warmed up took more than a small case.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    with Ledger() as ledger:
        ledger.add(made.vae.parameters())
        run = FakeRun(spec, made.tiny, made, settings, lora, situation, ledger, 1.0)
        side = case.get("side", 40)
        found = run.steps((16, 1, side, side))
    total = found.trained + found.activations
    frozen = weights - sum(
        p.numel() * 4 for name, p in made.network.named_parameters() if "lora_" in name
    )
    return {
        "bytes": frozen + total,
        "flops": found.flops,
        "resident": _resident_peak() - resident,
    }


def _resident_peak() -> int:
    told = Path("/proc/self/status").read_text(encoding="ascii").partition("VmHWM:")[2]
    return 1024 * int(told.split()[0])


def _resident_now() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def compare_all() -> dict[str, object]:
    """Estimate and measure every case, each in a process of its own."""
    found = []
    env = {**os.environ, **_RETURNED}
    for name, case in CASES.items():
        expected = estimated(case)
        command = [sys.executable, "-m", "benchmarks.cost", "--case", name]
        said = subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout
        real = json.loads(said.splitlines()[-1])
        row = {
            "case": name,
            "estimated_mib": round(expected["bytes"] / _MIB, 1),
            "tensors_mib": round(real["bytes"] / _MIB, 1),
            "resident_mib": round(real["resident"] / _MIB, 1),
            "error_to_tensors": round(expected["bytes"] / real["bytes"] - 1, 4),
            "error_to_resident": round(expected["bytes"] / real["resident"] - 1, 4),
            "estimated_gflop": round(expected["flops"] / 1e9, 2),
            "counted_gflop": round(real["flops"] / 1e9, 2),
        }
        print(row, flush=True)
        found.append(row)
    worst = {
        key: max(abs(float(row[key])) for row in found)
        for key in ("error_to_tensors", "error_to_resident")
    }
    return {"worst": worst, "cases": found}


def main() -> None:
    """Compare all cases, or measure one here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", help="measure this one here, and print it")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.case:
        print(json.dumps(measured(CASES[given.case])))
        return
    compare_all()


if __name__ == "__main__":
    main()
