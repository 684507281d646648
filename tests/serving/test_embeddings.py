"""`/v1/embeddings` and `/v1/models`, as OpenAI's clients use them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from mling_embed.encoders.contract import PromptRole
from mling_embed.encoders.loading import load, load_sentence_transformer
from mling_embed.encoders.static import StaticEncoder

HOSTILE = [
    "日本語 の 駅",
    "\u202bمرحبا\u202c",
    "👩‍👩‍👧‍👦",
    "a\x00b",
    "e\u0301\u0323",
    "line\u2028and\rlone",
    "x" * 10_000,
]


def ask(client: TestClient, texts: Any, **options: Any) -> Any:
    return client.post("/v1/embeddings", json={"model": "tiny", "input": texts, **options})


def vectors(answer: Any) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.asarray([one["embedding"] for one in answer.json()["data"]])


def error(answer: Any) -> tuple[int, str, str]:
    told = answer.json()["error"]
    assert set(told) == {"message", "type", "param", "code"}
    return answer.status_code, told["code"], told["message"]


def test_floats_base64_and_a_local_encode_are_the_same(client: TestClient, tiny_teacher: Path) -> None:
    texts = ["Where is the station?", "Wo ist der Bahnhof?", *HOSTILE]
    local = load(tiny_teacher).encode(texts)
    np.testing.assert_allclose(vectors(ask(client, texts)), local, atol=1e-6)
    written = [one["embedding"] for one in ask(client, texts, encoding_format="base64").json()["data"]]
    read = np.stack([np.frombuffer(base64.b64decode(text), dtype="<f4") for text in written])
    np.testing.assert_allclose(read, local, atol=1e-6)


def test_the_answer_has_openais_form_and_says_what_was_cut_off(client: TestClient) -> None:
    answer = ask(client, ["the station", "a " * 100]).json()
    assert list(answer) == ["object", "data", "model", "usage"]
    assert [(one["object"], one["index"], one["tokens"], one["truncated"]) for one in answer["data"]] == [
        ("embedding", 0, 4, False),
        ("embedding", 1, 48, True),
    ]
    assert (answer["model"], answer["usage"]) == ("tiny", {"prompt_tokens": 52, "total_tokens": 52})


def test_more_texts_than_openai_takes_are_encoded_in_batches(client: TestClient, tiny_teacher: Path) -> None:
    texts = [f"station {number}" for number in range(2_500)]
    found = vectors(ask(client, texts))
    np.testing.assert_allclose(found, load(tiny_teacher).encode(texts), atol=1e-6)


def test_truncate_prompt_tokens_gives_the_vector_of_a_shorter_model(client: TestClient, tiny_teacher: Path) -> None:
    texts = ["a b c d e f g h i", "a b"]
    model = load_sentence_transformer(tiny_teacher, device="cpu")
    model.max_seq_length = 6
    answer = ask(client, texts, truncate_prompt_tokens=6)
    np.testing.assert_allclose(vectors(answer), model.encode(texts), atol=1e-6)
    assert [(one["tokens"], one["truncated"]) for one in answer.json()["data"]] == [(6, True), (4, False)]
    assert vectors(ask(client, texts, truncate_prompt_tokens=-1)).shape == (2, 32)


@pytest.mark.parametrize(
    ("options", "status", "code", "says"),
    [
        ({"input": []}, 400, "invalid_value", "empty"),
        ({"input": ""}, 400, "empty_text", "input is an empty text"),
        ({"input": ["a", " \n"]}, 400, "empty_text", r"input\[1\] is an empty text"),
        ({"input": [1, 2]}, 400, "token_arrays", "check_embedding_ctx_length=False"),
        ({"input": [[1, 2], [3]]}, 400, "token_arrays", "check_embedding_ctx_length=False"),
        ({"input": "a", "dimensions": 16}, 400, "invalid_dimensions", "only all 32 are"),
        ({"input": "a", "dimensions": 64}, 400, "invalid_dimensions", "32 dimensions, 64 were asked for"),
        ({"input": "a", "truncate_prompt_tokens": 2}, 400, "invalid_value", "expected 3 to 48, or -1"),
        ({"input": "a", "truncate_prompt_tokens": 49}, 400, "invalid_value", "expected 3 to 48"),
        ({"input": "a", "model": "other"}, 404, "model_not_found", "'tiny' is served here, not 'other'"),
        ({"input": "a" * 32_769}, 413, "string_above_max_length", "32,769 characters"),
        ({"input": ["a"] * 16_385}, 413, "array_above_max_length", "16,385 texts"),
        ({"input": "a", "encoding_format": "int8"}, 422, "invalid_type", "encoding_format"),
        ({"input": {"a": 1}}, 422, "invalid_type", "input"),
        ({"input": ["a", None]}, 422, "invalid_type", "input"),
        ({}, 422, "invalid_type", "input: Field required"),
        ({"input": "a", "dimensions": 0}, 422, "invalid_type", "dimensions"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    client: TestClient, options: dict[str, Any], status: int, code: str, says: str
) -> None:
    answer = client.post("/v1/embeddings", json={"model": "tiny", **options})
    assert error(answer)[:2] == (status, code)
    with pytest.raises(ValueError, match=says):
        raise ValueError(error(answer)[2])


def test_a_lone_surrogate_and_broken_json_are_refused(client: TestClient) -> None:
    def post(content: bytes) -> tuple[int, str, str]:
        return error(client.post("/v1/embeddings", content=content, headers={"Content-Type": "application/json"}))

    assert post(b'{"input": "\\ud800"}')[:2] == (422, "invalid_unicode")
    assert post(b'{"input": "a"')[:2] == (400, "invalid_json")
    assert post(b"[" * 100_000)[:2] == (400, "invalid_json")
    assert post(b'{"input": "\xff"}')[0] == 400
    assert post(b'{"dimensions": ' + b"9" * 5_000 + b', "input": "a"}')[0] in (400, 422)


def test_prompts_are_those_of_the_role(client_of: Callable[..., TestClient], tiny_teacher: Path) -> None:
    from mling_embed.encoders.loading import encoder_of_model

    model = load_sentence_transformer(tiny_teacher, device="cpu")
    model.prompts = {"query": "where: ", "document": "the: "}
    encoder = encoder_of_model(model)
    client = client_of(model="x", model_name="tiny", encoder=encoder)
    for name, role in (("query", PromptRole.QUERY), ("passage", PromptRole.PASSAGE), ("document", PromptRole.PASSAGE)):
        found = vectors(ask(client, ["station"], input_type=name))
        np.testing.assert_allclose(found, encoder.encode(["station"], role=role), atol=1e-6)


def test_a_truncatable_model_gives_prefixes_of_length_one(
    client_of: Callable[..., TestClient], tiny_teacher: Path
) -> None:
    client = client_of(model=str(tiny_teacher), model_name="tiny", truncatable=True)
    whole = load(tiny_teacher).encode(["the station"])[:, :8]
    found = vectors(ask(client, ["the station"], dimensions=8))
    np.testing.assert_allclose(found, whole / np.linalg.norm(whole), atol=1e-6)


def test_a_text_of_which_a_static_model_knows_nothing_gets_no_zeros(client_of: Callable[..., TestClient]) -> None:
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers.models import WordLevel

    words = Tokenizer(WordLevel({"[UNK]": 0, "station": 1}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    table = np.zeros((2, 4), dtype=np.float32)
    table[1, 0] = 1
    client = client_of(model="x", model_name="tiny", encoder=StaticEncoder(words, table))
    np.testing.assert_array_equal(vectors(ask(client, ["station"])), [[1, 0, 0, 0]])
    assert error(ask(client, ["station", "дом"]))[:2] == (422, "no_vector")


def test_models_lists_the_one_that_is_served(client: TestClient) -> None:
    (model,) = client.get("/v1/models").json()["data"]
    assert (model["id"], model["object"], model["dimensions"], model["max_model_len"]) == ("tiny", "model", 32, 48)
    assert client.get("/v1/models/tiny").json() == model
    assert error(client.get("/v1/models/other"))[:2] == (404, "model_not_found")


def test_a_model_is_named_by_its_folder_and_never_by_a_path(
    client_of: Callable[..., TestClient], tiny_teacher: Path
) -> None:
    (model,) = client_of(model=str(tiny_teacher)).get("/v1/models").json()["data"]
    assert model["id"] == f"{tiny_teacher.parent.name}/model"
