"""Three-way guidance is what the pipeline makes of it, or an error says why not."""

from typing import Any

import pytest
import torch

from facekit.adapters.attach import Attachment, attach
from facekit.adapters.folded import FoldedIdentity
from facekit.adapters.guidance import Condition, GuidanceWatch
from facekit.backbones import get_spec
from facekit.errors import AdapterError
from tests.tiny.backbones import embeddings, network_of, sample, tiny_adapter, tiny_pipe

THREE_WAY = {"guidance": "three_way", "identity_guidance": 1.5, "guidance_scale": 2.0}


def attached(name: str) -> tuple[Any, Attachment, FoldedIdentity]:
    pipe = tiny_pipe(name)
    adapter = tiny_adapter(network_of(pipe), get_spec(name))
    attachment = attach(adapter, network_of(pipe), get_spec(name), pipe=pipe)
    return pipe, attachment, adapter.fold(adapter.tokens(embeddings())).detached()


@pytest.mark.parametrize("name", ["toon", "ltx_video_2b", "animatediff_sd15", "hunyuanvideo_1_5"])
def test_another_scale_than_the_pipelines_is_refused(name: str) -> None:
    pipe, attachment, folded = attached(name)
    with attachment.conditioned_on(folded, **THREE_WAY):
        sample(pipe, get_spec(name))
        with pytest.raises(AdapterError, match="told guidance_scale 2 and the pipeline guides wi"):
            sample(pipe, get_spec(name), guidance_scale=3.0)


def test_an_expert_with_a_scale_of_its_own_is_refused() -> None:
    pipe, attachment, folded = attached("wan2_2_t2v_a14b")
    with attachment.conditioned_on(folded, **THREE_WAY):
        with pytest.raises(AdapterError, match="and the pipeline guides with 3, expected the same"):
            sample(pipe, attachment.spec, guidance_scale_2=3.0)
        sample(pipe, attachment.spec, guidance_scale_2=2.0)


def test_a_scale_that_changes_from_step_to_step_is_refused() -> None:
    pipe, attachment, folded = attached("cogvideox_2b")
    with (
        attachment.conditioned_on(folded, **THREE_WAY),
        pytest.raises(AdapterError, match="without use_dynamic_cfg"),
    ):
        sample(pipe, attachment.spec, use_dynamic_cfg=True)


def test_hunyuanvideo_must_be_asked_twice() -> None:
    """Its guidance_scale is what the network is told; only true_cfg_scale asks without prompt."""
    pipe, attachment, folded = attached("hunyuanvideo")
    asked: dict[str, Any] = {"true_cfg_scale": 2.0, "negative_prompt": ["ugly"] * 2}
    with attachment.conditioned_on(folded):
        two_way = sample(pipe, attachment.spec, **asked)
    with attachment.conditioned_on(folded, **THREE_WAY):
        assert not torch.allclose(sample(pipe, attachment.spec, **asked), two_way)
    with (
        attachment.conditioned_on(folded, **THREE_WAY),
        pytest.raises(AdapterError, match=r"no pass without the prompt.*true_cfg_scale"),
    ):
        sample(pipe, attachment.spec)


def test_an_unguided_call_is_refused() -> None:
    """Also where nobody says which pipeline it is."""
    pipe = tiny_pipe()
    spec = get_spec("toon")
    adapter = tiny_adapter(network_of(pipe), spec)
    attachment = attach(adapter, network_of(pipe), spec)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    with (
        attachment.conditioned_on(folded, **THREE_WAY),
        pytest.raises(AdapterError, match="no pass without the prompt"),
    ):
        sample(pipe, spec, guidance_scale=1.0)


def test_the_watch_lets_further_passes_of_a_step_be() -> None:
    """LTX-2 asks with the prompt more than once in a step."""
    watch = GuidanceWatch(Condition(identity_guidance=1.5, guidance_scale=2.0))
    for sigma in (0.9, 0.5):
        for kind in ("conditional", "unconditional", "conditional"):
            watch.see(kind, torch.tensor([sigma]), 2.0)  # type: ignore[arg-type]


def bare_and_conditioned(name: str, **options: Any) -> tuple[Any, Any]:
    pipe, attachment, folded = attached(name)
    base = sample(pipe, attachment.spec, num_inference_steps=2, **options)
    with attachment.conditioned_on(folded):
        return base, sample(pipe, attachment.spec, num_inference_steps=2, **options)


def test_dynamic_guidance_at_scale_one_is_no_guidance() -> None:
    """The pipeline then says a scale above 1 and asks for one half only: both prompts hear."""
    options = {"guidance_scale": 1.0, "use_dynamic_cfg": True}
    base, told = bare_and_conditioned("cogvideox_2b", **options)
    _, plain = bare_and_conditioned("cogvideox_2b", guidance_scale=1.0)
    assert not torch.allclose(told[0], base[0])
    torch.testing.assert_close(told, plain)


@pytest.mark.parametrize("name", ["ltx_video_2b", "cogvideox_2b", "animatediff_sd15"])
@pytest.mark.parametrize("before", [None, 3.0, 1.0])
def test_a_second_pipeline_that_shares_the_network(name: str, before: float | None) -> None:
    """It is told by its own latents, whatever the attached pipeline did last."""
    pipe, attachment, folded = attached(name)
    second = type(pipe)(**pipe.components)
    second.set_progress_bar_config(disable=True)
    with attachment.conditioned_on(folded):
        wanted = {scale: sample(pipe, attachment.spec, scale) for scale in (1.0, 2.0)}
        if before is not None:
            sample(pipe, attachment.spec, before)

        def check(scale: float) -> None:
            torch.testing.assert_close(sample(second, attachment.spec, scale), wanted[scale])

        check(1.0)
        if name != "cogvideox_2b" and before == 1.0:  # which alone says that it is done
            with pytest.raises(AdapterError, match="another pipeline that shares its"):
                check(2.0)
        else:
            check(2.0)
