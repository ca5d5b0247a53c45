"""What is said of LoRAs that do not fit; ``messages`` collects it."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from facekit.adapters.formats.bases import get_base
from facekit.adapters.formats.catalogue import get_format
from facekit.adapters.formats.writing import write_lora
from facekit.workflows.adapters import verify_adapter
from facekit.workflows.convert_adapter import plan_convert
from tests.tiny.loras import random_lora

QUERY = "diffusion_model.blocks.0.self_attn.q"


def lora_cases(tmp: Path) -> dict[str, Callable[[], object]]:
    """Spoil a LoRA in the ways that people meet."""
    base = get_base("toon")
    weights = random_lora(base, paths=[path for path in base.shapes if "attn1" in path])
    good = tmp / "good.safetensors"
    write_lora([weights], good, get_format("comfyui"), base)
    tensors = dict(load_file(good))
    half = {key: each for key, each in tensors.items() if key != f"{QUERY}.lora_B.weight"}
    text = {**tensors, "lora_te_q.lora_down.weight": torch.ones(1, 4)}
    broken = {**tensors, f"{QUERY}.lora_A.weight": tensors[f"{QUERY}.lora_A.weight"] * torch.nan}
    bare = {
        f"base_model.model.blocks.0.attn1.to_q.lora_{x}.weight": torch.ones(*shape)
        for x, shape in (("A", (1, 256)), ("B", (256, 1)))
    }
    for name, content in (("half", half), ("text", text), ("nan", broken), ("bare", bare)):
        save_file(content, tmp / f"{name}.safetensors")
    (tmp / "cut.safetensors").write_bytes(good.read_bytes()[:-9])
    lokr = random_lora(base, paths=["blocks.0.attn1.to_q"], kind="lokr")
    write_lora([lokr], tmp / "lokr.safetensors", get_format("kohya"), base)

    def convert(name: str, out: str, **options: object) -> object:
        return plan_convert(tmp / name, tmp / out, **options)  # type: ignore[arg-type]

    return {
        "lora: half a pair": lambda: verify_adapter(tmp / "half.safetensors", base="toon"),
        "lora: text encoder": lambda: verify_adapter(tmp / "text.safetensors", base="toon"),
        "lora: not finite": lambda: verify_adapter(tmp / "nan.safetensors", base="toon"),
        "lora: cut off": lambda: verify_adapter(tmp / "cut.safetensors"),
        "lora: pickle": lambda: verify_adapter(tmp / "mira.ckpt"),
        "lora: PEFT without config": lambda: verify_adapter(tmp / "bare.safetensors", base="toon"),
        "lora: another backbone": lambda: verify_adapter(good, base="wan2_1_t2v_1_3b"),
        "lora: no backbone": lambda: verify_adapter(good, base="wan"),
        "lora: format": lambda: convert("good.safetensors", "a.safetensors", to="comfy"),
        "lora: LoKr": lambda: convert("lokr.safetensors", "a.safetensors", to="diffsynth"),
        "lora: nothing to bake": lambda: convert(
            "good.safetensors", "a.safetensors", to="kohya", bake=1.0
        ),
    }
