"""The README's pages of Python, run as they stand; pairs from wherever a user has them."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

import mling_embed as me
from mling_embed.corpora.manifests import manifest_folder
from mling_embed.encoders.packaged_teacher import packaged_teacher
from mling_embed.errors import DataError, UsageError

README = Path(__file__).parents[1] / "README.md"
needs_teacher = pytest.mark.skipif(packaged_teacher() is None, reason="the extra 'teacher' is not installed")


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def phrasebook_pairs() -> list[tuple[str, str, str]]:
    with (manifest_folder() / "phrasebook/sentences.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(row["en"], row["de"], "de") for row in rows if row["split"] == "train"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in an empty folder with a file of translations."""
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    lines = (f"{english}\t{german}\n" for english, german, _ in phrasebook_pairs())
    Path("translations.tsv").write_text("".join(lines), encoding="utf-8")
    return tmp_path


@needs_teacher
def test_the_page_of_python(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, plain, _ = blocks()
    names: dict[str, Any] = {}
    exec(page + plain, names)
    assert "phrasebook" in capsys.readouterr().out
    assert names["student"].encode("Haus").shape == (384,)
    assert names["student"].encode(["Haus", "Baum"]).shape == (2, 384)
    vectors = names["model"].encode(["Wo ist der Bahnhof?"])
    np.testing.assert_allclose(vectors[0], me.load("runs/first/model").encode("Wo ist der Bahnhof?"), atol=1e-6)


def test_bert_to_distilbert_in_three_lines(folder: Path, tiny_teacher: Path) -> None:
    (tiny_teacher.with_name("bert") / "config.json").stat()
    recipe = blocks()[2].replace("bert-base-uncased", str(tiny_teacher.with_name("bert")))
    small = ', settings={"train": {"max_steps": 2, "bf16": False}, "data": {"decontaminate": False}})'
    names: dict[str, Any] = {}
    exec(recipe.rstrip().removesuffix(")") + small, names)
    made = SentenceTransformer("distilbert-run/model", device="cpu")
    assert type(made[0].auto_model).__name__ == "DistilBertModel"
    assert len(made[0].auto_model.transformer.layer) == 1  # every other of two
    assert names["student"].trained


def rows_of(kind: str, pairs: list[tuple[str, str, str]]) -> Any:
    if kind == "tuples":
        return pairs
    if kind == "iterator":
        return iter(pairs)
    if kind == "dictionaries":
        return ({"english": english, "other": other, "language": language} for english, other, language in pairs)
    import datasets

    english, other, languages = zip(*pairs, strict=True)
    return datasets.Dataset.from_dict({"english": english, "other": other, "language": languages})


@pytest.mark.parametrize("kind", ["tuples", "iterator", "dictionaries", "dataset"])
def test_pairs_from_memory(folder: Path, tiny_teacher: Path, kind: str) -> None:
    pairs = phrasebook_pairs()[:120]
    settings = {"fit": {"epochs": 1}, "student": {"vocabulary_size": 1024}, "data": {"decontaminate": False}}
    made = me.distill(tiny_teacher, rows_of(kind, pairs), out="run", settings=settings)
    assert made.corpus.n_pairs == len(set(pairs))
    assert made.corpus.languages == ("de",)
    again = me.distill(tiny_teacher, rows_of(kind, pairs), out="run", settings=settings)
    assert (made.trained, again.trained) == (True, False)


def test_what_cannot_be_learned_from(folder: Path, tiny_teacher: Path) -> None:
    with pytest.raises(UsageError, match="no pairs to learn from"):
        me.distill(tiny_teacher, out="run")
    with pytest.raises(DataError, match=r"pair 2 is 'two', expected \(english, other, language\)"):
        me.distill(tiny_teacher, [("one", "eins", "de"), "two"], out="run")
    with pytest.raises(DataError, match="no pairs"):
        me.distill(tiny_teacher, iter(()), out="run")
    assert not list(Path("run").rglob("*.jsonl"))


def test_pairs_and_targets_for_another_trainer(folder: Path, tiny_teacher: Path) -> None:
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MSELoss

    settings = {"fit": {"epochs": 1}, "student": {"vocabulary_size": 1024}, "data": {"decontaminate": False}}
    made = me.distill(tiny_teacher, phrasebook_pairs()[:60], out="run", settings=settings)
    found = made.corpus.to_dataset(made.targets)
    assert (list(found), found["de"].column_names) == (["de"], ["english", "non_english", "label"])
    first = found["de"][0]
    np.testing.assert_allclose(first["label"], made.teacher.encode(first["english"]), atol=2e-3)
    student = SentenceTransformer(str(tiny_teacher), device="cpu")
    with student.truncate_embeddings(None):
        before = next(student.parameters()).detach().clone()
    options = {"per_device_train_batch_size": 16, "max_steps": 2, "report_to": "none", "use_cpu": True}
    arguments = SentenceTransformerTrainingArguments(output_dir=str(folder / "peer"), save_strategy="no", **options)
    SentenceTransformerTrainer(student, arguments, train_dataset=found, loss=MSELoss(student)).train()
    assert not np.array_equal(before, next(student.parameters()).detach())


def test_a_finished_run_answers_before_any_work(folder: Path, tiny_teacher: Path) -> None:
    settings = {"fit": {"epochs": 1}, "student": {"vocabulary_size": 1024}, "data": {"decontaminate": False}}
    me.distill(tiny_teacher, ["translations.tsv:de"], out="run", settings=settings)
    script = (
        "import sys\nfrom mling_embed.distillation.config import read_config\n"
        "assert 'torch' not in sys.modules\n"
        "import builtins, pathlib\nfrom mling_embed.distillation.run import run\n"
        "opened, plain = [], pathlib.Path.open\n"
        "def noted(path, *a, **k):\n    opened.append(path.name)\n    return plain(path, *a, **k)\n"
        "pathlib.Path.open = noted\n"
        "print(run(read_config(pathlib.Path('run/config.toml'), {})).trained, sorted(set(opened)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False ")
    assert "translations.tsv" not in done.stdout
    assert ".safetensors" not in done.stdout


def test_a_touched_file_is_looked_at_and_a_changed_one_is_another_run(folder: Path, tiny_teacher: Path) -> None:
    settings = {"fit": {"epochs": 1}, "student": {"vocabulary_size": 1024}, "data": {"decontaminate": False}}

    def distilled() -> bool:
        return me.distill(tiny_teacher, ["translations.tsv:de"], out="run", settings=settings).trained

    assert distilled()
    time.sleep(0.01)
    Path("translations.tsv").touch()
    assert not distilled()
    with Path("translations.tsv").open("a", encoding="utf-8") as file:
        file.write("The night train is late again.\tDer Nachtzug hat wieder Verspätung.\n")
    assert distilled()
