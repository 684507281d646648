"""Turn an ONNX graph into OpenVINO's own, in fp32 or in int8 by NNCF."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from tokenizers import Tokenizer

from mling_embed.encoders.exports.check_texts import check_texts
from mling_embed.encoders.exports.graph import INPUTS, missing_runtime

_CALIBRATION_TEXTS = 300
_LONGEST = 128


def write(graph: Path, path: Path) -> None:
    """Write an ONNX graph as OpenVINO's, in fp32.

    Args:
        graph: The ``.onnx`` file in fp32.
        path: The ``.xml`` file; a ``.bin`` is written beside it.

    Raises:
        UsageError: OpenVINO is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise missing_runtime("OpenVINO", extra="openvino") from error
    _save(openvino.convert_model(str(graph)), path)


def write_int8(graph: Path, path: Path, tokenizer: Path, *, longest: int | None) -> None:
    """Write an ONNX graph as OpenVINO's, in int8.

    Weights have a scale for each output channel, and activations fixed ones that are calibrated on sentences of the
    phrasebook; outliers are moved into the weights beforehand (SmoothQuant, Xiao et al. 2023).

    Args:
        graph: The ``.onnx`` file in fp32.
        path: The ``.xml`` file; a ``.bin`` is written beside it.
        tokenizer: The ``tokenizer.json`` that cuts the sentences of the calibration.
        longest: Tokens after which the model cuts a text off.

    Raises:
        UsageError: OpenVINO or NNCF is not installed.
    """
    try:
        import nncf
        import openvino
    except ImportError as error:
        raise missing_runtime("OpenVINO or NNCF", extra="openvino") from error
    logging.getLogger("nncf").setLevel(logging.ERROR)
    model = openvino.convert_model(str(graph))
    inputs = {each.get_any_name() for each in model.inputs}
    cut = Tokenizer.from_file(str(tokenizer))
    cut.no_padding()
    cut.enable_truncation(min(longest or _LONGEST, _LONGEST))
    encodings = cut.encode_batch(check_texts(_CALIBRATION_TEXTS))

    def features(number: int) -> Mapping[str, Int[ndarray, "1 length"]]:
        encoding = encodings[number]
        values = dict(zip(INPUTS, (encoding.ids, encoding.attention_mask, encoding.type_ids), strict=True))
        return {name: np.asarray([values[name]], dtype=np.int64) for name in INPUTS if name in inputs}

    quantized = nncf.quantize(
        model,
        nncf.Dataset(list(range(len(encodings))), features),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(encodings),
    )
    _save(quantized, path)


def _save(model: object, path: Path) -> None:
    import openvino

    path.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(model, str(path), compress_to_fp16=False)
