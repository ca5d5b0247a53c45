"""What is told of a backbone is what its spec and its network say."""

import json
from pathlib import Path
from typing import Any

import pytest

from facekit.backbones import get_spec, spec_names
from facekit.backbones.noise import DiffusionNoise
from facekit.errors import UsageError, WeightsError, WeightsMissing
from facekit.resources import toon_backbone_dir
from facekit.workflows.probe_base import BackboneFacts, BackboneList, probe_base
from tests.tiny.backbones import network_of, tiny_pipe


def facts(name: str, source: Path | None = None) -> BackboneFacts:
    found = probe_base(name, source)
    assert isinstance(found, BackboneFacts)
    return found


@pytest.mark.parametrize("name", spec_names())
def test_every_backbone_tells_its_facts(name: str) -> None:
    spec, found = get_spec(name), facts(name)
    told: Any = found.to_json()
    text = found.describe()
    assert json.loads(json.dumps(told)) == told
    for said in (spec.licence.split("; ")[0], spec.legal_frames, spec.process.kind, spec.repo):
        assert said.split(" ", 1)[0] in text
    assert told["repositories"] == [
        {"repo": repo, "revision": commit} for repo, commit in spec.family.repositories(spec)
    ]
    assert told["lora_targets"] == list(spec.lora_targets)
    assert told["lora_excluded"] == spec.lora_excluded
    assert (spec.lora_excluded or "LoRA not in") in text
    assert told["noise"]["kind"] == spec.process.kind
    assert set(told["noise"]) > {"kind"} or not isinstance(spec.process, DiffusionNoise)
    assert told["sites"]
    assert told["sites_of"] == ("real" if name == "toon" else "tiny")
    assert max(len(line) for line in text.splitlines()) <= 96


def test_the_sites_of_the_embedded_backbone_are_its_own() -> None:
    found = facts("toon")
    assert [(site.path, site.width) for site in found.sites] == [
        (f"blocks.{index}.attn2", 256) for index in (0, 2, 4)
    ]
    assert "blocks.4.attn2  256" in found.describe()
    assert "of the model itself" in found.describe()
    assert "LoRA targets  attn1.{to_q,to_k,to_v,to_out.0} attn2." in found.describe()


@pytest.mark.parametrize("name", ["animatediff_sd15", "wan2_1_t2v_1_3b"])
def test_a_folder_gives_the_sites_without_its_weights(name: str, tmp_path: Path) -> None:
    pipe, spec = tiny_pipe(name), get_spec(name)
    pipe.save_pretrained(tmp_path)
    for weights in tmp_path.glob("*/*.safetensors"):
        weights.unlink()
    found = facts(name, tmp_path)
    assert not found.is_tiny
    network = network_of(pipe)
    assert tuple(site.path for site in found.sites) == spec.sites(network)
    widths = [network.get_submodule(site.path).to_k.out_features for site in found.sites]
    assert [site.width for site in found.sites] == widths


def test_another_models_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds toon, expected wan2_1_t2v_1_3b; name"):
        probe_base("wan2_1_t2v_1_3b", toon_backbone_dir())
    pipe = tiny_pipe("toon")
    pipe.transformer.register_to_config(text_dim=7)
    pipe.save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="a model that facekit does not know, expected toon"):
        probe_base("toon", tmp_path)
    config = tmp_path / "transformer" / "config.json"
    for text in ("{", "[]", '{"_class_name": "LTXVideoTransformer3DModel"}'):
        config.write_text(text)
        with pytest.raises(WeightsError, match=r"config\.json: cannot be read .* expected the"):
            probe_base("toon", tmp_path)
    config.unlink()
    with pytest.raises(WeightsError, match=r"config\.json: cannot be read"):
        probe_base("toon", tmp_path)
    with pytest.raises(WeightsMissing, match=r"no model_index\.json"):
        probe_base("toon", tmp_path / "nowhere")


def test_without_a_name_all_are_listed() -> None:
    found = probe_base()
    assert isinstance(found, BackboneList)
    lines = found.describe().splitlines()
    assert [line.split()[0] for line in lines] == list(spec_names())
    told: Any = found.to_json()
    assert [entry["name"] for entry in told["backbones"]] == list(spec_names())
    with pytest.raises(UsageError, match="given without a backbone's name"):
        probe_base(None, Path("somewhere"))
    with pytest.raises(UsageError, match="'tooon' is unknown"):
        probe_base("tooon")
