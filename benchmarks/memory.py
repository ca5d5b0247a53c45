"""What it takes to hold a backbone's frozen weights in fewer bits, on the CPU.

    python -m benchmarks.memory

Writes docs/results/memory.json. A Wan of about 200 million random weights is trained for some steps
in a process of its own for each way of holding it, its blocks recomputed. int8 and nf4 need
pip install 'facekit[quant]'. Times are of processors that have no arithmetic for few bits; a
graphics card has.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, get_args

import torch

from benchmarks.results import RESULTS_DIR, write_results
from facekit.adapters.lora import LoraSettings
from facekit.backbones.held import BaseWeights, check_held, hold_weights, load_dtype, stored_bytes
from facekit.backbones.wan import WAN_2_1_T2V_1_3B
from facekit.recipe import Recipe
from facekit.training.denoiser import attention_kernels, autocast
from facekit.training.scopes import checkpointed, frozen, with_lora
from facekit.training.settings import Precision, TrainSettings
from facekit.workflows.machine import provenance

CPU = torch.device("cpu")
MB = 1e6


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS_DIR)
    parser.add_argument("--one", nargs=2, metavar=("FOLDER", "HOW"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        folder, how = options.one
        print(json.dumps(measure(Path(folder), how, options.steps)))
        return
    ways: tuple[BaseWeights, ...] = get_args(BaseWeights)
    for how in ways:
        check_held(how, CPU)
    with tempfile.TemporaryDirectory() as folder:
        count = write_network(Path(folder), options.blocks, options.width)
        rows = {how: _alone(folder, how, options.steps) for how in ways}
    plain = rows["float32"]
    for row in rows.values():
        row["loss_difference"] = round(abs(row["loss"] / plain["loss"] - 1), 5)
        row["step_ratio"] = round(row["step_cpu_s"] / plain["step_cpu_s"], 3)
    values = {
        **provenance(CPU),
        "parameters": count,
        "steps": options.steps,
        "rows": rows,
    }
    write_results(options.out / "memory.json", values)
    print(json.dumps(rows, indent=1))


def write_network(folder: Path, blocks: int, width: int) -> int:
    """Save a Wan transformer of random weights in bfloat16, as large models come.

    Returns:
        Its parameters.
    """
    from diffusers import WanTransformer3DModel

    torch.manual_seed(0)
    network: Any = WanTransformer3DModel(
        num_attention_heads=width // 64,
        attention_head_dim=64,
        num_layers=blocks,
        ffn_dim=4 * width,
        text_dim=256,
    )
    network.to(torch.bfloat16).save_pretrained(folder)
    return sum(each.numel() for each in network.parameters())


def measure(folder: Path, how: BaseWeights, steps: int) -> dict[str, float]:
    """Load and train in this process; memory in MB, more than before loading."""
    from diffusers import WanTransformer3DModel

    torch.set_num_threads(1)
    spec, precision = WAN_2_1_T2V_1_3B, _precision(how)
    check_held(how, CPU)  # what it imports is no part of the network
    before = _memory_mb()
    kind: Any = WanTransformer3DModel
    network = kind.from_pretrained(folder, torch_dtype=load_dtype(how))
    hold_weights(network, how, getattr(torch, precision))
    loaded = _memory_mb()
    arguments = {
        "hidden_states": torch.randn(1, 16, 1, 32, 32, generator=torch.Generator().manual_seed(1)),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": torch.ones(1, 16, 256),
    }
    settings, lora = TrainSettings.from_recipe(Recipe()), LoraSettings(rank=16, alpha=16.0)
    with frozen(network), with_lora(network, spec, lora, settings), checkpointed(network):
        losses, began = [], 0.0
        for step in range(steps + 1):
            if step == 1:
                began = time.process_time()  # the first one warms up
            with autocast(CPU, precision), attention_kernels(CPU, precision):
                found = network(return_dict=False, **arguments)[0].float()
                loss = found.square().mean()
                loss.backward()
            losses.append(float(loss.detach()))
        taken = (time.process_time() - began) / steps
        return {
            "stored_mb": round(stored_bytes(network) / MB, 1),
            "memory_loaded_mb": round(loaded - before, 1),
            "memory_peak_mb": round(_peak_mb() - before, 1),
            "step_cpu_s": round(taken, 3),
            "loss": losses[0],
        }


def _precision(how: BaseWeights) -> Precision:
    return "float32" if how == "float32" else "bfloat16"


def _alone(folder: str, how: BaseWeights, steps: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.memory", "--steps", str(steps)]
    told = subprocess.run(
        [*command, "--one", folder, how], check=True, capture_output=True, text=True
    )
    row: dict[str, float] = json.loads(told.stdout.strip().splitlines()[-1])
    return row


def _memory_mb() -> float:
    """Memory of this process now, mapped files not counted."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    found = dict(line.split(":", 1) for line in lines if line.startswith("Rss"))
    return float(found["RssAnon"].split()[0]) * 1024 / MB


def _peak_mb() -> float:
    """The most so far, mapped files counted while they are read."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB


if __name__ == "__main__":
    main()
