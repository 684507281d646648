"""The front door: distil a teacher on pairs, in one call with plain arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mling_embed.corpora.memory import write_pairs
from mling_embed.distillation.config import StudentKind, read_config
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER
from mling_embed.errors import UsageError
from mling_embed.progress import Progress, silent

if TYPE_CHECKING:
    from mling_embed.distillation.run import Distilled

PAIRS_FOLDER = "pairs"
_OWN_KINDS = (StudentKind.STATIC, StudentKind.TRANSPLANT)


def distill(
    teacher: str | Path = DEFAULT_TEACHER,
    pairs: Iterable[Any] | str | Path | None = None,
    *,
    out: str | Path,
    student: str | Path = StudentKind.STATIC,
    languages: Sequence[str] | None = None,
    manifests: Sequence[str] = (),
    english: Sequence[str | Path] = (),
    device: str | None = None,
    seed: int = 0,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress = silent,
) -> Distilled:
    """Distil an English encoder into a multilingual one.

    The same call again finds the run in `out` done, or goes on where it stopped.

    >>> student = distill("all-MiniLM-L6-v2", [("Where is the station?", "Wo ist der Bahnhof?", "de"), ...],
    ...                   out="runs/first")                                                        # doctest: +SKIP
    >>> student.encode("Wo ist der Bahnhof?").shape                                                # doctest: +SKIP
    (384,)

    Args:
        teacher: A folder, or a name of the Hugging Face hub.
        pairs: What is learned from: files (``"translations.tsv:de"``, see `guess_input`), or tuples
            ``(english, other, language)``, or a `datasets.Dataset`, or any iterator of tuples or of dictionaries with
            the columns of a file. What is not a file is written into `out` first.
        out: Folder of the run; the student is in ``out/model``.
        student: ``static``, ``transplant``, or an encoder to start from: a folder or a name of the hub.
        languages: Keep these alone.
        manifests: Known corpora to learn from too (``mling-embed data list``).
        english: Files of English sentences, one a line, to learn from too; an encoder to start from needs nothing else.
        device: ``cpu``, ``cuda`` or ``mps``; the best that there is by default.
        seed: Of all that is drawn.
        settings: Further settings by section, as in the TOML file of a run: ``{"train": {"num_train_epochs": 2}}``.
        progress: Told of the work done.

    Raises:
        UsageError: The arguments make no sense, or `out` holds a run with other ones.
        DataError: Data or teacher cannot be read.
    """
    from mling_embed.distillation.run import run

    if pairs is None and not manifests and not english:
        raise UsageError("no pairs to learn from.", next_step="Give pairs=, or manifests= (mling-embed data list).")
    made = {"kind": str(student)} if student in _OWN_KINDS else {"kind": "pretrained", "name": str(student)}
    values: dict[str, Any] = {name: dict(section) for name, section in (settings or {}).items()}
    for section, given in (
        ("teacher", {"name": str(teacher)}),
        (
            "data",
            {
                "pairs": _files(pairs, Path(out)),
                "manifests": list(manifests),
                "english": list(english),
                "languages": list(languages or ()),
            },
        ),
        ("student", made),
    ):
        values[section] = {**values.get(section, {}), **given}
    config = read_config(None, {**values, "out": Path(out), "device": device, "seed": seed})
    return run(config, progress=progress)


def _files(pairs: Iterable[Any] | str | Path | None, out: Path) -> list[str]:
    """Return the pairs as words that name files; what is in memory is written into the run's folder."""
    if pairs is None:
        return []
    if isinstance(pairs, str | Path):
        return [str(pairs)]
    if isinstance(pairs, Sequence) and pairs and all(isinstance(pair, str | Path) for pair in pairs):
        return [str(pair) for pair in pairs]
    return [str(write_pairs(pairs, out / PAIRS_FOLDER))]
