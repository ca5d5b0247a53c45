"""The ONNX operators that face encoders are made of, in torch and so with gradients.

Each function takes the attributes of its node and its inputs in order (None where an optional one
is left out) and returns the one output. Numbers that are shapes are int64 tensors on the CPU.

Source: the operator specification of ONNX, opsets 7 to 21 (onnx.ai/onnx/operators);
tests/unit/faces/test_onnx_torch.py holds each one against onnxruntime.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["OPERATORS", "Attributes", "UnsupportedForm"]

Attributes: TypeAlias = Mapping[str, Any]
"""Ints, floats, strings, lists of these, and tensors; `opset` is that of the model."""

_Operator: TypeAlias = Callable[[Attributes, Sequence[Tensor | None]], Tensor]


class UnsupportedForm(Exception):
    """An attribute or a shape that is legal ONNX and that no face encoder here uses."""


def _conv(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    x, weight, bias = _three(inputs)
    if weight.dim() != 4:
        raise UnsupportedForm(f"a convolution over {weight.dim() - 2} dimensions")
    stride = attributes.get("strides", [1, 1])
    dilation = attributes.get("dilations", [1, 1])
    x, padding = _padded(x, attributes, 0.0)
    groups = attributes.get("group", 1)
    return F.conv2d(x, weight, bias, stride, padding, dilation, groups)


def _max_pool(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    kernel = attributes["kernel_shape"]
    stride = attributes.get("strides", [1, 1])
    dilation = attributes.get("dilations", [1, 1])
    x, padding = _padded(_one(inputs), attributes, -torch.inf)
    ceil = bool(attributes.get("ceil_mode", 0))
    pooled: Tensor = F.max_pool2d(x, kernel, stride, padding, dilation, ceil)
    return pooled


def _average_pool(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    kernel = attributes["kernel_shape"]
    stride = attributes.get("strides", [1, 1])
    pads = _pads(attributes)
    if pads[:2] != pads[2:] or attributes.get("dilations", [1, 1]) != [1, 1]:
        raise UnsupportedForm("an average over an uneven border")
    with_border = bool(attributes.get("count_include_pad", 0))
    ceil = bool(attributes.get("ceil_mode", 0))
    return F.avg_pool2d(_one(inputs), kernel, stride, pads[:2], ceil, with_border)


def _pads(attributes: Attributes) -> list[int]:
    if attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise UnsupportedForm(f"auto_pad {attributes['auto_pad']}")
    return list(attributes.get("pads", [0, 0, 0, 0]))


def _padded(x: Tensor, attributes: Attributes, value: float) -> tuple[Tensor, list[int]]:
    """Leave an even border to the operator itself, and add an uneven one here."""
    pads = _pads(attributes)
    if pads[:2] == pads[2:]:
        return x, pads[:2]
    return F.pad(x, (pads[1], pads[3], pads[0], pads[2]), value=value), [0, 0]


def _batch_norm(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    x, scale, bias, mean, variance = (_given(value) for value in inputs)
    epsilon = attributes.get("epsilon", 1e-5)
    return F.batch_norm(x, mean, variance, scale, bias, training=False, eps=epsilon)


def _prelu(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    x, slope = _two(inputs)
    if attributes["opset"] < 7 and slope.dim() == 1:  # there, one slope per channel
        slope = slope.reshape(-1, *[1] * (x.dim() - 2))
    return torch.where(x < 0, x * slope, x)


def _clip(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    low = inputs[1] if len(inputs) > 1 else attributes.get("min")
    high = inputs[2] if len(inputs) > 2 else attributes.get("max")
    return torch.clamp(_one(inputs), _number(low), _number(high))


def _gemm(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    a, b, c = _three(inputs)
    a = a.T if attributes.get("transA", 0) else a
    b = b.T if attributes.get("transB", 0) else b
    product: Tensor = attributes.get("alpha", 1.0) * (a @ b)
    return product if c is None else product + attributes.get("beta", 1.0) * c


def _flatten(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    x, axis = _one(inputs), attributes.get("axis", 1)
    axis += x.dim() if axis < 0 else 0
    return x.reshape(int(torch.tensor(x.shape[:axis]).prod()), -1)


def _reshape(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    x = _one(inputs)
    wanted = _numbers(inputs[1]) if len(inputs) > 1 else list(attributes["shape"])
    if not attributes.get("allowzero", 0):
        wanted = [x.shape[i] if size == 0 else size for i, size in enumerate(wanted)]
    return x.reshape(wanted)


def _gather(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    x, indices = _two(inputs)
    axis = attributes.get("axis", 0) % x.dim()
    indices = indices.to(x.device)
    flat = torch.where(indices < 0, indices + x.shape[axis], indices).reshape(-1)
    taken = x.index_select(axis, flat)
    return taken.reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


def _slice(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    x = _one(inputs)
    if len(inputs) == 1:
        starts, ends = list(attributes["starts"]), list(attributes["ends"])
        axes, steps = attributes.get("axes"), None
    else:
        starts, ends = _numbers(inputs[1]), _numbers(inputs[2])
        axes = _numbers(inputs[3]) if len(inputs) > 3 and inputs[3] is not None else None
        steps = _numbers(inputs[4]) if len(inputs) > 4 else None
    axes = list(range(len(starts))) if axes is None else list(axes)
    for i, axis in enumerate(axes):
        step = 1 if steps is None else steps[i]
        size = x.shape[axis]
        if step < 0:
            taken = range(*slice(starts[i], ends[i], step).indices(size))
            x = x.index_select(axis % x.dim(), torch.tensor(list(taken), device=x.device))
        else:
            taken = range(*slice(starts[i], ends[i]).indices(size))
            x = x.narrow(axis, taken.start, len(taken))
            x = x[(slice(None),) * (axis % x.dim()) + (slice(None, None, step),)]
    return x


def _resize(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    x = _one(inputs)
    sizes = inputs[3] if len(inputs) > 3 else None
    if sizes is None:
        scales = _given(inputs[2]).tolist()
        height, width = (int(x.shape[i] * scales[i] + 1e-6) for i in (2, 3))
    else:
        height, width = _numbers(sizes)[2:]
    mode = attributes.get("mode", "nearest")
    place = attributes.get("coordinate_transformation_mode", "half_pixel")
    if mode == "linear" and place in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        corners = place == "align_corners"
        return F.interpolate(x, (height, width), mode="bilinear", align_corners=corners)
    rounding = attributes.get("nearest_mode", "round_prefer_floor")
    if mode == "nearest" and place == "asymmetric" and rounding == "floor":
        return F.interpolate(x, (height, width), mode="nearest")
    raise UnsupportedForm(f"a resize by {mode}, {place}, {rounding}")


def _unsqueeze(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    x = _one(inputs)
    axes = _numbers(inputs[1]) if len(inputs) > 1 else list(attributes["axes"])
    goal = x.dim() + len(axes)
    for axis in sorted(axis % goal for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _squeeze(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    x = _one(inputs)
    axes = _numbers(inputs[1]) if len(inputs) > 1 else attributes.get("axes")
    return x.squeeze() if axes is None else x.squeeze([axis % x.dim() for axis in axes])


def _shape(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    shape = torch.tensor(_one(inputs).shape, dtype=torch.int64)
    return shape[attributes.get("start", 0) : attributes.get("end")]


def _constant(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in attributes:
            return torch.as_tensor(attributes[name])
    raise UnsupportedForm(f"a constant of {', '.join(attributes)}")


def _cast(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
    # numbers of TensorProto.DataType
    known = {1: torch.float32, 6: torch.int32, 7: torch.int64, 11: torch.float64}
    if attributes["to"] not in known:
        raise UnsupportedForm(f"a cast to data type {attributes['to']}")
    return _one(inputs).to(known[attributes["to"]])


def _folded(combine: Callable[[Tensor, Tensor], Tensor]) -> _Operator:
    """Of an operator of two inputs, one of any number of them."""

    def operator(attributes: Attributes, inputs: Sequence[Tensor | None]) -> Tensor:
        result, *rest = (_given(value) for value in inputs)
        for value in rest:
            result = combine(result, value.to(result.device))
        return result

    return operator


def _plain(compute: Callable[[Tensor], Tensor]) -> _Operator:
    return lambda attributes, inputs: compute(_one(inputs))


def _given(value: Tensor | None) -> Tensor:
    if value is None:
        raise UnsupportedForm("an input that is left out")
    return value


def _one(inputs: Sequence[Tensor | None]) -> Tensor:
    return _given(inputs[0])


def _two(inputs: Sequence[Tensor | None]) -> tuple[Tensor, Tensor]:
    return _given(inputs[0]), _given(inputs[1])


def _three(inputs: Sequence[Tensor | None]) -> tuple[Tensor, Tensor, Tensor | None]:
    return (*_two(inputs), inputs[2] if len(inputs) > 2 else None)


def _numbers(value: Tensor | None) -> list[int]:
    return [int(number) for number in _given(value).reshape(-1).tolist()]


def _number(value: Tensor | float | None) -> float | None:
    return float(value) if value is not None else None


OPERATORS: Mapping[str, _Operator] = {
    "Add": _folded(torch.add),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda attributes, inputs: torch.cat([_given(x) for x in inputs], attributes["axis"]),
    "Constant": _constant,
    "Conv": _conv,
    "Div": _folded(torch.div),
    "Dropout": _plain(lambda x: x),
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _plain(lambda x: x.mean(list(range(2, x.dim())), keepdim=True)),
    "Identity": _plain(lambda x: x),
    "MatMul": _folded(torch.matmul),
    "Max": _folded(torch.maximum),
    "MaxPool": _max_pool,
    "Min": _folded(torch.minimum),
    "Mul": _folded(torch.mul),
    "PRelu": _prelu,
    "Relu": _plain(F.relu),
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Sigmoid": _plain(torch.sigmoid),
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Sub": _folded(torch.sub),
    "Transpose": lambda attributes, inputs: _one(inputs).permute(attributes["perm"]),
    "Unsqueeze": _unsqueeze,
}
