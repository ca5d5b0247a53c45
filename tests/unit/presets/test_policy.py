import pytest

from facekit.errors import GateFailed, PolicyRefused
from facekit.presets.manifest import Encoder, Evaluation, Summary
from facekit.presets.policy import check_channel, missed_gates
from facekit.presets.states import REJECT, Decision, Standing, State
from facekit.show_file import Gates, parse_show
from tests.tiny.presets import tiny_contents, tiny_manifest
from tests.tiny.registries import NOW

MEASURED = Evaluation(summary=Summary(sim_held=0.5, drift=0.04, gates="passed"))


@pytest.mark.parametrize(
    ("gates", "missed"),
    [
        (Gates(), []),
        (Gates(sim_held=0.5, drift=0.04, passed=True), []),
        (Gates(sim_held=0.6), ["sim_held is 0.5, expected at least 0.6"]),
        (Gates(drift=0.03), ["drift is 0.04, expected at most 0.03"]),
        (Gates(xmin=0.1), ["xmin is not measured, expected at least 0.1"]),
        (Gates(parity=True), ["no parity vector, expected one"]),
        (
            Gates(commercial=True),
            ["rights is not for commercial use", "encoder is not for commercial use"],
        ),
    ],
)
def test_gates_are_read_from_the_manifest(gates: Gates, missed: list[str]) -> None:
    encoder = Encoder(name="arc", dim=512, license="x", commercial=False)
    manifest = tiny_manifest(tiny_contents(), eval=MEASURED, encoder=encoder)
    assert list(missed_gates(manifest, gates)) == missed


def test_what_is_not_measured_passes_no_gate() -> None:
    manifest = tiny_manifest(tiny_contents())
    gates = Gates(sim_held=0.0, drift=1.0, passed=True)
    assert len(missed_gates(manifest, gates)) == 3
    show = parse_show("[policy.dev]\ngates = { sim_held = 0.0 }\n", "t")
    standing = Standing(digest="", state=State.DRAFT, approvals={})
    with pytest.raises(GateFailed, match="sim_held is not measured"):
        check_channel(standing, manifest, show, "dev")


def test_what_was_rejected_goes_into_no_channel() -> None:
    show = parse_show("[policy.dev]\n", "t")
    by = Decision(kind=REJECT, digest="", people=("tom",), role="legal", at=NOW, note="the ears")
    standing = Standing(digest="", state=State.DRAFT, approvals={}, rejected=by)
    with pytest.raises(PolicyRefused, match="rejected by tom: the ears"):
        check_channel(standing, tiny_manifest(tiny_contents()), show, "dev")
