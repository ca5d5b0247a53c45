"""How far a seeded shot moves when something is changed: what the bounds of parity are chosen by.

    python -m benchmarks.parity CHARACTER [OTHER]

enrol both from the sample photos (``facekit train datasets/toon_mira --as mira --level L0``).
Writes docs/results/parity.json: by variant, the least cosine over frames by the encoder that made
the character and by the one that reports, and the mean difference of pixels.
"""

import argparse
import copy
import dataclasses
from typing import Any

import torch

from benchmarks.results import RESULTS_DIR, write_results
from facekit.adapters.character import Character
from facekit.faces.vendors import load_faces
from facekit.recipe import Recipe
from facekit.types import NoProgress, Shot
from facekit.workflows.backbone import backbone_spec, load_backbone
from facekit.workflows.characters import find_character, shooting_recipe
from facekit.workflows.machine import provenance
from facekit.workflows.preset_drawing import (
    MAX_PIXEL_ERROR,
    MIN_LIKENESS,
    compare_parity,
    draw_shots,
    parity_record,
    preset_shots,
    read_parity,
    webp,
)
from facekit.workflows.preset_files import load_any

CPU = torch.device("cpu")


def weaker(character: Character, strength: float) -> Character:
    """The same character, trained with less strength."""
    header = character.file.header
    changed = dataclasses.replace(header, strength=header.strength * strength)
    return dataclasses.replace(character, file=dataclasses.replace(character.file, header=changed))


def rounded(pipe: Any) -> Any:
    """A pipeline whose weights have the precision of bfloat16."""
    changed = copy.copy(pipe)
    changed.transformer = copy.deepcopy(pipe.transformer)
    with torch.no_grad():
        for parameter in changed.transformer.parameters():
            parameter.copy_(parameter.to(torch.bfloat16).float())
    return changed


def main() -> None:
    """Draw every variant and publish how far it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("character")
    parser.add_argument("other", nargs="?")
    asked = parser.parse_args()
    mira = load_any(find_character(asked.character))
    recipe, _ = shooting_recipe(mira)
    pipe = load_backbone(recipe, CPU).pipe
    header = mira.file.header
    shot = preset_shots(backbone_spec(recipe), recipe, header.trigger or header.name)[0]
    (drawn,) = draw_shots(mira, [shot], recipe, CPU, NoProgress(), pipe=pipe)
    frames = drawn.clip.frames
    stacked = webp(frames.reshape(-1, *frames.shape[2:]))
    _, record, there = read_parity(parity_record(drawn, recipe, CPU), stacked, "packed")
    encoders = [load_faces(name) for name in (recipe.encoder.train, recipe.encoder.report)]

    def row(
        name: str,
        who: Character = mira,
        shot: Shot = shot,
        recipe: Recipe = recipe,
        pipe: Any = pipe,
    ) -> dict[str, object]:
        (here,) = draw_shots(who, [shot], recipe, CPU, NoProgress(), pipe=pipe)
        by = [compare_parity(there, record, here.clip, faces, CPU) for faces in encoders]
        print(name, by[0].describe(), flush=True)
        return {
            "variant": name,
            "verdict": by[0].verdict,
            "likeness": by[0].likeness,
            "likeness_by_report_encoder": by[1].likeness,
            "pixel_error": by[0].pixel_error,
        }

    def other(setting: str) -> Recipe:
        return shooting_recipe(mira, [setting])[0]

    rows = [
        row("nothing"),
        row("weights rounded to bfloat16", pipe=rounded(pipe)),
        *(row(f"strength {each}", who=weaker(mira, each)) for each in (0.98, 0.9, 0.75, 0.5)),
        row("20 steps in place of 24", recipe=other("sample.num_inference_steps=20")),
        row("guidance 3.3 in place of 3", recipe=other("sample.guidance_scale=3.3")),
        row("another seed", shot=dataclasses.replace(shot, seed=shot.seed + 88)),
    ]
    if asked.other:
        rows.append(row("somebody else", who=load_any(find_character(asked.other))))
    write_results(
        RESULTS_DIR / "parity.json",
        {
            **provenance(CPU),
            "min_likeness": MIN_LIKENESS,
            "max_pixel_error": MAX_PIXEL_ERROR,
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
