"""Feed-forward ONNX nets as torch modules, so that gradients reach the pixels.

onnxruntime and OpenCV run such nets and give no gradients, and an identity loss needs them. Only
the operators that face encoders use are known; `docs/decisions/0006-face-vendors.md` says why no
library does it here.

Shapes: B pictures, C channels, H height, W width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from facekit.errors import WeightsError
from facekit.faces.onnx_ops import OPERATORS, Attributes, UnsupportedForm
from facekit.faces.packages import import_optional

__all__ = ["OnnxNet", "load_onnx"]


@dataclass(frozen=True, slots=True)
class _Step:
    """One node of the graph."""

    operator: str
    attributes: Attributes
    inputs: tuple[str, ...]
    """Names; empty where an optional input is left out."""
    output: str
    done_with: tuple[str, ...]
    """Values that nothing after this step needs."""


class OnnxNet(nn.Module):
    """A net of one input and one output, in float32, in evaluation mode, without trained weights.

    Build it with `load_onnx`.
    """

    def __init__(
        self,
        steps: Sequence[_Step],
        values: dict[str, Tensor],
        input_name: str,
        output_name: str,
        *,
        fixed_batch: int | None,
        source: str,
    ) -> None:
        """Hold the nodes in order of execution and their constants."""
        super().__init__()
        self._steps = tuple(steps)
        self._input, self._output = input_name, output_name
        self._fixed_batch = fixed_batch
        self._source = source
        self._numbers: dict[str, Tensor] = {}
        """Shapes and indices, which stay on the CPU."""
        self._buffer_names: dict[str, str] = {}
        for index, (name, value) in enumerate(values.items()):
            if value.is_floating_point():
                self._buffer_names[name] = f"constant_{index}"
                self.register_buffer(f"constant_{index}", value.float(), persistent=False)
            else:
                self._numbers[name] = value.long()

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Run the net.

        Args:
            pixels_BCHW: As the graph wants them, float32; any number of pictures, also where the
                graph was written for one.
        """
        size = self._fixed_batch
        if size is None or size == len(pixels_BCHW):
            return self._run(pixels_BCHW)
        if size != 1:
            raise ValueError(f"{self._source} takes {size} pictures, got {len(pixels_BCHW)}")
        return torch.cat([self._run(picture[None]) for picture in pixels_BCHW])

    def _run(self, pixels: Tensor) -> Tensor:
        values = {name: self.get_buffer(at) for name, at in self._buffer_names.items()}
        values |= self._numbers
        values[self._input] = pixels
        for step in self._steps:
            inputs = [values[name] if name else None for name in step.inputs]
            try:
                values[step.output] = OPERATORS[step.operator](step.attributes, inputs)
            except UnsupportedForm as error:
                raise _unknown(self._source, f"{step.operator} as {error}") from error
            for name in step.done_with:
                del values[name]
        return values[self._output]


def load_onnx(path: Path) -> OnnxNet:
    """Read an ONNX file as a torch module.

    Args:
        path: A graph with one input and one output whose nodes only feed forward.

    Raises:
        PackageMissing: The `onnx` package is not installed.
        WeightsError: Not ONNX, or it uses an operator that is not known here, which is named.
    """
    onnx = import_optional("onnx", extra="onnx")
    try:
        model = onnx.load(str(path))
    except Exception as error:
        raise WeightsError(f"{path}: cannot be read as ONNX ({error}); fetch it again") from error
    graph = model.graph
    opset = next((entry.version for entry in model.opset_import if not entry.domain), 0)
    if not graph.node or not opset:
        raise WeightsError(f"{path}: holds no ONNX graph; fetch it again")
    unknown = sorted({node.op_type for node in graph.node} - OPERATORS.keys())
    if unknown:
        raise _unknown(path.name, ", ".join(unknown))
    values = {
        tensor.name: torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy())
        for tensor in graph.initializer
    }
    inputs = [entry for entry in graph.input if entry.name not in values]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise WeightsError(
            f"{path.name}: {len(inputs)} inputs and {len(graph.output)} outputs, expected one of"
            " each; use a face encoder"
        )
    dimension = inputs[0].type.tensor_type.shape.dim[0]
    return OnnxNet(
        _steps(onnx, graph, opset),
        values,
        inputs[0].name,
        graph.output[0].name,
        fixed_batch=dimension.dim_value if dimension.dim_value > 0 else None,
        source=path.name,
    ).eval()


def _steps(onnx: Any, graph: Any, opset: int) -> list[_Step]:
    """The nodes in the order of the file, which ONNX demands to be one of execution."""
    last_use: dict[str, int] = {}
    for index, node in enumerate(graph.node):
        last_use |= dict.fromkeys(node.input, index)
    produced = {node.output[0] for node in graph.node} - {graph.output[0].name}
    steps = []
    for index, node in enumerate(graph.node):
        attributes = {
            entry.name: _plain(onnx, onnx.helper.get_attribute_value(entry))
            for entry in node.attribute
        }
        names = dict.fromkeys(node.input)
        done_with = tuple(name for name in names if name in produced and last_use[name] == index)
        attributes["opset"] = opset
        steps.append(_Step(node.op_type, attributes, tuple(node.input), node.output[0], done_with))
    return steps


def _plain(onnx: Any, value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return torch.from_numpy(onnx.numpy_helper.to_array(value).copy())
    return value


def _unknown(source: str, operators: str) -> WeightsError:
    return WeightsError(
        f"{source}: uses {operators}, which facekit cannot follow with gradients, expected only"
        f" {', '.join(sorted(OPERATORS))}; train with another encoder"
    )
