"""The verb ``distill``."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from mling_embed.cli import main
from mling_embed.corpora.parallel import ParallelCorpus

SYLLABLES = ["ka", "lo", "mi", "ter", "sun", "ban", "ge", "ri", "no", "pas", "tu", "vel", "dor", "chi", "fro", "ze"]

EXTEND = ["--pairs", "pairs.tsv:de", "--out", "run", "--set", "data.decontaminate=false", "--extend"]


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    chance = random.Random(0)
    words = ["".join(chance.choice(SYLLABLES) for _ in range(chance.randint(1, 4))) for _ in range(400)]
    lines = []
    for _ in range(300):
        chosen = chance.choices(words, k=chance.randint(3, 9))
        english, german = "It is the " + " ".join(chosen), " ".join(f"ö{word[::-1]}" for word in chosen)
        lines.append(f"{english}.\t{german}.\n")
    (tmp_path / "pairs.tsv").write_text("".join(lines), encoding="utf-8")
    return tmp_path / "pairs.tsv"


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def words_for(pairs: Path, teacher: Path, out: Path, *more: str) -> list[str]:
    words = ["distill", "--pairs", f"{pairs}:de", "--teacher", str(teacher), "--out", str(out), "--vocabulary", "1024"]
    for setting in ("fit.epochs=2", "data.decontaminate=false", "data.dev_fraction=0.1"):
        words += ["--set", setting]
    return [*words, *more]


def test_the_same_seed_gives_the_same_bytes(
    pairs: Path, tiny_teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert main(words_for(pairs, tiny_teacher, tmp_path / name, "--seed", seed)) == 0
    a, b, c = ((tmp_path / name / "model") for name in "abc")
    assert (a / "model.safetensors").read_bytes() == (b / "model.safetensors").read_bytes()
    assert (a / "tokenizer.json").read_bytes() == (b / "tokenizer.json").read_bytes()
    assert (a / "model.safetensors").read_bytes() != (c / "model.safetensors").read_bytes()
    printed = capsys.readouterr()
    assert f"Model:  {tmp_path / 'a' / 'model'}" in printed.err
    assert "\tde" in printed.out
    page = (tmp_path / "a/report.html").read_text(encoding="utf-8")
    for heading in ("At a glance", "Training: cosine to the teacher", "Dimensions and precision", "Learned from"):
        assert heading in page
    card = (a / "README.md").read_text(encoding="utf-8")
    assert "## Results" in card
    assert "this model's queries in the teacher's index" in card
    assert main(words_for(pairs, tiny_teacher, tmp_path / "a", "--seed", "3")) == 0
    assert f"{tmp_path / 'a'} is done already: nothing to train." in capsys.readouterr().err
    log = (tmp_path / "a/log.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["step"] for line in log.splitlines()].count("teacher") == 1


def test_fast_stops_at_the_head(pairs: Path, tiny_teacher: Path, tmp_path: Path) -> None:
    words = ["distill", "--pairs", f"{pairs}:de", "--teacher", str(tiny_teacher), "--out", str(tmp_path / "run")]
    words += ["--set", "data.decontaminate=false", "--student", str(tiny_teacher), "--fast"]
    assert main(words) == 0
    assert "max_steps = 0" in (tmp_path / "run/config.toml").read_text(encoding="utf-8")
    steps = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text(encoding="utf-8").splitlines()]
    (start,) = [step for step in steps if step["step"] == "start"]
    assert {trial["kind"] for trial in start["head"]} == {"ridge", "orthogonal", "trained"}
    (start_weights,) = (tmp_path / "run").glob("checkpoints/*/start/model.safetensors")
    assert (tmp_path / "run/model/model.safetensors").read_bytes() == start_weights.read_bytes()


def test_english_alone_makes_a_student(
    pairs: Path, tiny_teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    english = tmp_path / "english.txt"
    lines = (line.partition("\t")[0] for line in pairs.read_text(encoding="utf-8").splitlines())
    english.write_text("\n".join(lines), encoding="utf-8")
    words = ["distill", "--english", str(english), "--teacher", str(tiny_teacher), "--out", str(tmp_path / "run")]
    words += ["--set", "data.decontaminate=false", "--set", "data.dev_fraction=0.2", "--student", str(tiny_teacher)]
    assert main([*words, "--set", "student.head_pairs=200", "--json"]) == 0
    record = lines_of(capsys)[0]
    assert record["task"] == "en-en"
    assert record["figures"]["teacher_space_accuracy"] > 0.9  # it is its own teacher
    steps = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text(encoding="utf-8").splitlines()]
    (targets,) = [step for step in steps if step["step"] == "targets"]
    assert targets["computed"] == 200 + record["n"]  # no label that a head does not need


def test_a_cap_on_the_pairs_of_a_language(pairs: Path, tiny_teacher: Path, tmp_path: Path) -> None:
    words = words_for(pairs, tiny_teacher, tmp_path / "run", "--set", "data.max_pairs_per_language=50")
    assert main([*words, "--set", "data.max_tokens=60"]) == 0
    steps = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text(encoding="utf-8").splitlines()]
    (corpus,) = [step for step in steps if step["step"] == "corpus"]
    (targets,) = [step for step in steps if step["step"] == "targets"]
    dev = ParallelCorpus.open(tmp_path / "run/selection").info["english_dev"]
    assert corpus["pairs"] == 50 + dev
    assert targets["computed"] == 50 + dev


def test_a_rerun_by_its_own_configuration_does_no_teacher_work(
    pairs: Path, tiny_teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, french = tmp_path / "run", tmp_path / "more.tsv"
    french.write_bytes(pairs.read_bytes().replace("ö".encode(), "é".encode()))
    words = words_for(pairs, tiny_teacher, out, "--pairs", f"{french}:fr")
    assert main([*words, "--json"]) == 0
    first = lines_of(capsys)
    assert {record["model"] for record in first} == {str(out / "model")}
    assert [record["languages"] for record in first[:2]] == [["de", "en"], ["fr", "en"]]
    assert {record["suite"] for record in first} == {"dev/pairs", "dev/more"}
    before = (out / "model/model.safetensors").read_bytes()
    assert main(["distill", str(out / "config.toml"), "--json"]) == 0
    assert lines_of(capsys) == first
    assert (out / "model/model.safetensors").read_bytes() == before
    log = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["computed"] for line in log if line["step"] == "targets"] == [300]  # it asked first
    assert main([*words, "--seed", "9"]) == 2
    assert f"{out}: holds a run with another configuration." in capsys.readouterr().err


def test_a_student_learns_another_language(
    pairs: Path, tiny_teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    french = tmp_path / "more.tsv"
    french.write_bytes(pairs.read_bytes().replace("ö".encode(), b"e"))
    words = ["distill", "--pairs", f"{pairs}:de", "--pairs", f"{french}:fr", "--teacher", str(tiny_teacher)]
    words += ["--extend", str(tiny_teacher), "--languages", "fr", "--out", str(tmp_path / "run")]
    train = ("train.max_steps=2", "train.bf16=false", "train.max_seq_length=48")
    for setting in (*train, "data.decontaminate=false", "data.dev_fraction=0.1"):
        words += ["--set", setting]
    assert main([*words, "--json"]) == 0
    printed = capsys.readouterr()
    assert "is done already" not in printed.err
    first = [record for line in printed.out.splitlines() if (record := json.loads(line))["suite"] == "forgetting"]
    found = [(each["task"], each["kind"], each["figures"]["changed_share"]) for each in first]
    assert found == [("fr", "new", 0.0), ("de", "old", 0.0), ("en", "english", 0.0)]
    assert first[2]["figures"]["before"] == 1.0  # it is its own teacher
    assert main(words) == 0
    printed = capsys.readouterr()
    assert "is done already" in printed.err
    rows = [line.split("\t") for line in printed.out.splitlines() if line.startswith("forgetting")]
    assert [row[1:3] for row in rows] == [["fr", "new"], ["de", "old"], ["en", "english"]]
    assert [row[4] for row in rows] == [f"{each['figures']['before']:.4f}" for each in first]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--pairs", "pairs.tsv:de", "--out", "run", "--extend", "x"], 2, "an extended student needs new_languages"),
        (["--pairs", "pairs.tsv:de", "--out", "run", "--extend", "x", "--student", "static"], 2, "give one of them"),
        ([*EXTEND, "x", "--languages", "fr"], 2, "no pairs of fr; it has de"),
        ([*EXTEND, "./x", "--languages", "de"], 3, "./x: no such model folder."),
        (["--pairs", "missing.tsv:de", "--out", "run"], 3, "missing.tsv: no such file."),
        (["--pairs", "missing.tsv:de"], 2, "no folder to write to. Give --out DIR"),
        (["--out", "run"], 2, "names no data: give corpus, pairs, manifests, english or monolingual"),
        (["--pairs", "pairs.tsv:de", "--student", "transplnt", "--out", "run"], 2, "Did you mean transplant?"),
        (["--pairs", "pairs.tsv:de", "--languages", "klingon", "--out", "run"], 2, "'klingon' is not a language code."),
        (["--pairs", "pairs.tsv:qqqq", "--out", "run"], 2, "'qqqq' is not a language code."),
        (
            ["--pairs", "empty.tsv:de", "--out", "run", "--set", "data.decontaminate=false"],
            3,
            "run/corpus: the corpus holds no pairs.",
        ),
        (["--corpus", "nowhere", "--out", "run"], 3, "nowhere: no corpus here"),
        (["nowhere.toml"], 3, "nowhere.toml: no such file."),
        (["--manifest", "tatoba-v1", "--out", "run"], 2, "Did you mean"),
        (["--pairs", "pairs.tsv:de", "--out", "run", "--set", "fit.epoch=1"], 2, "Did you mean epochs?"),
        (["--pairs", "pairs.tsv:de", "--out", "run", "--teacher", "./none"], 3, "./none: no such model folder."),
        (["--pairs", "pairs.tsv:de", "--out", "run", "--teacher", "unsafe"], 2, "holds only pytorch_model.bin"),
    ],
)
def test_errors(
    words: list[str],
    code: int,
    message: str,
    pairs: Path,
    tiny_teacher: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(pairs.parent)
    Path("empty.tsv").touch()
    Path("unsafe").mkdir()
    Path("unsafe/pytorch_model.bin").touch()
    teacher = [] if "--teacher" in words else ["--teacher", str(tiny_teacher)]
    assert main(["distill", *words, *teacher]) == code
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""
    assert not Path("run/model").exists()
