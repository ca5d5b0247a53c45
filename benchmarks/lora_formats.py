"""What LoRAs lose between formats, and everything that is refused on the way, with its message.

    python -m benchmarks.lora_formats

Writes docs/results/lora_formats.json: for every family and every pair of formats the largest error
of delta W per module, from random LoRAs of mixed ranks, alphas and dtypes on small models of the
real classes; and what baking the identity branch into a LoRA misses on the toon backbone.
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.results import RESULTS_DIR, write_results
from facekit.adapters.bake import BAKE_RANK
from facekit.adapters.character_file import CharacterHeader, build_character
from facekit.adapters.formats.arithmetic import relative_error
from facekit.adapters.formats.catalogue import FORMATS, Format
from facekit.adapters.formats.factors import LoraWeights
from facekit.adapters.formats.reading import read_lora
from facekit.adapters.formats.writing import check_writable, write_lora
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.backbones.digest import pipeline_digest
from facekit.backbones.wan import TOON
from facekit.errors import FacekitError
from facekit.faces.vendors import load_faces
from facekit.identity.gallery import build_gallery
from facekit.media.images import read_image
from facekit.resources import BASE_ADAPTER_FILE, datasets_dir, toon_dir
from facekit.types import NoProgress
from facekit.workflows.convert_adapter import plan_convert, run_convert
from facekit.workflows.machine import provenance
from tests.tiny.loras import TINY_CONFIGS, random_lora, tiny_base

KINDS = ("lora", "dora", "lokr")
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
SEEDS = 3
SAMPLE = "toon_mira"
QUERY = "diffusion_model.blocks.0.self_attn.q"


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS_DIR)
    options = parser.parse_args()
    pairs: dict[str, object] = {}
    refused: dict[str, dict[str, str]] = {}
    worst = 0.0
    for family in TINY_CONFIGS:
        for kind in KINDS:
            errors, reasons = measure(family, kind)
            if errors:
                pairs[f"{family}/{kind}"] = errors
                worst = max(worst, *errors.values())
            if reasons:
                refused[f"{family}/{kind}"] = reasons
    values: dict[str, object] = {
        **provenance(torch.device("cpu")),
        "tolerance": 1e-6,
        "max_error": worst,
        "pairs": sum(len(each) for each in pairs.values() if isinstance(each, dict)),
        "max_delta_w_error": pairs,
        "refused_formats": refused,
        "refused_files": wrong_files(),
        "baked": baked(),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    write_results(options.out / "lora_formats.json", values)
    print(f"{values['pairs']} pairs, largest error {worst:.1e}")


def baked() -> Mapping[str, object]:
    """Bake the identity branch of the sample character, enrolled without training."""
    pipe = TOON.load()
    adapter = IdentityAdapter.load(toon_dir() / BASE_ADAPTER_FILE)
    faces = load_faces(adapter.config.encoder)
    images = [read_image(path) for path in sorted((datasets_dir() / SAMPLE).glob("*.png"))]
    seen = [image for image in images if len(faces.detect([image])[0]) == 1]
    gallery = build_gallery(seen, [str(index) for index in range(len(seen))], faces)
    mean = torch.from_numpy(gallery.mean()).view(1, 1, -1)
    with torch.no_grad():
        tokens = adapter.tokens(mean)
    header = CharacterHeader(
        name="mira",
        level="L0",
        backbone=TOON.name,
        backbone_digest=pipeline_digest(pipe),
        trigger="mira, a woman with short black hair and glasses",
    )
    strengths: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "adapter.safetensors"
        build_character(header, adapter=adapter, tokens_BKC=tokens).save(source)
        for strength in (0.5, 1.0):
            out = Path(folder) / f"{strength}.safetensors"
            plan = plan_convert(source, out, to="comfyui", bake=strength)
            strengths[f"{strength:g}"] = run_convert(plan, NoProgress()).to_json()["baked"]
    return {"character": SAMPLE, "photos": len(seen), "rank": BAKE_RANK, "strengths": strengths}


def measure(family: str, kind: str) -> tuple[dict[str, float], dict[str, str]]:
    """Take random LoRAs through every pair of formats.

    Returns:
        ``from > to`` to the largest error, and format to why it is refused.
    """
    base = tiny_base(family)
    errors: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for seed in range(SEEDS):
        weights = _random(family, kind, seed)
        forms: list[Format] = []
        for form in FORMATS.values():
            try:
                given = _pair(weights) if form.pair_in_one_file else (weights,)
                check_writable(given, form, base)
                with tempfile.TemporaryDirectory() as folder:
                    write_lora(given, Path(folder) / _name(form), form, base)
            except FacekitError as error:
                reasons[form.name] = str(error)
                continue
            forms.append(form)
        for one in forms:
            for two in forms:
                error = _through(weights, (one, two), family)
                key = f"{one.name} > {two.name}"
                errors[key] = max(errors.get(key, 0.0), error)
    return errors, reasons


def _random(family: str, kind: str, seed: int) -> LoraWeights:
    base = tiny_base(family)
    paths = sorted(base.names.original_of or base.shapes)
    if kind == "lokr":
        even = (path for path in paths if all(size % 2 == 0 for size in base.shapes[path]))
        paths = [path for path in even if path not in base.kernels]
    dtype = DTYPES[seed % len(DTYPES)]
    return random_lora(base, paths=paths, kind=kind, seed=seed, dtype=dtype)


def _through(weights: LoraWeights, chain: tuple[Format, ...], family: str) -> float:
    base = tiny_base(family)
    with tempfile.TemporaryDirectory() as folder:
        given = _pair(weights)
        for index, form in enumerate(chain):
            place = Path(folder) / f"{index}" / _name(form)
            place.parent.mkdir()
            written = write_lora(given, place, form, base)
            read = tuple(each for path in written for each in read_lora(path, base).weights)
            given = read
    before = _pair(weights)
    return max(
        relative_error(after.modules[path], factors)
        for one, after in zip(before, given, strict=True)
        for path, factors in one.modules.items()
    )


def _pair(weights: LoraWeights) -> tuple[LoraWeights, ...]:
    """As two experts, so that files of one and of two transformers are both tried."""
    return tuple(
        LoraWeights(
            modules=weights.modules, base=weights.base, trigger=weights.trigger, expert=expert
        )
        for expert in ("high", "low")
    )


def _name(form: Format) -> str:
    return "x" if form.alpha == "config" else "x.safetensors"


def wrong_files() -> dict[str, str]:
    """Spoil a file in every way that is known and note what is said."""
    base = tiny_base("wan")
    paths = [path for path in base.shapes if "attn" in path]
    said: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = folder / "good.safetensors"
        write_lora([random_lora(base, paths=paths)], good, FORMATS["comfyui"], base)
        for title, spoil in _WRONG.items():
            tensors = dict(load_file(good))
            spoil(tensors)
            path = folder / f"{title.replace(' ', '_')}.safetensors"
            save_file({key: each.contiguous() for key, each in tensors.items()}, path)
            said[title] = _message(path, folder)
        path = folder / "truncated.safetensors"
        path.write_bytes(good.read_bytes()[:-40])
        said["truncated"] = _message(path, folder)
        for ending in (".bin", ".pt", ".ckpt"):
            said[f"pickle {ending}"] = _message(folder / f"lora{ending}", folder)
        torch.save({"a": torch.ones(2)}, folder / "renamed.safetensors")
        said["pickle under another name"] = _message(folder / "renamed.safetensors", folder)
    return said


def _message(path: Path, folder: Path) -> str:
    try:
        read_lora(path, tiny_base("wan"))
    except FacekitError as error:
        return f"{type(error).__name__}: {error}".replace(f"{folder}/", "")
    raise AssertionError(f"{path} was read")


def _drop_half(tensors: dict[str, Tensor]) -> None:
    del tensors[f"{QUERY}.lora_B.weight"]


def _add_foreign(tensors: dict[str, Tensor]) -> None:
    tensors["diffusion_model.blocks.77.self_attn.q.lora_A.weight"] = torch.ones(1, 24)


def _full_difference(tensors: dict[str, Tensor]) -> None:
    tensors["diffusion_model.blocks.0.norm3.diff"] = torch.ones(24)


def _not_a_number(tensors: dict[str, Tensor]) -> None:
    tensors[f"{QUERY}.lora_A.weight"][0, 0] = float("nan")


def _other_rank(tensors: dict[str, Tensor]) -> None:
    tensors[f"{QUERY}.lora_A.weight"] = torch.ones(7, 24)


def _other_shape(tensors: dict[str, Tensor]) -> None:
    rank = tensors[f"{QUERY}.lora_B.weight"].shape[1]
    tensors[f"{QUERY}.lora_A.weight"] = torch.ones(rank, 23)


def _silence(tensors: dict[str, Tensor]) -> None:
    for key in tensors:
        if "lora_B" in key:
            tensors[key] = torch.zeros_like(tensors[key])


def _other_model(tensors: dict[str, Tensor]) -> None:
    for key in list(tensors):
        tensors[key.replace("blocks", "layers")] = tensors.pop(key)


_WRONG: Mapping[str, Callable[[dict[str, Tensor]], None]] = {
    "half of a pair": _drop_half,
    "keys of another model beside": _add_foreign,
    "a full difference": _full_difference,
    "not a number": _not_a_number,
    "another rank in one half": _other_rank,
    "another shape": _other_shape,
    "no effect": _silence,
    "another model": _other_model,
}


if __name__ == "__main__":
    main()
