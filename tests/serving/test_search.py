"""`/v1/search` and `/v1/documents`: the same answers as the index gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mling_embed.indexing.index import Index
from mling_embed.serving.search import direction_of


def search(client: TestClient, query: str, **options: Any) -> Any:
    return client.post("/v1/search", json={"query": query, **options})


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_hits_are_those_of_the_index(client: TestClient, filled_index: Path) -> None:
    answer = search(client, "Where is the station?", k=4).json()
    with Index.open(filled_index) as index:
        hits = index.search("Where is the station?", 4)
    assert [(hit["id"], hit["rank"], hit["text"], hit["language"]) for hit in answer["data"]] == [
        (hit.id, hit.rank, hit.text, hit.language) for hit in hits
    ]
    assert [hit["score"] for hit in answer["data"]] == pytest.approx([hit.score for hit in hits], abs=1e-6)
    assert answer["data"][0]["id"] == "en-0"
    assert answer["data"][0]["metadata"] == {"group": "g0"}
    assert (answer["tokens"], answer["truncated"], answer["grouped"]) == (8, False, False)


def test_filters_words_and_balance_go_to_the_index(client: TestClient, filled_index: Path) -> None:
    found = search(client, "station", languages=["ar", "zh"], where={"group": "g1"}).json()["data"]
    assert {hit["id"] for hit in found} == {"ar-1", "zh-1"}
    with Index.open(filled_index) as index:
        hybrid = [hit.id for hit in index.search("red house", 3, hybrid=True)]
        balanced = [hit.id for hit in index.search("house", 5, balance="language")]
    assert [hit["id"] for hit in search(client, "red house", k=3, hybrid=True).json()["data"]] == hybrid
    assert [hit["id"] for hit in search(client, "house", k=5, balance=True).json()["data"]] == balanced


def test_translations_are_put_together(client: TestClient) -> None:
    found = search(client, "Where is the station?", k=2, group=True).json()
    assert found["grouped"] is True
    assert [{hit["metadata"]["group"] for hit in group} for group in found["data"]] == [{"g0"}, {"g1"}]
    assert [len(group) for group in found["data"]] == [5, 5]
    assert found["data"][0][0]["id"] == "en-0"


def test_a_hit_says_how_it_is_written(client: TestClient) -> None:
    hits = search(client, "station").json()["data"]
    assert {hit["language"]: hit["direction"] for hit in hits} == {
        "de": "ltr",
        "en": "ltr",
        "ar": "rtl",
        "zh": "ltr",
        "hi": "ltr",
    }
    assert [direction_of(code) for code in ("he", "fa", "ur", "dv", "und", "az", "ks-Deva")] == [
        *["rtl"] * 4,
        "auto",
        "ltr",
        "ltr",
    ]


def test_a_query_that_was_cut_off_says_so(client: TestClient) -> None:
    answer = search(client, "where " * 60).json()
    assert (answer["tokens"], answer["truncated"]) == (48, True)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"query": " "}, (400, "empty_text")),
        ({"query": "a" * 32_769}, (413, "string_above_max_length")),
        ({"query": "a", "languages": ["fr"]}, (400, "invalid_value")),
        ({"query": "a", "languages": ["no language"]}, (400, "invalid_value")),
        ({"query": "a", "where": {"colour": "red"}}, (400, "invalid_value")),
        ({"query": "a", "k": 0}, (422, "invalid_type")),
        ({"query": "a", "k": 1_001}, (422, "invalid_type")),
        ({"query": "a", "langauges": ["de"]}, (422, "invalid_type")),
        ({"query": "a", "languages": "de"}, (422, "invalid_type")),
        ({"query": ["a"]}, (422, "invalid_type")),
    ],
)
def test_what_cannot_be_asked_is_refused(client: TestClient, body: dict[str, Any], expected: tuple[int, str]) -> None:
    assert code(client.post("/v1/search", json=body)) == expected


def test_texts_are_added_found_replaced_and_taken_out(client_of: Callable[..., TestClient], own_index: Path) -> None:
    client = client_of(index=own_index)
    bridge = {"id": "../a b/ü", "text": "The bridge is old.", "language": "eng", "metadata": {"year": 1}}

    def put(document: dict[str, Any], **options: Any) -> Any:
        return client.post("/v1/documents", json={"documents": [document], **options})

    assert put(bridge).json() == {"object": "added", "added": 1, "replaced": 0, "unchanged": 0, "truncated": []}
    assert put(bridge).json()["unchanged"] == 1
    assert search(client, "The bridge is old.", k=1).json()["data"][0]["id"] == "../a b/ü"
    assert code(put({**bridge, "text": "new"})) == (400, "invalid_value")
    assert put({**bridge, "text": "new " * 60}, upsert=True).json()["truncated"] == ["../a b/ü"]
    path = "/v1/documents/..%2Fa%20b%2F%C3%BC"
    fetched = client.get(path).json()
    assert (fetched["text"], fetched["language"], fetched["metadata"]) == ("new " * 60, "en", {"year": 1})
    assert client.delete(path).json() == {"object": "deleted", "deleted": 1}
    assert code(client.get(path)) == (404, "not_found")
    assert code(client.delete(path)) == (404, "not_found")
    assert client.delete("/v1/documents", params={"id": ["de-0", "de-1"]}).json()["deleted"] == 2
    assert code(client.delete("/v1/documents", params={"id": ["en-0", "none"]})) == (404, "not_found")
    with Index.open(own_index) as index:
        assert index.count() == 8


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([], (422, "invalid_type")),
        ([{"id": "a"}], (422, "invalid_type")),
        ([{"id": "", "text": "a"}], (422, "invalid_type")),
        ([{"id": "a", "text": " "}], (400, "empty_text")),
        ([{"id": "a", "text": "a", "language": "klingonish"}], (400, "invalid_value")),
        ([{"id": "a", "text": "a"}, {"id": "a", "text": "b"}], (400, "invalid_value")),
    ],
)
def test_what_cannot_be_added_is_refused_whole(
    client_of: Callable[..., TestClient], own_index: Path, documents: list[Any], expected: tuple[int, str]
) -> None:
    client = client_of(index=own_index)
    assert code(client.post("/v1/documents", json={"documents": documents})) == expected
    assert client.get("/info").json()["index"]["rows"] == 10


def test_an_index_that_is_only_read_is_not_changed(client: TestClient) -> None:
    body = {"documents": [{"id": "x", "text": "x"}]}
    assert code(client.post("/v1/documents", json=body)) == (403, "read_only")
    assert code(client.delete("/v1/documents/de-0")) == (403, "read_only")


def test_what_another_process_adds_is_found_at_once(client_of: Callable[..., TestClient], own_index: Path) -> None:
    clients = [client_of(index=own_index), client_of(index=own_index)]
    clients[0].post("/v1/documents", json={"documents": [{"id": "x", "text": "The bridge is old."}]})
    for client in clients:
        assert search(client, "The bridge is old.", k=1).json()["data"][0]["id"] == "x"


def test_a_student_asks_an_index_of_its_teacher_and_adds_nothing(
    client_of: Callable[..., TestClient], own_index: Path, tiny_teacher: Path, tmp_path: Path
) -> None:
    from mling_embed.encoders.loading import load, load_sentence_transformer
    from mling_embed.files import write_json

    model = load_sentence_transformer(tiny_teacher, device="cpu")
    model.max_seq_length = 40  # another encoder, nearly the same
    model.save(str(tmp_path / "student"), create_model_card=False)
    write_json(tmp_path / "student" / "distilled_from.json", {"teacher": load(tiny_teacher).fingerprint})
    client = client_of(index=own_index, model=str(tmp_path / "student"))
    assert search(client, "Where is the station?", k=1).json()["data"][0]["id"] == "en-0"
    body = {"documents": [{"id": "x", "text": "x"}]}
    assert code(client.post("/v1/documents", json=body)) == (403, "student")


def test_info_and_metrics_say_what_is_served_and_done(client: TestClient) -> None:
    search(client, "station")
    info = client.get("/info").json()
    assert (info["model_id"], info["max_input_length"], info["index"]["rows"]) == ("tiny", 48, 10)
    assert info["index"]["languages"][0] == {"code": "ar", "name": "Arabic", "direction": "rtl", "rows": 2}
    text = client.get("/metrics").text
    assert 'te_request_count{method="search"} 1.0' in text
    assert 'te_request_success{method="search"} 1.0' in text
    assert "# TYPE te_request_count counter" in text
    for name in ("duration", "tokenization_duration", "queue_duration", "inference_duration", "input_length"):
        assert f"te_request_{name}_count 1.0" in text
    assert "te_queue_size 0.0" in text
    assert "te_batch_next_size_sum 1.0" in text
    assert "te_batch_next_tokens_sum 3.0" in text
