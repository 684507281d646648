"""How the training went that made a model, where the model's folder is still in that of its run."""

from __future__ import annotations

from pathlib import Path

from mling_embed.evaluation.exhibits import Line
from mling_embed.training.curves import COSINE, DEV, FIT_LOG_FILE, LOG_FILE, LOSS, training_curves

CHECKPOINTS = "checkpoints"
_ABOUT = {
    DEV: (
        "Training: accuracy on the dev split",
        "Share of dev sentences whose English is the nearest of the teacher's vectors, mean of the languages. The "
        "weights of the best measurement are the model's.",
    ),
    LOSS: ("Training: loss", "Of one batch, as it was logged: a batch differs from the next."),
    COSINE: (
        "Training: cosine to the teacher's vectors",
        "Mean over an epoch's sentences, as the fit met them: before it learned from them in that epoch.",
    ),
}


def training_lines(model: str) -> tuple[Line, ...]:
    """Return a line for each measure that was logged; none where the model is no folder of a run.

    Args:
        model: A folder or a name; a run has its ``checkpoints`` beside the model's folder.
    """
    folder = Path(model).parent / CHECKPOINTS
    if not (Path(model).is_dir() and folder.is_dir()):
        return ()
    logs = [log for name in (LOG_FILE, FIT_LOG_FILE) for log in folder.glob(f"*/{name}")]
    if not logs:
        return ()
    curves = training_curves(max(logs, key=lambda log: log.stat().st_mtime_ns).parent)
    return tuple(Line(*_ABOUT[measure], points) for measure, points in curves.items())
