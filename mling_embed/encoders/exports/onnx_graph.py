"""A graph that ONNX Runtime runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jaxtyping import Float32, Int
from numpy import ndarray

from mling_embed.encoders.exports.graph import OUTPUT, cannot_open, missing_runtime

_ERRORS_ONLY = 3


class OnnxGraph:
    """Run an ONNX graph on a processor: each call on one thread, any number of calls at a time.

    Args:
        path: The ``.onnx`` file.

    Raises:
        UsageError: ONNX Runtime is not installed.
        DamagedFileError: The file is no graph that it runs.
    """

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise missing_runtime("ONNX Runtime", extra="onnx") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no class of their own in common
            raise cannot_open(path, error) from error
        self.inputs = tuple(each.name for each in self._session.get_inputs())

    def __call__(self, features: Mapping[str, Int[ndarray, "batch length"]]) -> Float32[ndarray, "batch dim"]:
        """Return the vectors of a batch of tokenized texts. Shapes: (batch, length) -> (batch, dim)."""
        (vectors,) = self._session.run([OUTPUT], {name: features[name] for name in self.inputs})
        found: Float32[ndarray, "batch dim"] = vectors
        return found
