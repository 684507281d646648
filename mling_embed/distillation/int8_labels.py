"""A teacher's labels through int8: on a processor without bf16, where there are many to make, and little is lost."""

from __future__ import annotations

import logging
from importlib.util import find_spec

import numpy as np

from mling_embed.encoders.contract import Encoder
from mling_embed.encoders.exporting import int8_of
from mling_embed.encoders.exports.check_texts import graded_pairs
from mling_embed.encoders.exports.exported import ExportedEncoder
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.errors import UsageError
from mling_embed.files import cache_root
from mling_embed.metrics.confidence import Interval
from mling_embed.metrics.significance import correlation_difference
from mling_embed.metrics.sts import pair_cosines, spearman

logger = logging.getLogger(__name__)

MANY = 20_000  # labels below which the export would take longer than it saves
LEAST_COSINE = 0.99
MOST_STS_LOSS = 0.005


def labeller_of(teacher: Encoder, name: str, *, wanted: Precision, missing: int) -> Encoder:
    """Return what labels sentences in a teacher's stead: its export in int8, or itself.

    Args:
        teacher: The teacher.
        name: Its folder or name.
        wanted: `int8` takes the export whatever it loses; `auto` where ``onnx`` is installed, the teacher runs on a
            processor in fp32, labels are many, and the export loses next to nothing: its vectors lie within a mean
            cosine of `LEAST_COSINE`, and no loss over `MOST_STS_LOSS` shows beyond chance.
        missing: Labels to be made.

    Raises:
        UsageError: int8 is wanted of a teacher that is no transformer, or ONNX Runtime is not installed.
    """
    if wanted not in (Precision.AUTO, Precision.INT8):
        return teacher
    if not isinstance(teacher, TransformerEncoder):
        if wanted is Precision.INT8:
            raise UsageError("teacher.precision = int8: the teacher is no transformer.", where=name)
        return teacher
    plain = teacher.device == "cpu" and teacher.precision is Precision.FP32
    if wanted is Precision.AUTO and (missing < MANY or not plain or not _runtime_is_installed()):
        return teacher
    if not missing:
        return teacher
    export = int8_of(teacher, name, cache_root() / "exports" / f"{teacher.fingerprint[:32]}-int8")
    cosine = float(export.record.parity["mean_cosine"])
    loss, interval = sts_loss(teacher, export)
    found = f"mean cosine {cosine:.4f}, STS loss {loss:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"
    if cosine >= LEAST_COSINE and (loss <= MOST_STS_LOSS or interval.low <= 0):
        logger.info("labels through int8: %s beside fp32", found)
        return export
    if wanted is Precision.INT8:
        logger.warning("labels through int8, as it was asked for, though it loses much: %s beside fp32", found)
        return export
    logger.info("labels in fp32: int8 would lose too much (%s)", found)
    return teacher


def exact(wanted: Precision) -> Precision:
    """Return the number format in which a teacher itself runs: int8 is that of its export."""
    return Precision.FP32 if wanted is Precision.INT8 else wanted


def sts_loss(teacher: Encoder, export: ExportedEncoder) -> tuple[float, Interval]:
    """Return what an export loses of Spearman's correlation with the phrasebook's graded pairs, and its 95% interval.

    The pairs are eighty, so that a loss of `MOST_STS_LOSS` is within chance; the mean cosine is the sharper measure.
    """
    pairs = graded_pairs()
    found = []
    for encoder in (teacher, export):
        first, second = (encoder.encode(list(side)) for side in (pairs.first, pairs.second))
        found.append(pair_cosines(first, second))
    gold = np.asarray(pairs.scores)
    loss = spearman(found[0], gold) - spearman(found[1], gold)
    interval, _ = correlation_difference(found[0].tolist(), found[1].tolist(), pairs.scores)
    return loss, interval


def _runtime_is_installed() -> bool:
    return all(find_spec(name) is not None for name in ("onnx", "onnxruntime", "onnxscript"))
