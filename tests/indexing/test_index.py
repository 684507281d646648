"""The index as its users see it."""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from index_crashes import MODELS, WordModel

from mling_embed.errors import DataError, MlingEmbedError, UsageError
from mling_embed.indexing.index import Index
from mling_embed.indexing.model_match import Relation
from mling_embed.indexing.storage.locking import LockedError, Task, lock

TEXTS = ["word1 word2", "word2 word3", "word3 word4", "word9"]
HOSTILE = [
    "",
    " ",
    "\u202bمرحبا\u202c",
    "👩‍👩‍👧‍👦",
    "a\x00b",
    "e\u0301\u0323",
    "line\u2028and\rlone\nend",
    "x" * 10_000,
]


@pytest.fixture
def index(tmp_path: Path) -> Any:
    with Index.create(tmp_path / "index", model=MODELS[0]) as made:
        made.add(
            TEXTS, list("abcd"), ["de", "en", "fr", None], [{"year": 1}, {"year": 2, "tag": ["x", "y"]}, None, None]
        )
        yield made


def ids(hits: Any) -> list[str]:
    return [hit.id for hit in hits]


def test_one_query_gives_a_list_and_several_a_list_of_lists(index: Index) -> None:
    assert ids(index.search("word1 word2", 1)) == ["a"]
    assert [ids(hits) for hits in index.search(["word1 word2", "word9"], 1)] == [["a"], ["d"]]
    assert index.search([]) == []


def test_a_hit_says_all_that_is_known(index: Index) -> None:
    (hit,) = index.search("word2 word3", 1)
    assert (hit.query, hit.rank, hit.id, hit.language, hit.text) == ("word2 word3", 1, "b", "en", "word2 word3")
    assert hit.score == pytest.approx(1, abs=1e-6)
    assert hit.metadata == {"year": 2, "tag": ["x", "y"]}
    assert json.dumps(hit.as_json())


@pytest.mark.parametrize("published", [False, True])
def test_filters_are_exact(index: Index, *, published: bool) -> None:
    if published:
        index.publish()
    assert sorted(ids(index.search("word1", 10, ["de", "fr"]))) == ["a", "c"]
    assert ids(index.search("word9", 10, where={"year": 2})) == ["b"]
    assert ids(index.search("word9", 10, where={"year": 2.0, "tag": "y"})) == ["b"]
    assert sorted(ids(index.search("word9", 10, where={"year": [1, 2]}))) == ["a", "b"]
    assert index.search("word9", 10, ["de"], {"year": 2}) == []


def test_what_a_filter_names_must_be_known(index: Index) -> None:
    with pytest.raises(UsageError, match=r"no language 'es'\. There are de, en, fr, und"):
        index.search("word1", languages=["es"])
    with pytest.raises(UsageError, match=r"no field 'yaer'\. Did you mean 'year'"):
        index.search("word1", where={"yaer": 1})


def test_many_rows_that_pass_none_of_which_is_near(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    vectors = drawn.standard_normal((3000, 16), dtype=np.float32)
    languages = ["de" if number % 500 == 0 else "en" for number in range(3000)]
    with Index.create(tmp_path / "index", model=MODELS[0]) as index:
        index.add(["text"] * 3000, languages=languages, vectors=vectors)
        for kind in ("flat", "hnsw", "ivf-flat"):
            index.publish(kind=kind)
            assert len(index.search_vectors(vectors[:1], 10, ["de"])[0]) == 6
            assert len(index.search_vectors(vectors[:1], 10, ["en"])[0]) == 10


def test_balance_takes_turns_among_languages(index: Index) -> None:
    index.add(["word1 word2"] * 5, languages="de")
    assert [hit.language for hit in index.search("word1 word2", 4)] == ["de"] * 4
    assert sorted(hit.language for hit in index.search("word1 word2", 4, balance="language")) == [
        "de",
        "en",
        "fr",
        "und",
    ]


def test_hybrid_finds_words_that_vectors_do_not(tmp_path: Path) -> None:
    class Blind:
        def encode(self, texts: list[str]) -> np.ndarray:
            return np.ones((len(texts), 4), dtype=np.float32)

    with Index.create(tmp_path / "index", model=Blind()) as index:
        index.add(["eins", "zwei", "東京駅はどこですか", "vier"], list("abcd"), ["de", "de", "ja", "de"])
        for _ in range(2):
            assert ids(index.search("東京駅", 1, hybrid=True)) == ["c"]
            assert ids(index.search("VIER!", 1, hybrid=True)) == ["d"]
            assert ids(index.search("VIER!", 1, ["ja"], hybrid=True)) == ["c"]
            index.publish()


def test_adding_again_changes_nothing_and_another_text_is_refused(index: Index) -> None:
    before = index.count()
    assert index.add(TEXTS[2:], ["c", "d"], ["fr", None]).unchanged == 2
    with pytest.raises(UsageError, match=r"id 'a' is there already, with another text"):
        index.add(["word7"], ["a"])
    assert index.upsert(["word7"], ["a"], "de").replaced == 1
    assert index.count() == before
    assert index.get(["a"])[0].text == "word7"


def test_texts_without_ids_are_numbered_on(tmp_path: Path) -> None:
    with Index.create(tmp_path / "index", model=MODELS[0]) as index:
        index.add("word1")
        index.add(["word1", "word2"])
        assert sorted(ids(index.search("word1", 5))) == ["1", "2", "3"]


def test_hostile_texts_come_back_as_they_were(tmp_path: Path) -> None:
    with Index.create(tmp_path / "index", model=MODELS[0]) as index:
        index.add(HOSTILE, [f"id {text[:20]}" for text in HOSTILE], metadata=[{"key\x00": text} for text in HOSTILE])
        for _ in range(2):
            found = {hit.text for hit in index.search("word1", 20)}
            assert found == set(HOSTILE)
            assert index.verify().whole
            index.publish()


def test_deleting_is_all_or_nothing(index: Index) -> None:
    with pytest.raises(DataError, match="no id 'nope'"):
        index.delete(["a", "nope"])
    assert index.count() == 4
    assert index.delete(["a", "a", "b"]) == 2
    with pytest.raises(DataError, match=r"no document 'x\.txt'"):
        index.delete(documents=["x.txt"])
    assert sorted(ids(index.search("word1", 9))) == ["c", "d"]


def test_another_model_is_refused_and_a_student_may_only_ask(index: Index, tmp_path: Path) -> None:
    with (
        Index.open(index.path, model=MODELS[1]) as other,
        pytest.raises(UsageError, match="nor a student or an export"),
    ):
        other.search("word1")
    with Index.open(index.path) as nameless, pytest.raises(UsageError, match="no folder or name"):
        nameless.search("word1")
    assert index.relation is Relation.SAME


def test_vectors_must_fit(index: Index) -> None:
    with pytest.raises(UsageError, match=r"expected \(1, 16\)"):
        index.add(["new"], ["e"], vectors=np.ones((1, 5), dtype=np.float32))
    with pytest.raises(DataError, match="not finite"):
        index.add(["new"], ["e"], vectors=np.full((1, 16), np.nan, dtype=np.float32))
    with pytest.raises(UsageError, match="query 0 is not finite"):
        index.search_vectors(np.full((1, 16), np.inf, dtype=np.float32))
    with pytest.raises(UsageError, match=r"expected \(n_queries, 16\)"):
        index.search_vectors(np.ones((1, 5), dtype=np.float32))
    with pytest.raises(UsageError, match="2 texts and 1 ids"):
        index.add(["x", "y"], ["e"])
    with pytest.raises(DataError, match="lone surrogate"):
        index.add(["\ud800"], ["e"])
    with pytest.raises(DataError, match="no JSON form"):
        index.add(["x"], ["e"], metadata=[{"when": float("nan")}])
    assert index.count() == 4


@pytest.mark.parametrize("number_format", ["float32", "float16"])
def test_scores_are_those_of_the_stored_vectors(number_format: str, tmp_path: Path) -> None:
    with Index.create(tmp_path / "index", model=MODELS[0], number_format=number_format) as index:
        index.add(TEXTS, list("abcd"))
        index.publish()
        rows = MODELS[0].encode(TEXTS)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        asked = rows[0].astype(np.float64)
        stored = rows.astype(number_format).astype(np.float64)
        scores = {hit.id: hit.score for hit in index.search(TEXTS[0])}
        for place, id_ in enumerate("abcd"):
            assert scores[id_] == pytest.approx(float(stored[place] @ asked), abs=2e-7)


def test_the_dot_product_keeps_norms(tmp_path: Path) -> None:
    with Index.create(tmp_path / "index", model=MODELS[0], metric="dot") as index:
        index.add(["long", "short"], list("ab"), vectors=np.array([[3.0] + [0.0] * 15, [1.0] + [0.0] * 15], np.float32))
        for _ in range(2):
            found = index.search_vectors(np.eye(1, 16, dtype=np.float32))[0]
            assert [(hit.id, hit.score) for hit in found] == [("a", 3.0), ("b", 1.0)]
            index.publish()


def test_harmonizing_subtracts_the_offset_and_is_undone(tmp_path: Path) -> None:
    offset = np.zeros(16, dtype=np.float32)
    offset[0] = 4

    class Shifted(WordModel):
        def encode(self, texts: list[str]) -> np.ndarray:
            return super().encode([text.removeprefix("de:") for text in texts]) + np.stack(
                [offset if text.startswith("de:") else 0 * offset for text in texts]
            )

    pairs = [(f"word{n} word{n + 1}", f"de:word{n} word{n + 1}", "de") for n in range(50)]
    texts = ["de:word1 word2", "de:word5 word6", "word7 word8"]
    with Index.create(tmp_path / "plain", model=Shifted()) as index:
        index.add(texts, list("abc"), ["de", "de", "en"])
        plain = {hit.id: hit.score for hit in index.search("word1 word2")}
    with Index.create(tmp_path / "index", model=Shifted(), harmonize=pairs) as index:
        index.add(texts, list("abc"), ["de", "de", "en"])
        before = {hit.id: hit.score for hit in index.search("word1 word2", query_language="en")}
        assert before["a"] > plain["a"] + 0.15
        index.publish()
        assert {hit.id: hit.score for hit in index.search("word1 word2", query_language="en")} == before
        assert index.stats().harmonized == ("de",)
        assert index.verify().whole
        index.rebuild(harmonize=False)
        assert {hit.id: hit.score for hit in index.search("word1 word2")} == plain
        assert index.verify().whole
        with pytest.raises(DataError, match="1 pairs in 'de' are too few"):
            index.rebuild(harmonize=pairs[:1])


def test_reencoding_goes_on_where_it_stopped(tmp_path: Path) -> None:
    class Stops(WordModel):
        encoded = 0
        limit = 1100

        def encode(self, texts: list[str]) -> np.ndarray:
            if len(texts) > 4:
                if Stops.encoded + len(texts) > Stops.limit:
                    raise KeyboardInterrupt
                Stops.encoded += len(texts)
            return super().encode(texts)

    with Index.create(tmp_path / "index", model=MODELS[0]) as index:
        index.add([f"word{n % 60} word{n % 7}" for n in range(1300)])
        stopping = Stops(5)
        with pytest.raises(KeyboardInterrupt):
            index.reencode(stopping)
        assert index.search("word1 word1", 1)[0].text == "word1 word1"
        assert index.verify().whole
        index.delete(["3"])
        Stops.limit = 10**6
        index.reencode(stopping)
        assert Stops.encoded == 1299  # nothing twice; one more was alone in its batch, and is not counted
        assert index.verify().whole
        assert index.count() == 1299
        assert index.search("word1 word1", 1)[0].score == pytest.approx(1, abs=1e-6)


def test_compacting_gives_back_space(tmp_path: Path) -> None:
    with Index.create(tmp_path / "index", model=MODELS[0]) as index:
        index.add([f"word{n % 60}" for n in range(800)])
        index.publish()
        index.delete([str(n) for n in range(1, 700)])
        assert index.compact() > 20_000
        assert index.verify().whole
        assert index.count() == 101


def test_export_holds_everything(index: Index, tmp_path: Path) -> None:
    assert index.export(tmp_path / "out.parquet") == 4
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column("id").to_pylist() == list("abcd")
    assert str(table.schema.field("vector").type) == "fixed_size_list<element: float>[16]"
    assert table.schema.metadata[b"metric"] == b"cosine"
    rows = MODELS[0].encode(TEXTS)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(np.stack(table.column("vector").to_pylist()), rows, atol=1e-6)


def test_a_second_writer_waits_and_then_says_who_writes(index: Index) -> None:
    with lock(index.path, Task.WRITE, work="a long add"):
        impatient = Index.open(index.path, model=MODELS[0], wait=0.05)
        with pytest.raises(
            LockedError, match=r"process \d+ on .* \(a long add, since .*\) still holds the writer's lock"
        ):
            impatient.add("word1")
        impatient.close()
    index.add("word1", ["new"])


def test_readers_see_what_another_process_commits(index: Index) -> None:
    assert ids(index.search("word9", 1)) == ["d"]
    context = multiprocessing.get_context("fork")
    writer = context.Process(target=_add_in_another_process, args=(index.path,))
    writer.start()
    writer.join()
    assert writer.exitcode == 0
    assert ids(index.search("word9 word9 word20", 1)) == ["new"]
    index.publish()
    assert ids(index.search("word9 word9 word20", 1)) == ["new"]


def _add_in_another_process(path: Path) -> None:
    with Index.open(path, model=MODELS[0]) as other:
        other.add("word9 word9 word20", ["new"])


def test_threads_search_while_one_writes(index: Index) -> None:
    failures: list[Exception] = []
    stop = time.monotonic() + 1.0

    def ask() -> None:
        while time.monotonic() < stop:
            try:
                assert index.search("word1 word2", 1)[0].text == "word1 word2"
            except Exception as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(8):
        index.add([f"word{number + 20}"], [f"n{number}"])
        if number % 3 == 0:
            index.publish()
        index.delete([f"n{number}"])
    for thread in threads:
        thread.join()
    assert failures == []


def test_old_generations_go_when_nobody_reads_them(index: Index) -> None:
    index.publish()
    reader = Index.open(index.path, model=MODELS[0])
    reader.search("word1")
    index.publish()
    index.publish()
    assert ids(reader.search("word9", 1)) == ["d"]
    reader.close()
    index.search("word1")
    index.publish()
    index.search("word1")
    index.publish()
    assert len(list(index.path.glob("gen-*"))) <= 2


def test_a_generation_that_cannot_be_renamed_stays_whole(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    from mling_embed import files
    from mling_embed.indexing.published import generations

    rename = files.rename
    index.publish()
    (first,) = index.path.glob("gen-*")

    def refusing(source: Path, target: Path) -> None:
        if source == first:
            raise PermissionError("it is read by another process, on Windows")
        rename(source, target)

    monkeypatch.setattr(files, "rename", refusing)
    index._live.close()
    index.publish()
    assert (first / generations.MANIFEST_FILE).exists()
    assert (first / generations.VECTORS_FILE).exists()
    monkeypatch.undo()
    index.publish()
    assert not first.exists()


def test_stats_say_what_it_is(index: Index) -> None:
    index.publish()
    index.add("word5", ["e"])
    index.delete(["a"])
    stats = index.stats()
    assert (stats.rows, stats.published, stats.tail, stats.deleted) == (4, 4, 1, 1)
    assert stats.languages == {"en": 1, "fr": 1, "und": 2}
    assert (stats.kind, stats.recall_at_10) == ("flat", 1.0)


def test_the_audit_names_hubs_and_near_duplicates(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    rows = drawn.standard_normal((300, 16), dtype=np.float32)
    rows[0] = rows.mean(axis=0) + 0.01  # near the middle of all others, once these lie to one side
    rows += 3.0
    rows[200] = rows[100]
    languages = ["de" if number == 200 else "en" for number in range(300)]
    with Index.create(tmp_path / "index", model=MODELS[0]) as index:
        index.add([f"text {n}" for n in range(300)], [f"id{n}" for n in range(300)], languages, vectors=rows)
        found = index.audit(k=5)
        assert found.n_queries == 300
        assert found.hubs[0].id == "id0"
        assert found.hubs[0].occurrence > 50
        assert ("id100", "id200") in {(pair.first, pair.second) for pair in found.near_duplicates}
        assert {pair.languages for pair in found.near_duplicates} <= {("en", "de"), ("de", "en")}


def test_the_drift_of_the_model_itself_is_none(index: Index) -> None:
    found = index.drift(MODELS[0])
    assert (found.n_queries, found.overlap, found.same_first) == (1, 1.0, 1.0)
    with pytest.raises(UsageError, match="the student's vectors have 8 dimensions, the teacher's 16"):
        index.drift(WordModel(0, 8))


def test_a_place_that_is_taken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    for name in ("file", "full"):
        with pytest.raises(UsageError, match="something is there already"):
            Index.create(tmp_path / name, model=MODELS[0])
    with pytest.raises(DataError, match="is not an index"):
        Index.open(tmp_path / "full")
    with pytest.raises(UsageError, match=r"'hsnw' is no kind\. Did you mean 'hnsw'"):
        Index.create(tmp_path / "new", model=MODELS[0], kind="hsnw")
    assert not (tmp_path / "new").exists()
    with pytest.raises(MlingEmbedError, match="harmonization needs the metric cosine"):
        Index.create(tmp_path / "new", model=MODELS[0], metric="dot", harmonize=[("a", "b", "de")])
