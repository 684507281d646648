"""Labels of a corpus ahead of a run, made in shares of one cache."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mling_embed.cli import main
from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.encoders.loading import load
from mling_embed.training.targets import TargetStore


def test_shares_label_a_corpus_ahead_of_a_run(
    tiny_teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("".join(f"the house number {n}\tdas Haus Nummer {n}\n" for n in range(40)), encoding="utf-8")
    assert main(["data", "build", str(tmp_path / "corpus"), "--pairs", f"{pairs}:de", "--no-decontaminate"]) == 0
    words = ["data", "label", str(tmp_path / "corpus"), "--teacher", str(tiny_teacher), "--json"]
    for number, done in ((2, 0), (1, 1)):
        capsys.readouterr()
        assert main([*words, "--shard", f"{number}/2"]) == 0
        assert f"share {number}/2 of teacher targets is done ({done} of 1)" in capsys.readouterr().err
    assert TargetStore(load(tiny_teacher)).missing(["the house number 1"]) == 1
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out) == {"sentences": 40, "computed": 40, "dim": load(tiny_teacher).dim}
    assert TargetStore(load(tiny_teacher)).missing(ParallelCorpus.open(tmp_path / "corpus").english_texts()) == 0
    assert main([*words, "--engine", "slurm"]) == 2
    assert "'slurm' is no engine" in capsys.readouterr().err
