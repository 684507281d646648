"""A graph that OpenVINO runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from jaxtyping import Float32, Int
from numpy import ndarray

from mling_embed.encoders.exports.graph import OUTPUT, cannot_open, missing_runtime


class OpenVinoGraph:
    """Run an OpenVINO graph on a processor: each call on one thread, as many at a time as there are streams.

    Args:
        path: The ``.xml`` file; its ``.bin`` is beside it.
        threads: Calls at a time.

    Raises:
        UsageError: OpenVINO is not installed.
        DamagedFileError: The file is no graph that it runs.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        try:
            import openvino
        except ImportError as error:
            raise missing_runtime("OpenVINO", extra="openvino") from error
        settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        try:
            core = openvino.Core()
            self._compiled = core.compile_model(core.read_model(str(path)), "CPU", settings)
        except RuntimeError as error:
            raise cannot_open(path, error) from error
        self.inputs = tuple(each.get_any_name() for each in self._compiled.inputs)
        self._output = next(number for number, each in enumerate(self._compiled.outputs) if OUTPUT in each.get_names())
        self._local = threading.local()

    def __call__(self, features: Mapping[str, Int[ndarray, "batch length"]]) -> Float32[ndarray, "batch dim"]:
        """Return the vectors of a batch of tokenized texts. Shapes: (batch, length) -> (batch, dim)."""
        if not hasattr(self._local, "request"):  # a request serves one thread
            self._local.request = self._compiled.create_infer_request()
        request = self._local.request
        request.infer({name: features[name] for name in self.inputs}, share_inputs=True)
        vectors: Float32[ndarray, "batch dim"] = request.get_output_tensor(self._output).data.copy()
        return vectors
