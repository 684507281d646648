"""The configuration: layers, what is refused and how, and that it is written out whole."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from mling_embed.distillation.config import DistillConfig, read_config
from mling_embed.errors import DataError, UsageError

BASE: dict[str, Any] = {"out": "run", "data": {"pairs": ["a.tsv:de"]}}


def test_the_defaults() -> None:
    config = read_config(None, BASE)
    assert (config.seed, config.fit.epochs, config.student.vocabulary_size) == (0, 4, "auto")
    assert config.teacher.name == "sentence-transformers/all-MiniLM-L6-v2"
    assert config.data.pairs == ("a.tsv:de",)


def test_later_layers_win(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('seed = 1\nout = "x"\n[data]\npairs = ["f.tsv"]\n[fit]\nepochs = 2\nbatch_size = 64\n')
    config = read_config(file, {"seed": 2, "out": None, "fit": {"epochs": 3}}, ["fit.epochs=4"])
    assert (config.seed, config.out, config.fit.epochs, config.fit.batch_size) == (2, Path("x"), 4, 64)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fit.learning_rate=0.5", 0.5),
        ("data.decontaminate=false", False),
        ("data.languages=['deu', 'zho_Hans']", ("de", "zh-Hans")),
        ("teacher.name=some/model", "some/model"),
        ("teacher.name='quoted/model'", "quoted/model"),
        ("teacher.prompt=query: ", "query: "),
        ("student.vocabulary_size=4096", 4096),
        ("teacher.precision=bf16", "bf16"),
    ],
)
def test_settings_are_toml_or_else_text(setting: str, value: object) -> None:
    section, _, name = setting.partition("=")[0].partition(".")
    assert getattr(getattr(read_config(None, BASE, [setting]), section), name) == value


@pytest.mark.parametrize("setting", ["fit.epochs", "=3", ""])
def test_a_setting_needs_a_name_and_a_value(setting: str) -> None:
    with pytest.raises(UsageError, match=r"expected section\.name=value, such as fit\.epochs=3"):
        read_config(None, BASE, [setting])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("fit.epoch=3", r"fit\.epoch: unknown key\. Did you mean epochs\?"),
        ("student.vocabulry_size=3000", r"Did you mean vocabulary_size\?"),
        ("tacher.name=x", r"tacher: unknown key\. Did you mean teacher\?"),
        ("fit.zzz=1", r"fit\.zzz: unknown key\.$"),
        ("fit.epochs=-1", r"fit\.epochs: .*greater than or equal to 0"),
        ("fit.token_dropout=1.0", r"fit\.token_dropout: .*less than 1"),
        ("student.vocabulary_size=1023", r"greater than or equal to 1024"),
        ("teacher.precision=fp8", r"teacher\.precision: .*'auto', 'bf16', 'fp32' or 'int8'"),
        ("data.languages=['klingon']", r"data\.languages\[0\]: 'klingon' is not a language code"),
        ("data.corpus=c", r"data: give either corpus, or pairs, manifests and english"),
        ("fit=3", r"fit: "),
    ],
)
def test_values_that_make_no_sense(setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_config(None, BASE, [setting])


def test_every_problem_is_listed() -> None:
    with pytest.raises(UsageError, match="the configuration has problems") as caught:
        read_config(None, {"fit": {"epochs": -1, "epoch": 1}, "student": {"kind": "big"}})
    text = str(caught.value)
    places = ("out: ", "data: names no data", "fit.epochs: ", "fit.epoch: unknown", "student.kind: ")
    assert [place for place in places if f"\n  - {place}" not in text] == []
    assert text.count("\n  - ") == len(places)


def test_it_is_written_out_whole_and_reads_back(tmp_path: Path) -> None:
    config = read_config(None, BASE, ["teacher.prompt='query: '", "data.languages=['de']"])
    file = tmp_path / "config.toml"
    file.write_text(config.to_toml())
    assert read_config(file, {}) == config
    assert tomllib.loads(config.to_toml())["fit"] == asdict(config.fit)
    assert set(tomllib.loads(config.to_toml())) == set(DistillConfig.model_fields) - {"device"}  # unset


def test_the_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"run\.toml: no such file"):
        read_config(tmp_path / "run.toml", {})


def test_english_alone_makes_a_head(tmp_path: Path) -> None:
    student = {"kind": "pretrained", "name": "x"}
    values = {"out": tmp_path, "data": {"english": ["a.txt"]}, "student": student}
    config = read_config(None, values)
    assert (config.data.is_english_alone, config.train.max_steps) == (True, 0)
    with pytest.raises(UsageError, match=r"train\.max_steps: there are no pairs to train on"):
        read_config(None, values, ["train.max_steps=5"])
    with pytest.raises(
        UsageError,
        match=r"give pairs, or --student ENCODER",
    ):
        read_config(None, {"out": tmp_path, "data": {"english": ["a.txt"]}})
    beside = read_config(None, {**values, "data": {"english": ["a.txt"], "pairs": ["b.tsv:de"]}})
    assert (beside.data.is_english_alone, beside.train.max_steps) == (False, None)
