"""Groups of test sets."""

from __future__ import annotations

import os

import pytest

from mling_embed.errors import UsageError
from mling_embed.evaluation.suites.groups import GROUPS, load_several, load_tasks, require_tasks

mirrored = pytest.mark.skipif("MLING_EMBED_MIRROR" not in os.environ, reason="MLING_EMBED_MIRROR is not set")


@mirrored
def test_a_group_keeps_so_many_of_each() -> None:
    tasks = load_tasks("quick", languages=["de"])
    assert [task.label.suite for task in tasks] == [
        "phrasebook", "phrasebook-sts", "phrasebook-sts", "phrasebook-sts", "phrasebook-qa", "phrasebook-qa",
        "sib-200", "sib-200", "stsb-multi-mt", "stsb-multi-mt", "stsb-multi-mt",
    ]  # fmt: skip
    assert len(tasks[-1].scores) == 100
    assert len(load_tasks("quick", languages=["de"], limit=7)[-1].scores) == 7


@mirrored
def test_a_test_set_without_the_language_is_left_out() -> None:
    tasks = load_tasks("quick", languages=["ja"])
    assert "phrasebook-qa" in {task.label.suite for task in tasks}
    with pytest.raises(UsageError, match=r"none of phrasebook, sib-200, stsb has a task in zu\."):
        load_tasks("quick", languages=["zu"])


@mirrored
def test_of_several_test_sets_any_may_lack_a_language() -> None:
    tasks = load_several(["mlqe-pe", "xcopa"], languages=["de", "it"], limit=5)
    assert [(task.label.suite, task.label.name) for task in tasks] == [("mlqe-pe", "en-de"), ("xcopa", "it-it")]
    with pytest.raises(UsageError, match=r"none of mlqe-pe, xcopa has a task in fr\."):
        load_several(["mlqe-pe", "xcopa"], languages=["de", "fr"])


def test_names() -> None:
    assert set(GROUPS) == {"quick", "standard", "all"}
    require_tasks("standard")
    with pytest.raises(UsageError, match="there are no tasks 'standrad'"):
        require_tasks("standrad")
