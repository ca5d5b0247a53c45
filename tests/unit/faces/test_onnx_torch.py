from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facekit.errors import WeightsError
from facekit.faces.onnx_ops import OPERATORS
from facekit.faces.onnx_torch import load_onnx
from tests.tiny.local_weights import local_weights

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
helper = onnx.helper
nets = pytest.importorskip("tests.tiny.onnx_nets")


def by_onnxruntime(path: Path, pixels: np.ndarray) -> np.ndarray:
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: pixels})
    return result


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def node(kind: str, *inputs: str, **attributes: Any) -> Any:
    return helper.make_node(kind, ["x", *inputs], ["y"], **attributes)


CHANNELS = {
    "scale": 1 + floats(4) ** 2,
    "bias": floats(4),
    "mean": floats(4),
    "var": floats(4) ** 2,
}
CASES: dict[str, tuple[list[Any], dict[str, np.ndarray], int]] = {
    "conv": ([node("Conv", "w", "b")], {"w": floats(6, 4, 3, 3), "b": floats(6)}, 17),
    "conv, uneven border, stride, dilation, groups": (
        [node("Conv", "w", group=2, pads=[0, 1, 2, 0], strides=[2, 1], dilations=[1, 2])],
        {"w": floats(6, 2, 3, 2)},
        17,
    ),
    "depthwise": ([node("Conv", "w", group=4, pads=[1] * 4)], {"w": floats(4, 1, 3, 3)}, 11),
    "batch norm": (
        [node("BatchNormalization", "scale", "bias", "mean", "var", epsilon=2e-5)],
        CHANNELS,
        9,
    ),
    "prelu": ([node("PRelu", "s")], {"s": floats(4, 1, 1)}, 17),
    "clip, old": ([node("Clip", min=-0.5, max=0.25)], {}, 7),
    "clip, no upper bound": ([node("Clip", "low")], {"low": np.float32(0.1)}, 17),
    "add": ([node("Add", "c")], {"c": floats(4, 1, 1)}, 17),
    "sub": ([node("Sub", "c")], {"c": floats(1)}, 17),
    "mul": ([node("Mul", "c")], {"c": floats(8)}, 17),
    "div": ([node("Div", "c")], {"c": 2 + floats(1) ** 2}, 17),
    "max of three": ([node("Max", "a", "b")], {"a": floats(1), "b": floats(4, 1, 1)}, 17),
    "min": ([node("Min", "a")], {"a": floats(1)}, 17),
    "relu": ([node("Relu")], {}, 17),
    "sigmoid": ([node("Sigmoid")], {}, 17),
    "identity": ([node("Identity")], {}, 17),
    "dropout": ([node("Dropout")], {}, 11),
    "matmul": ([node("MatMul", "m")], {"m": floats(8, 5)}, 17),
    "flatten": ([node("Flatten", axis=2)], {}, 17),
    "flatten, from the end": ([node("Flatten", axis=-1)], {}, 17),
    "gemm": (
        [
            helper.make_node("Flatten", ["x"], ["f"]),
            helper.make_node("Gemm", ["f", "w", "c"], ["y"], transB=1, alpha=0.5, beta=2.0),
        ],
        {"w": floats(3, 4 * 6 * 8), "c": floats(3)},
        17,
    ),
    "reshape, copied and left over": ([node("Reshape", "s")], {"s": ints(0, -1, 8)}, 17),
    "transpose": ([node("Transpose", perm=[0, 2, 3, 1])], {}, 17),
    "gather": ([node("Gather", "i", axis=1)], {"i": ints(2, -1, 0)}, 17),
    "slice": (
        [node("Slice", "s", "e", "a", "t")],
        {"s": ints(-1, 1), "e": ints(-9, 7), "a": ints(1, 3), "t": ints(-1, 2)},
        17,
    ),
    "slice, old": ([node("Slice", starts=[1], ends=[3], axes=[2])], {}, 9),
    "squeeze": (
        [
            helper.make_node("GlobalAveragePool", ["x"], ["p"]),
            helper.make_node("Squeeze", ["p", "a"], ["y"]),
        ],
        {"a": ints(2, 3)},
        17,
    ),
    "squeeze, old": (
        [
            helper.make_node("GlobalAveragePool", ["x"], ["p"]),
            helper.make_node("Squeeze", ["p"], ["y"], axes=[3]),
        ],
        {},
        11,
    ),
    "unsqueeze": ([node("Unsqueeze", "a")], {"a": ints(0, -1)}, 17),
    "max pool": (
        [node("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])],
        {},
        17,
    ),
    "max pool, rounded up": (
        [node("MaxPool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)],
        {},
        17,
    ),
    "average pool": (
        [node("AveragePool", kernel_shape=[2, 2], strides=[2, 2], pads=[1, 1, 1, 1])],
        {},
        17,
    ),
    "resize, linear": (
        [helper.make_node("Resize", ["x", "", "", "s"], ["y"], mode="linear")],
        {"s": ints(3, 4, 9, 5)},
        17,
    ),
    "resize, nearest": (
        [
            helper.make_node(
                "Resize",
                ["x", "", "s"],
                ["y"],
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        ],
        {"s": np.float32([1, 1, 2, 2])},
        17,
    ),
    "a shape that is computed, as torch exports it": (
        [
            helper.make_node("Shape", ["x"], ["s"]),
            helper.make_node("Constant", [], ["zero"], value_int=0),
            helper.make_node("Gather", ["s", "zero"], ["n"]),
            helper.make_node("Cast", ["n"], ["n64"], to=7),
            helper.make_node("Unsqueeze", ["n64", "first"], ["n1"]),
            helper.make_node("Concat", ["n1", "rest"], ["goal"], axis=0),
            helper.make_node("Reshape", ["x", "goal"], ["y"]),
        ],
        {"first": ints(0), "rest": ints(-1)},
        17,
    ),
    "concat": ([node("Concat", "x", axis=1)], {}, 17),
}


@pytest.mark.parametrize("case", CASES)
def test_an_operator_is_onnxruntimes(tmp_path: Path, case: str) -> None:
    nodes, constants, opset = CASES[case]
    path = nets.write_net(
        tmp_path / "net.onnx", nodes, constants, shape=("batch", 4, 6, 8), opset=opset
    )
    pixels = floats(3, 4, 6, 8, seed=1)
    expected = by_onnxruntime(path, pixels)
    got = load_onnx(path)(torch.from_numpy(pixels)).numpy()
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_every_operator_is_held_against_onnxruntime() -> None:
    tried = {entry.op_type for nodes, _, _ in CASES.values() for entry in nodes}
    assert tried == set(OPERATORS)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("batch", ["batch", 1])
def test_a_random_encoder_is_onnxruntimes(tmp_path: Path, raw: bool, batch: int | str) -> None:
    path = nets.write_encoder(tmp_path / "net.onnx", raw=raw, batch=batch)
    pixels = floats(3, 3, 112, 112) * (60.0 if raw else 1.0)
    expected = np.concatenate([by_onnxruntime(path, picture[None]) for picture in pixels])
    got = load_onnx(path)(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-3)


def test_gradients_are_the_slopes_of_the_net(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = nets.write_net(
        tmp_path / "net.onnx",
        [
            helper.make_node("Conv", ["x", "w"], ["a"], kernel_shape=[2, 2]),
            helper.make_node("PRelu", ["a", "s"], ["p"]),
            helper.make_node("BatchNormalization", ["p", "scale", "bias", "mean", "var"], ["n"]),
            helper.make_node("Flatten", ["n"], ["f"]),
            helper.make_node("Gemm", ["f", "g"], ["y"]),
        ],
        {"w": floats(4, 2, 2, 2), "s": floats(4, 1, 1), **CHANNELS, "g": floats(16, 3)},
        shape=("batch", 2, 3, 3),
    )
    net = load_onnx(path).double()
    pixels = torch.from_numpy(rng.normal(0, 1, (2, 2, 3, 3))).requires_grad_()
    assert torch.autograd.gradcheck(net, (pixels,))


def test_the_net_holds_nothing_that_is_trained_and_moves_as_a_module(tmp_path: Path) -> None:
    net = load_onnx(nets.write_encoder(tmp_path / "net.onnx"))
    assert not list(net.parameters())
    assert not net.training
    assert {value.device.type for value in net.to("meta").buffers()} == {"meta"}


def test_an_unknown_operator_is_named(tmp_path: Path) -> None:
    path = nets.write_net(
        tmp_path / "net.onnx",
        [
            node("Erf"),
        ],
        {},
    )
    with pytest.raises(WeightsError, match=r"net\.onnx: uses Erf, which .*; train with another"):
        load_onnx(path)


@pytest.mark.parametrize(
    ("attributes", "named"),
    [({"auto_pad": "SAME_UPPER"}, "Conv as auto_pad SAME_UPPER")],
)
def test_an_unknown_form_of_an_operator_is_named(
    tmp_path: Path, attributes: dict[str, Any], named: str
) -> None:
    entry = node("Conv", "w", **attributes)
    path = nets.write_net(tmp_path / "net.onnx", [entry], {"w": floats(2, 3, 3, 3)})
    with pytest.raises(WeightsError, match=named):
        load_onnx(path)(torch.zeros(1, 3, 112, 112))


def test_what_is_not_onnx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"<html>")
    with pytest.raises(WeightsError, match=r"net\.onnx: cannot be read as ONNX"):
        load_onnx(path)


def test_a_net_of_two_outputs_is_no_encoder(tmp_path: Path) -> None:
    path = nets.write_net(tmp_path / "net.onnx", [node("Relu")], {})
    model = onnx.load(str(path))
    model.graph.output.append(model.graph.output[0])
    model.graph.output[1].name = "x"
    onnx.save(model, str(path))
    with pytest.raises(WeightsError, match="1 inputs and 2 outputs, expected one of each"):
        load_onnx(path)


REAL = {
    "embed/mobileface_v2_raw_rgb.onnx": 255.0,
    "embed/rec_mobileface_v2_arcface.onnx": 1.0,
    "insightface_root/models/facekit_testpack/rec_omz0095_arcface.onnx": 1.0,
}


@pytest.mark.parametrize("name", REAL)
def test_a_real_encoder_is_onnxruntimes(name: str) -> None:
    path = local_weights(name)
    pixels = (floats(2, 3, 112, 112).clip(-1, 1) + (1.0 if REAL[name] > 1 else 0.0)) * (
        REAL[name] / 2 if REAL[name] > 1 else 1.0
    )
    expected = torch.from_numpy(by_onnxruntime(path, pixels))
    wanted = torch.from_numpy(pixels).requires_grad_()
    got = load_onnx(path)(wanted)
    assert torch.cosine_similarity(got, expected).min() > 0.9999
    got.sum().backward()
    assert wanted.grad is not None
    assert wanted.grad.abs().min(dim=0).values.mean() > 0
