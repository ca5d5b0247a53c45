import hashlib

import pytest
import torch

from facekit.digests import json_digest, tensors_digest
from facekit.recipe import load_recipe, recipe_digest
from facekit.resources import toon_dir

TENSORS = {
    "b": torch.arange(6.0).reshape(2, 3),
    "a": torch.tensor([1, 2], dtype=torch.int64),
    "s": torch.tensor(3.0),
    "bf": torch.ones(3, dtype=torch.bfloat16),
}


def test_the_digests_in_files_that_are_out_there_stay_what_they_are() -> None:
    """Another form would call every finished run and checkpoint one of another recipe."""
    found = tensors_digest(TENSORS)
    assert found == "652fa2ff31f7489036b30cb7a3f04db93a6519c10eb00de44d20bd1e44d065cd"
    written = b'{"a": [1, null, "\\u00e9"], "b": 0.5}'
    assert json_digest({"b": 0.5, "a": (1, None, "é")}) == hashlib.sha256(written).hexdigest()
    recipe = load_recipe("toon/train")
    content = recipe.model_dump(mode="json", exclude={"description"})
    assert recipe_digest(recipe) == json_digest(content)


def test_the_order_of_names_does_not_count_and_all_else_does() -> None:
    before = tensors_digest(TENSORS)
    assert tensors_digest(dict(reversed(TENSORS.items()))) == before
    for other in (
        {**TENSORS, "s": torch.tensor([3.0])},
        {**TENSORS, "s": torch.tensor(3.0, dtype=torch.float64)},
        {**TENSORS, "b": TENSORS["b"].flip(0)},
        {("c" if name == "a" else name): tensor for name, tensor in TENSORS.items()},
    ):
        assert tensors_digest(other) != before


def test_a_view_counts_as_its_copy() -> None:
    turned = TENSORS["b"].T
    assert tensors_digest({"b": turned}) == tensors_digest({"b": turned.contiguous()})


def test_what_is_not_plain_data_is_refused() -> None:
    with pytest.raises(TypeError):
        json_digest({"a": toon_dir()})
