"""Tiny random ONNX nets, written by the onnx package itself."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE_PX = 112
DIM = 16


def write_net(
    path: Path,
    nodes: list[Any],
    constants: dict[str, np.ndarray],
    *,
    shape: tuple[int | str, ...] = ("batch", 3, SIDE_PX, SIDE_PX),
    output: tuple[int | str, ...] | None = None,
    opset: int = 17,
) -> Path:
    """Write a graph from ``x`` to ``y``."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), str(path))
    return path


def write_encoder(
    path: Path, *, seed: int = 0, raw: bool = False, batch: int | str = "batch"
) -> Path:
    """Write a face encoder in the shapes of ArcFace; ``raw`` takes 0..255 as SFace does."""
    rng = np.random.default_rng(seed)

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    first = [
        helper.make_node("Sub", ["x", "mean"], ["x0"]),
        helper.make_node("Mul", ["x0", "scale"], ["x1"]),
    ]
    nodes = [
        *(first if raw else [helper.make_node("Identity", ["x"], ["x1"])]),
        helper.make_node("Conv", ["x1", "w1"], ["x2"], strides=[8, 8], kernel_shape=[8, 8]),
        helper.make_node("PRelu", ["x2", "slope"], ["x3"]),
        helper.make_node("BatchNormalization", ["x3", "g", "b", "m", "v"], ["x4"]),
        helper.make_node("Conv", ["x4", "w2"], ["x5"], strides=[2, 2], kernel_shape=[2, 2]),
        helper.make_node("Flatten", ["x5"], ["x6"]),
        helper.make_node("Gemm", ["x6", "w3", "b3"], ["y"], transB=1),
    ]
    constants = {
        "mean": np.float32([127.5]),
        "scale": np.float32([1 / 128]),
        "w1": floats(8, 3, 8, 8),
        "slope": np.abs(floats(8, 1, 1)),
        "g": 1 + floats(8),
        "b": floats(8),
        "m": floats(8),
        "v": 1 + np.abs(floats(8)),
        "w2": floats(4, 8, 2, 2),
        "w3": floats(DIM, 4 * 49),
        "b3": floats(DIM),
    }
    shape = (batch, 3, SIDE_PX, SIDE_PX)
    return write_net(path, nodes, constants, shape=shape, output=(batch, DIM))


def write_scrfd(path: Path, size_px: int = 64) -> Path:
    """Write a detector in the shapes of SCRFD that finds one face in the middle of any picture.

    Nine outputs: scores, boxes and points for strides 8, 16 and 32, two anchors a cell.
    """
    nodes, constants, outputs = [], {}, []
    for kind, width in (("score", 1), ("box", 4), ("points", 10)):
        for stride in (8, 16, 32):
            cells = (size_px // stride) ** 2 * 2
            value = np.zeros((cells, width), np.float32)
            if stride == 32:
                side = size_px // 32
                middle = (side // 2 * side + side // 2) * 2
                if kind == "score":
                    value[middle] = 0.9
                elif kind == "box":
                    value[middle] = 0.75
                else:
                    marks = [-0.3, -0.3, 0.3, -0.3, 0.0, 0.05, -0.25, 0.3, 0.25, 0.3]
                    value[middle] = marks
            name = f"{kind}_{stride}"
            constants[f"{name}_value"] = value
            nodes += [
                helper.make_node("Mul", ["nought", f"{name}_value"], [f"{name}_nought"]),
                helper.make_node("Add", [f"{name}_nought", f"{name}_value"], [name]),
            ]
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [cells, width]))
    constants["zero"] = np.float32([0.0])
    nodes = [
        helper.make_node("ReduceMean", ["input.1"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nought"]),
        *nodes,
    ]
    graph = helper.make_graph(
        nodes,
        "scrfd",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, "h", "w"])],
        outputs,
        [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path
