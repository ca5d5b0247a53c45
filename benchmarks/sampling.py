"""What a character costs on every backbone: the identity branch in a pass, and taking another.

    python -m benchmarks.sampling

Writes docs/results/sampling.json. Every backbone is taken at the size of its tiny model, where a
pass is mostly Python and the branch looks dearer than it is; the toon backbone also as it ships.
"""

import argparse
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.results import RESULTS_DIR, write_results
from benchmarks.rounds import cpu_seconds, ratio
from facekit.adapters.attach import attach
from facekit.adapters.character import Character, attach_characters
from facekit.adapters.character_file import CharacterHeader, build_character
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import LoraSettings, add_lora, lora_state, remove_lora
from facekit.backbones import BackboneSpec, get_spec, spec_names
from facekit.backbones.wan import TOON
from facekit.recipe import Recipe
from facekit.resources import BASE_ADAPTER_FILE, toon_dir
from facekit.workflows.machine import provenance

GOAL_SWITCH_SECONDS = 0.2
TINY_EMBEDDING_DIM = 8
PASSES = 8
"""In a row, as sampling asks for them: what is folded is made ready for the first one."""


def measure_branch(
    pipe: Any, spec: BackboneSpec, adapter: IdentityAdapter, latents: Tensor, rounds: int
) -> dict[str, float]:
    """Time passes of the network: bare, with folded keys and values, and folding them anew."""
    family, batch = spec.family, latents.shape[0]
    with torch.no_grad():
        text = family.encode_text(pipe, spec, ["a person"] * batch)
        tokens = adapter.tokens(_embedding(adapter, 0))
        folded = adapter.fold(tokens).detached()
    network = family.network(pipe)
    attachment = attach(adapter, network, spec, pipe=pipe)

    @torch.no_grad()
    def ask(identity: Any) -> None:
        somebody = nullcontext() if identity is None else attachment.conditioned_on(identity)
        with somebody:
            for _ in range(PASSES):
                family.predict(pipe, spec, latents, torch.full((batch,), 0.5), text)

    ways = {
        name: partial(ask, identity)
        for name, identity in (("base", None), ("folded", folded), ("unfolded", tokens))
    }
    taken = cpu_seconds(ways, rounds)
    attachment.detach()
    return {
        "base_cpu_seconds_median": _median([seconds / PASSES for seconds in taken["base"]]),
        "folded_ratio_median": round(ratio(taken, "folded", "base"), 4),
        "unfolded_ratio_median": round(ratio(taken, "unfolded", "base"), 4),
    }


def measure_switch(
    pipe: Any, spec: BackboneSpec, adapter: IdentityAdapter, rounds: int
) -> dict[str, float]:
    """Time attaching, putting another character in the place of the first, and detaching."""
    characters = [_character(pipe, spec, adapter, seed) for seed in (0, 1)]
    live = attach_characters(pipe, characters[0])
    turn = iter(range(2 * rounds + 2))
    taken = cpu_seconds({"switch": lambda: live.switch_to(characters[next(turn) % 2])}, rounds)
    live.detach()
    held: list[Any] = []
    ways: Mapping[str, Callable[[], object]] = {
        "attach": lambda: held.append(attach_characters(pipe, characters[0])),
        "detach": lambda: held.pop().detach(),
    }
    taken |= cpu_seconds(ways, rounds)
    return {f"{name}_cpu_seconds_median": _median(taken[name]) for name in taken}


def measure(
    pipe: Any, spec: BackboneSpec, adapter: IdentityAdapter, latents: Tensor, rounds: int
) -> dict[str, float]:
    """Both of them, on one pipeline."""
    spec.family.network(pipe).requires_grad_(False)
    return {
        **measure_branch(pipe, spec, adapter, latents, rounds),
        **measure_switch(pipe, spec, adapter, rounds),
    }


def measure_tiny(name: str, rounds: int) -> dict[str, float]:
    """A backbone's tiny model, on a clip of two by three of its smallest sides."""
    spec = get_spec(name)
    pipe = spec.tiny()
    adapter = IdentityAdapter.from_transformer(
        spec.family.network(pipe), spec, embedding_dim=TINY_EMBEDDING_DIM, heads=2
    )
    side, frames = spec.spatial_multiple, min(2 * spec.frame_multiple + 1, spec.max_frames)
    latents = spec.family.encode_video(pipe, torch.zeros(2, 3, frames, 2 * side, 3 * side))
    return measure(pipe, spec, adapter, torch.randn(latents.shape), rounds)


def measure_toon(rounds: int) -> dict[str, float]:
    """The embedded backbone and its base adapter, a clip of 9 frames of 96 px."""
    pipe = TOON.load()
    adapter = IdentityAdapter.load(toon_dir() / BASE_ADAPTER_FILE)
    latents = TOON.family.encode_video(pipe, torch.zeros(1, 3, 9, 96, 96))
    return measure(pipe, TOON, adapter, torch.randn(latents.shape), rounds)


def _embedding(adapter: IdentityAdapter, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    vector = torch.randn(1, 1, adapter.config.embedding_dim, generator=generator)
    return torch.nn.functional.normalize(vector, dim=-1)


def _character(pipe: Any, spec: BackboneSpec, adapter: IdentityAdapter, seed: int) -> Character:
    """Somebody whom nothing was trained for; it takes as long as anybody else."""
    network = spec.family.network(pipe)
    section = Recipe().lora
    lora = LoraSettings(rank=section.rank, alpha=section.alpha)
    add_lora(network, spec, lora, seed=seed)
    header = CharacterHeader(
        name=f"nobody_{seed}",
        level="L2",
        backbone=spec.name,
        encoder="none",
        encoder_digest="",
        trigger="nobody",
        lora=lora,
    )
    with torch.no_grad():
        tokens = adapter.tokens(_embedding(adapter, seed))
    file = build_character(header, adapter=adapter, tokens_BKC=tokens, lora=lora_state(network))
    remove_lora(network)
    return Character(file=file, source=f"nobody_{seed}")


def _median(seconds: list[float]) -> float:
    return round(float(np.median(seconds)), 4)


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=RESULTS_DIR)
    options = parser.parse_args()
    tiny = {name: measure_tiny(name, options.rounds) for name in spec_names()}
    toon = measure_toon(options.rounds)
    values = {
        **provenance(torch.device("cpu")),
        "rounds": options.rounds,
        "goal_switch_seconds": GOAL_SWITCH_SECONDS,
        "toon_as_it_ships": toon,
        "tiny": tiny,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    write_results(options.out / "sampling.json", values)
    print(values)


if __name__ == "__main__":
    main()
