"""The teacher that comes as a package: the official weights, or an error."""

from __future__ import annotations

import pytest

from mling_embed.encoders import packaged_teacher as subject
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.packaged_teacher import packaged_teacher
from mling_embed.errors import DamagedFileError


@pytest.mark.skipif(packaged_teacher() is None, reason="the extra 'teacher' is not installed")
def test_the_packaged_teacher_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "PACKAGED_TEACHER_SHA256", "0" * 64)
    with pytest.raises(DamagedFileError, match=f"is not the official {'0' * 64}"):
        load_sentence_transformer("all-MiniLM-L6-v2")


def test_without_the_extra_there_is_no_packaged_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_MODULE", "no_such_module")
    assert packaged_teacher() is None
