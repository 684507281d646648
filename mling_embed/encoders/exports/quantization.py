"""int8: matrix products by ONNX Runtime's dynamic quantisation, the token table row by row."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Int8
from numpy import ndarray

from mling_embed.encoders.exports.graph import missing_runtime

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

_LARGEST = 127


def quantize(path: Path, to: Path) -> None:
    """Write a graph whose layers multiply in int8.

    Weights have a scale for each output channel and activations one for each batch, taken when it runs: no text is
    needed to calibrate them. Weights take 7 of the 8 bits: a processor without VNNI adds pairs of products in 16 bits,
    which 8 would overflow, so that a graph's vectors would depend on where it runs. Each row of an embedding table has
    its own scale. Two things stay in fp32 and cost next to nothing: the first layer's output product, whose inputs hold
    the largest outliers, and what follows the pooling.

    Args:
        path: A graph in fp32.
        to: The new one.

    Raises:
        UsageError: What quantises is not installed.
    """
    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise missing_runtime("ONNX Runtime", extra="onnx") from error
    model = onnx.load(path)
    quantize_tables(model.graph)
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)  # it recommends a preparation that torch's exporter has done
    try:
        quantize_dynamic(
            model,
            to,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=[*_first_narrowing(model.graph), *_behind_the_pooling(model.graph)],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
    finally:
        root.setLevel(before)


def quantize_tables(graph: GraphProto) -> None:
    """Replace each embedding table by int8 rows and a scale for each, in place."""
    from onnx import TensorProto, helper, numpy_helper

    tables = {each.name: each for each in graph.initializer if each.data_type == TensorProto.FLOAT}
    uses: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            uses.setdefault(name, []).append(node)
    for name, table in tables.items():
        gathers = uses.get(name, [])
        if len(table.dims) != 2 or not gathers or any(not _takes_rows(node, name) for node in gathers):
            continue
        rows, scales = int8_rows(numpy_helper.to_array(table))
        graph.initializer.remove(table)
        graph.initializer.append(numpy_helper.from_array(rows, f"{name}_int8"))
        graph.initializer.append(numpy_helper.from_array(scales, f"{name}_scale"))
        for node in gathers:
            made, ids, at = node.output[0], node.input[1], list(graph.node).index(node)
            new = [
                helper.make_node("Gather", [f"{name}_int8", ids], [f"{made}_int8"], axis=0),
                helper.make_node("Gather", [f"{name}_scale", ids], [f"{made}_scale"], axis=0),
                helper.make_node("Cast", [f"{made}_int8"], [f"{made}_cast"], to=TensorProto.FLOAT),
                helper.make_node("Mul", [f"{made}_cast", f"{made}_scale"], [made]),
            ]
            graph.node.remove(node)
            for place, each in enumerate(new):
                each.name = f"{node.name}_{place}"
                graph.node.insert(at + place, each)


def int8_rows(
    table: Float32[ndarray, "rows dim"],
) -> tuple[Int8[ndarray, "rows dim"], Float32[ndarray, "rows 1"]]:
    """Return a table as int8 and the scale of each row: row = int8 row x scale. Shapes: (rows, dim), (rows, 1)."""
    scales = np.abs(table).max(axis=1, keepdims=True) / np.float32(_LARGEST)
    safe = np.where(scales > 0, scales, np.float32(1))
    return np.rint(table / safe).astype(np.int8), safe.astype(np.float32)


def _takes_rows(node: Any, name: str) -> bool:
    axis = next((each.i for each in node.attribute if each.name == "axis"), 0)
    return node.op_type == "Gather" and node.input[0] == name and axis == 0


def _first_narrowing(graph: GraphProto) -> list[str]:
    """Return the name of the first product with a matrix that makes vectors narrower: the first layer's output."""
    shapes = {each.name: tuple(each.dims) for each in graph.initializer}
    for node in graph.node:
        match node.op_type, shapes.get(node.input[1] if len(node.input) > 1 else ""):
            case "MatMul", (int(wide), int(narrow)) if wide > narrow:
                return [str(node.name)]
    return []


def _behind_the_pooling(graph: GraphProto) -> list[str]:
    """Return the names of the nodes that only the sentences' vectors depend on."""
    from mling_embed.encoders.exports.graph import TOKEN_OUTPUT

    makers = {name: node for node in graph.node for name in node.output}
    waiting, needed = [TOKEN_OUTPUT], set()
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in needed:
            needed.add(node.name)
            waiting.extend(node.input)
    return [node.name for node in graph.node if node.name not in needed]
