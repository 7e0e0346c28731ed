"""Stage 4: static int8, per channel, calibrated on training images only.

Convolutions and matrix products with constant weights become int8 (quantize and dequantize
pairs, Jacob et al. 2018, eq. 1). Products of two activations, those to which an activation is
added, softmax, norms and the familiarity distance stay float, and so does what a matrix product
gives to them: the integer sum goes to float at once. A ReLU after a convolution is the lower end
of its output's range and needs no node. The camera's uint8 pixels go into the first convolution as
they are: the normalization is exactly its zero point and scale, where the recipe's mean is a whole
grey level.

Weights are from -64 to 64: x86 computers without VNNI add two products of 8 bits in 16, where
those of larger weights saturate, and answer otherwise than other computers.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.model.config import LITE0

Feed = Mapping[str, NDArray[Any]]
_QUANTIZED = ('Conv', 'Gemm', 'MatMul')
ALSO = dict.fromkeys(LITE0, ('Clip',))  # of an image tower: its ReLU6


def quantize_graph(source: Path, target: Path, feeds: Sequence[Feed],
                   keep_float: Sequence[str] = (), also: Sequence[str] = (),
                   keep_last: int = 0) -> dict[str, float]:
    """Write the int8 twin of a float graph; return the rounding error of each weight.

    ``keep_float`` names weights that stay float, ``keep_last`` counts the last products that do,
    ``also`` names further operators that become int8.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._feeds: Iterator[Feed] = iter(feeds)

        def get_next(self) -> Any:
            return next(self._feeds, None)

    with tempfile.TemporaryDirectory() as folder, _errors_only():
        prepared = Path(folder) / 'prepared.onnx'
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared), str(target), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
            op_types_to_quantize=[*_QUANTIZED, 'Relu', *also], reduce_range=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            nodes_to_exclude=_float_nodes(prepared, keep_float, keep_last),
            extra_options={'OpTypesToExcludeOutputQuantization': ['Gemm', 'MatMul']})
        return weight_errors(prepared, target)


@contextmanager
def _errors_only() -> Iterator[None]:
    """Silence what ONNX Runtime's quantization tells the root logger, and nothing afterwards."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)


def _float_nodes(path: Path, keep_float: Sequence[str], keep_last: int) -> list[str]:
    """Return the names of products that have no constant weight or whose weight stays float.

    Also those to which ONNX Runtime's graph adds an activation, which would be rounded.
    """
    graph = onnx.load(str(path)).graph
    constants = {tensor.name for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type in _QUANTIZED]
    weighed = [node.name for node in products if constants.issuperset(filter(None, node.input[1:]))
               and not any(name in node.input[1] for name in keep_float)]
    kept = set(weighed[:len(weighed) - keep_last])
    return [node.name for node in products if node.name not in kept]


def feed_pixels(path: Path, preprocess: PreprocessConfig) -> bool:
    """Let uint8 pixels be the first convolution's quantized input; False where they cannot.

    Replaces cast, subtract, multiply, quantize, dequantize by one dequantization with scale
    1/(255 std) and zero point 255 mean, which must be equal for all channels and whole.
    """
    zero = 255 * np.asarray(preprocess.mean)
    if np.ptp(zero) > 1e-6 or np.ptp(preprocess.std) or abs(zero[0] - round(zero[0])) > 1e-6:
        return False
    model = onnx.load(str(path))
    graph = model.graph
    cast = next((node for node in graph.node if node.op_type == 'Cast'), None)
    chain = [] if cast is None else _chain(graph, cast)
    if [node.op_type for node in chain] != ['Cast', 'Sub', 'Mul', 'QuantizeLinear',
                                            'DequantizeLinear']:
        return False
    scale = np.array(1 / (255 * preprocess.std[0]), np.float32)
    grey = np.array(round(zero[0]), np.uint8)
    graph.initializer.extend([numpy_helper.from_array(scale, 'pixel_scale'),
                              numpy_helper.from_array(grey, 'pixel_zero')])
    direct = helper.make_node('DequantizeLinear', [chain[0].input[0], 'pixel_scale', 'pixel_zero'],
                              [chain[-1].output[0]], name='pixels')
    place = list(graph.node).index(chain[0])
    for node in chain:
        graph.node.remove(node)
    graph.node.insert(place, direct)
    _drop_unused(graph)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return True


def _chain(graph: onnx.GraphProto, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Follow single consumers from a node up to and including a dequantization."""
    found = [node]
    while found[-1].op_type != 'DequantizeLinear':
        users = [n for n in graph.node if found[-1].output[0] in n.input]
        if len(users) != 1:
            break
        found.append(users[0])
    return found


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    for tensor in [t for t in graph.initializer if t.name not in used]:
        graph.initializer.remove(tensor)


def weight_errors(prepared: Path, quantized: Path) -> dict[str, float]:
    """Return the norm of each int8 weight's rounding error, relative to that of the weight."""
    floats = {t.name: numpy_helper.to_array(t) for t in onnx.load(str(prepared)).graph.initializer}
    graph = onnx.load(str(quantized)).graph
    stored = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    errors = {}
    for node in graph.node:
        name = node.input[0].removesuffix('_quantized') if node.input else ''
        if node.op_type != 'DequantizeLinear' or name not in floats:
            continue
        weights, scale = stored[node.input[0]].astype(np.float64), stored[node.input[1]]
        if weights.ndim > 1 and scale.ndim:
            axis = next((a.i for a in node.attribute if a.name == 'axis'), 1) % weights.ndim
            scale = np.expand_dims(scale, [d for d in range(weights.ndim) if d != axis])
        error = float(np.linalg.norm(weights * scale - floats[name]))
        errors[name] = error / max(float(np.linalg.norm(floats[name])), 1e-12)
    return dict(sorted(errors.items(), key=lambda item: -item[1]))
