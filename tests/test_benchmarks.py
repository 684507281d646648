from __future__ import annotations

import copy
import doctest
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tiny_encoders import ENGLISH, HOSTILE

from mling_embed.encoders.contract import PromptRole
from mling_embed.encoders.heads import dense, with_head
from mling_embed.encoders.loading import load, load_sentence_transformer
from mling_embed.evaluation.tasks.bitext import BITEXT
from mling_embed.evaluation.tasks.contract import Scores, TaskLabel, TaskResult
from mling_embed.students.pretrained import one_prompt, with_wider_pooling

FOLDER = Path(__file__).parents[1] / "benchmarks"
if not FOLDER.is_dir():
    pytest.skip("no benchmarks beside the tests", allow_module_level=True)

CONDITIONS = sorted(FOLDER.glob("conditions/*.toml"))
RESULTS = sorted(FOLDER.glob("results/*.json"))
SCRIPTS = sorted(
    path.name for path in FOLDER.glob("*.py") if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)


@pytest.fixture
def conditions(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    import conditions_file

    return conditions_file


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    import run as module

    return module


def a_result(**changes: Any) -> dict[str, Any]:
    hardware = {"processor": "P", "cores": 2, "memory_bytes": 2**34, "python": "3.11", "torch": "2"}
    result = {
        "schema": 1,
        "condition": "encode_speed",
        "figures": {"ratio_to_model2vec_1": 1.25},
        "scores": [{"task": "ours", "n": 10, "score": 0.5}],
        "facts": {"dim": 384},
        "seeds": [0],
        "package_version": "0.1",
        "commit": "c" * 40,
        "hardware": {**hardware, "sentence-transformers": "6"},
        "seconds": {"race": 1.5},
        "peak_rss_bytes": 2**30,
    }
    return {**result, **changes}


@pytest.mark.parametrize("path", CONDITIONS, ids=lambda path: path.stem)
def test_every_condition_loads_and_its_script_is_there(path: Path, conditions: ModuleType) -> None:
    (condition,) = conditions.read_conditions((path.stem,))
    assert condition.name == path.stem
    assert (FOLDER / condition.command[0]).is_file()


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_every_result_is_one_of_its_condition_and_as_expected(
    path: Path, conditions: ModuleType, run: ModuleType
) -> None:
    (condition,) = conditions.read_conditions((path.stem,))
    result = run.read_result(path, condition)
    verdicts = {each.metric: each.verdict(result["figures"].get(each.metric)) for each in condition.promise}
    assert conditions.Verdict.FAIL not in verdicts.values(), verdicts


def test_the_committed_report_is_what_the_results_say() -> None:
    if not RESULTS:
        pytest.skip("no results yet")
    done = subprocess.run(
        [sys.executable, str(FOLDER / "run.py"), "report", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize(
    ("better", "found", "verdict"),
    [
        ("higher", 0.80, "OK"),
        ("higher", 0.795, "OK"),
        ("higher", 0.785, "OKISH"),
        ("higher", 0.775, "FAIL"),
        ("higher", 0.85, "OKISH"),
        ("lower", 0.75, "OKISH"),
        ("lower", 0.85, "FAIL"),
        ("at_least", 0.95, "OK"),
        ("at_most", 0.10, "OK"),
        ("at_most", 0.85, "FAIL"),
        ("higher", None, "FAIL"),
        ("higher", float("nan"), "FAIL"),
    ],
)
def test_verdicts(conditions: ModuleType, better: str, found: float | None, verdict: str) -> None:
    each = conditions.Promise(metric="m", promised=0.8, tolerance=0.01, better=better)
    assert each.verdict(found) == verdict


@pytest.mark.parametrize(
    ("better", "found", "recorded", "verdict"),
    [
        ("at_most", 0.011, 0.010, "OK"),  # of the .99 to the limit little is gone
        ("at_most", 0.800, 0.010, "OKISH"),
        ("at_least", 4.5, 5.5, "OK"),
        ("at_least", 2.5, 5.5, "OKISH"),
        ("at_least", 25.0, 26.0, "FAIL"),  # a count
        ("at_most", 1.0, 0.0, "FAIL"),
        ("higher", 0.7, 0.8, "FAIL"),
        ("at_least", float("nan"), 5.5, "FAIL"),
        ("at_least", None, 5.5, "FAIL"),
    ],
)
def test_verdicts_beside_what_was_recorded(
    conditions: ModuleType, better: str, found: float | None, recorded: float, verdict: str
) -> None:
    each = conditions.Promise(metric="m", promised=1.0, tolerance=0.0, better=better)
    assert each.beside(found, recorded) == verdict


def test_shared_data_that_is_not_there_or_another_is_a_reason_to_skip(
    conditions: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(conditions.DATA_VARIABLE, str(tmp_path))
    (condition,) = conditions.read_conditions(("encode_speed",))
    path = tmp_path / next(data.file for data in condition.data if data.file)
    assert condition.missing().startswith(f"{path} is not there; $MLING_EMBED_BENCH_DATA")
    path.parent.mkdir()
    path.write_text("other")
    assert condition.missing().startswith(f"{path} is another one than ")


def test_a_model_that_is_not_there_is_a_reason_to_skip(
    conditions: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (condition,) = conditions.read_conditions(("alignment_gold",))
    needed = condition.model_copy(update={"data": (conditions.Data(model="e5-small"),)})
    monkeypatch.delenv(conditions.MODELS_VARIABLE, raising=False)
    assert needed.missing() == "the model e5-small: $MLING_EMBED_BENCH_MODELS is to name the folder of models"
    monkeypatch.setenv(conditions.MODELS_VARIABLE, str(tmp_path))
    assert needed.missing() == f"{tmp_path / 'e5-small'} is not there"
    (tmp_path / "e5-small").mkdir()
    assert needed.missing() is None
    asks = condition.model_copy(update={"data": (conditions.Data(variable="MLING_EMBED_BENCH_SOMETHING"),)})
    assert asks.missing() == "$MLING_EMBED_BENCH_SOMETHING is not set: --help of its script says what it names"
    monkeypatch.setenv("MLING_EMBED_BENCH_SOMETHING", "x")
    assert asks.missing() is None


def test_an_extra_that_is_not_installed_is_a_reason_to_skip(
    conditions: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name == "lancedb":
            raise metadata.PackageNotFoundError(name)
        return "1"

    (condition,) = conditions.read_conditions(("index_exports",))
    monkeypatch.setattr(conditions.metadata, "version", version)
    wanted = condition.model_copy(update={"extras": ("stores", "ray")})
    told = "needs the extra stores: pip install -c constraints.txt -e '.[stores]'"
    assert wanted.missing() == told  # "stores" holds "lancedb" by another extra's name


def test_the_short_ones_need_no_more_than_a_clone(conditions: ModuleType) -> None:
    for condition in conditions.read_conditions():
        if condition.group == "short":
            assert not condition.corpus
            assert not any(data.file or data.model for data in condition.data)
            assert not condition.gpu


def test_each_condition_builds_its_own_corpus(
    conditions: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(conditions.DATA_VARIABLE, str(tmp_path))
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    (tmp_path / "few.tsv").write_text("".join(f"a house {n}\tein Haus {n}\n" for n in range(300)))
    (condition,) = conditions.read_conditions(("encode_speed",))
    assert conditions.build_corpus(condition.model_copy(update={"corpus": ()})) is None
    few = condition.model_copy(update={"corpus": ("--pairs", "{data}/few.tsv:de", "--no-decontaminate"), "data": ()})
    folder = conditions.build_corpus(few)
    made = (folder / "corpus.json").stat().st_mtime_ns
    assert folder.is_relative_to(tmp_path / "home")
    assert conditions.build_corpus(few) == folder
    assert (folder / "corpus.json").stat().st_mtime_ns == made
    assert conditions.build_corpus(few.model_copy(update={"corpus": (*few.corpus, "--dev-fraction", "0.1")})) != folder


def test_verify_skips_fails_and_passes(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("MLING_EMBED_BENCH_DATA", str(tmp_path))
    assert run.verify(("encode_speed",)) == 0
    assert capsys.readouterr().out.startswith("SKIPPED\tencode_speed\t")
    monkeypatch.setattr(run.Condition, "missing", lambda condition: None)
    (condition,) = run.read_conditions(("encode_speed",))
    recorded = run.read_result(condition.result, condition)["figures"]
    figures = {each.metric: recorded[each.metric] for each in condition.promise}
    monkeypatch.setattr(run, "execute", lambda condition, out: a_result(figures=figures))
    assert run.verify(("encode_speed",)) == 0
    monkeypatch.setattr(run, "execute", lambda condition, out: a_result(figures={**figures, "min_cosine": 0.5}))
    assert run.verify(("encode_speed",)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["OK"] * len(figures) + ["OK"] * (len(figures) - 1) + ["FAIL"]


def test_an_altered_number_fails(run: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run.Condition, "missing", lambda condition: None)
    (condition,) = run.read_conditions(("phrasebook_demo",))
    result = json.loads(condition.result.read_text(encoding="utf-8"))
    monkeypatch.setattr(run, "execute", lambda condition, out: result)
    assert run.verify(("phrasebook_demo",)) == 0
    altered = copy.deepcopy(result)
    altered["figures"]["mean_top1"] += 0.2
    monkeypatch.setattr(run, "read_result", lambda path, condition: altered)  # what was recorded is said to be better
    assert run.verify(("phrasebook_demo",)) == 1


def test_a_group_alone_is_verified(run: ModuleType) -> None:
    names = [condition.name for condition in run.chosen((), "short")]
    assert "phrasebook_demo" in names
    assert "pool_transplant" not in names
    assert sum(condition.minutes for condition in run.chosen((), "short")) <= 30


def test_a_result_of_another_condition_is_refused(run: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    (condition,) = run.read_conditions(("encode_speed",))
    for result in (a_result(condition="pool_static"), a_result(schema=0), {"figures": {}}):
        path.write_text(json.dumps(result), encoding="utf-8")
        with pytest.raises(run.DamagedFileError):
            run.read_result(path, condition)


def test_a_changed_tree_is_not_recorded(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "commit", lambda: "c" * 40 + "+changes")
    with pytest.raises(run.UsageError, match="the code has changes that are not committed"):
        run.record(("encode_speed",))


def test_recording_leaves_the_promises(run: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (condition,) = run.read_conditions(("encode_speed",))
    before = (FOLDER / "conditions" / "encode_speed.toml").read_bytes()
    kept = condition.model_copy(update={"name": "encode_speed_test"})
    monkeypatch.setattr(run, "commit", lambda: "c" * 40)
    monkeypatch.setattr(run, "chosen", lambda names, group: [kept])
    monkeypatch.setattr(run.Condition, "missing", lambda condition: None)
    monkeypatch.setattr(run, "execute", lambda condition, out: out.write_text("{}"))
    try:
        assert run.record(("encode_speed",)) == 0
        assert kept.result.read_text() == "{}"
    finally:
        kept.result.unlink(missing_ok=True)
    assert (FOLDER / "conditions" / "encode_speed.toml").read_bytes() == before


def test_marked_parts_are_filled_and_the_rest_is_kept(run: ModuleType) -> None:
    (condition,) = run.read_conditions(("encode_speed",))
    page = "a\n<!-- results:encode_speed -->\nold\n<!-- /results -->\nb\n<!-- results:other -->\nc\n<!-- /results -->\n"
    filled = run.fill_marked(page, [(condition, a_result())])
    assert "old" not in filled
    assert "| ratio to model2vec 1 | 1.250 | at least" in filled
    assert filled.endswith("b\n<!-- results:other -->\nc\n<!-- /results -->\n")
    assert run.fill_marked(filled, [(condition, a_result())]) == filled


def test_what_a_result_says_in_words_goes_where_it_is_asked_for(run: ModuleType) -> None:
    (condition,) = run.read_conditions(("encode_speed",))
    result = a_result(facts={"dim": 384, "told": "It is fast."})
    page = "Well.\n<!-- results:encode_speed/told -->\n<!-- /results -->\n"
    assert run.fill_marked(page, [(condition, result)]).splitlines()[2] == "It is fast."
    assert "Dim 384.\n\nIt is fast.\n" in run.results_page([(condition, result)])


def test_a_page_shows_scores_by_language_source_and_length(run: ModuleType) -> None:
    (condition,) = run.read_conditions(("pool_static",))
    score = {"n": 100, "score": 0.75, "low": 0.7, "high": 0.8}
    scores = [
        {"suite": "tatoeba-v1", "task": "de-en", **score, "reverse_accuracy": 0.5},
        {"suite": "tatoeba-v1", "task": "fr-en", **score},
        {"suite": "stsb-multi-mt", "task": "en-de", **score, "static": 0.25},
        {"suite": "dev/news", "task": "de-en", **score},
        {"suite": "dev by length: 1-8 words", "task": "de-en", **score},
    ]
    result = copy.deepcopy(a_result(condition="pool_static", scores=scores))
    page = run.results_page([(condition, result)])
    assert "| language | Tatoeba xx->en | Tatoeba en->xx | STS-B en-xx | static: STS-B en-xx |" in page
    assert "| de | 0.750 | 0.500 | 0.750 | 0.250 |" in page
    assert "| fr | 0.750 |  |  |  |" in page
    assert "| de-en | 0.750 (100) |" in page
    assert "| task | 1-8 words |" in page


def test_models_stand_side_by_side_on_each_test_set(run: ModuleType) -> None:
    (condition,) = run.read_conditions(("judgement",))
    score = {"suite": "tatoeba-v1", "task": "de-en", "n": 300, "low": 0.7, "high": 0.8}
    scores = [
        {**score, "model": "teacher", "score": 0.25, "low": None, "high": None},
        {**score, "model": "static", "score": 0.75},
        {**score, "suite": "sib-200", "task": "de", "model": "static", "score": 0.5},
    ]
    page = run.results_page([(condition, a_result(condition="judgement", scores=scores))])
    assert "### tatoeba-v1\n\n| task | n | teacher | static |" in page
    assert "| de-en | 300 | 0.250 | 0.750 (0.700 to 0.800) |" in page
    assert "| de | 300 |  | 0.500 (0.700 to 0.800) |" in page


def test_encoders_of_one_transformer_share_what_it_pools(
    tiny_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from judgement import usual_prompt
    from shared_bodies import SharedBody, load_sharing

    plain = load_sentence_transformer(tiny_checkpoint("bert"), device="cpu")
    plain.prompts = {"query": "question: ", "passage": "answer: "}
    plain.save(str(tmp_path / "plain"), create_model_card=False)
    wider = with_wider_pooling(plain)
    one_prompt(wider)
    matrix = np.random.default_rng(0).normal(size=(8, 64)).astype(np.float32)
    with_head(wider, dense(matrix), unit_norm=True).save(str(tmp_path / "headed"), create_model_card=False)
    bodies: dict[str, dict[bytes, np.ndarray]] = {}
    first, second = (load_sharing(str(tmp_path / name), bodies, prompt_of=usual_prompt) for name in ("plain", "headed"))
    assert isinstance(first, SharedBody)
    assert len(bodies) == 1
    texts = [*ENGLISH, *HOSTILE]
    for role in (None, PromptRole.QUERY, PromptRole.PASSAGE):
        for name, encoder in (("plain", first), ("headed", second)):
            expected = load(tmp_path / name, device="cpu", prompt="question: ").encode(texts, role=role)
            np.testing.assert_allclose(encoder.encode(texts, role=role), expected, atol=1e-5)
    # The first puts another prompt before passages; all else of the second had been pooled for the first.
    distinct = len({tuple(ids) for ids in plain.tokenizer(["question: " + text for text in texts])["input_ids"]})
    assert (first.forwarded, second.forwarded) == (2 * distinct, 0)


def test_a_result_names_places_as_its_command_does(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (condition,) = run.read_conditions(("judgement",))
    asked = condition.model_copy(update={"command": ("told.py", "{corpus}", "{data}/pool", "{out}")})
    program = (
        "import json, pathlib, sys; result = json.loads(pathlib.Path(__file__).with_name('result.json').read_text())\n"
    )
    program += "pathlib.Path(sys.argv[-1]).write_text(json.dumps({**result, 'argv': sys.argv[1:]}))\n"
    (tmp_path / "told.py").write_text(program, encoding="utf-8")
    (tmp_path / "result.json").write_text(json.dumps(a_result(condition="judgement")), encoding="utf-8")
    monkeypatch.setattr(run, "FOLDER", tmp_path)
    monkeypatch.setattr(run, "build_corpus", lambda _: tmp_path / "corpus")
    monkeypatch.setattr(run, "data_folder", lambda: tmp_path / "data")
    assert run.execute(asked, tmp_path / "out.json")["argv"] == ["{corpus}", "{data}/pool", "{out}"]


def test_the_example_of_a_cell_holds(run: ModuleType) -> None:
    rendering = sys.modules[run.results_page.__module__]
    assert doctest.testmod(rendering) == doctest.TestResults(failed=0, attempted=1)


def test_a_page_shows_what_was_forgotten(run: ModuleType) -> None:
    (condition,) = run.read_conditions(("add_language",))
    score = {"suite": "dev", "task": "el", "role": "new", "n": 100, "before": 0.25, "score": 0.75, "change": 0.5}
    page = run.results_page([(condition, a_result(condition="add_language", scores=[score]))])
    assert "| suite | task | role | n | before | score | change |" in page
    assert "| dev | el | new | 100 | 0.250 | 0.750 | 0.500 |" in page


def test_two_students_are_compared_sentence_by_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    import comparison

    def result(language: str, missed: set[int]) -> TaskResult:
        label = TaskLabel("dev/news", f"{language}-en", (language, "en"), "dev")
        outcomes = {"safe_accuracy": [float(row not in missed) for row in range(10)]}
        figures = {"accuracy": 1 - len(missed) / 10}
        return TaskResult(label, BITEXT, Scores(10, figures, outcomes=outcomes), "", 0.0)

    mine, other = [result("de", {1}), result("fr", {2, 3})], [result("de", {1, 4, 5}), result("fr", {3, 6, 7})]
    german, french = comparison.beside(mine, other, other)
    assert (german["won"], german["lost"], german["p"]) == (2, 0, 0.5)
    assert (french["won"], french["lost"], french["gain"]) == (2, 1, pytest.approx(0.1))
    (together,) = comparison.by_suite(mine, other)
    assert together == {"suite": "dev/news", "n": 20, "won": 4, "lost": 1, "p": 0.375}


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_has_help(script: str) -> None:
    source = (FOLDER / script).read_text(encoding="utf-8")
    assert source.startswith('"""')
    assert "argparse.ArgumentParser(description=__doc__" in source
