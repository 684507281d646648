"""The batcher: every request gets its own vectors, in turn, and none waits for a large one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from mling_embed.encoders.contract import PromptRole
from mling_embed.encoders.precision import Precision
from mling_embed.serving.batching import Batcher
from mling_embed.serving.refusals import Refusal
from mling_embed.serving.settings import Limits
from mling_embed.serving.shortening import shortened


class Numbers:
    """Encode a text of words as its first word, a number; each word is a token. Waits while `gate` is closed."""

    dim, device, fingerprint, precision = 1, "cpu", "numbers", Precision.FP32
    prompts = dict.fromkeys(PromptRole, "")

    def __init__(self, max_seq_length: int | None = None) -> None:
        self.max_seq_length = max_seq_length
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.batches: list[tuple[PromptRole | None, list[str]]] = []

    def encode(self, texts: Sequence[str], *, role: PromptRole | None = None, done: Any = None) -> np.ndarray:
        self.entered.set()
        self.gate.wait()
        self.batches.append((role, list(texts)))
        return np.asarray([[float(text.split()[0])] for text in texts], dtype=np.float32)

    def token_counts(self, texts: Sequence[str], *, role: PromptRole | None = None) -> np.ndarray:
        return np.asarray([len(text.split()) for text in texts], dtype=np.int64)

    def save(self, folder: Any, *, model_card: str = "") -> None:
        raise NotImplementedError


async def together(encoder: Numbers, limits: Limits, *requests: Any) -> list[Any]:
    """Send requests while the encoder is at work on another one; return what each got."""
    batcher = Batcher(encoder, limits=limits)
    encoder.gate.clear()
    first = asyncio.create_task(batcher.encode(["0"]))
    await asyncio.to_thread(encoder.entered.wait)
    tasks = []
    for texts, *options in requests:
        tasks.append(asyncio.create_task(batcher.encode(texts, **(options[0] if options else {}))))
        await asyncio.sleep(0)  # it is accepted now
    encoder.gate.set()
    answers = await asyncio.gather(first, *tasks, return_exceptions=True)
    batcher.close()
    return answers[1:]


def run(encoder: Numbers, limits: Limits, *requests: Any) -> list[Any]:
    return asyncio.run(together(encoder, limits, *requests))


def test_requests_that_wait_are_encoded_together() -> None:
    encoder = Numbers()
    answers = run(encoder, Limits(), (["1", "2"],), (["3"],), (["4 x x"],))
    assert [answer.vectors.ravel().tolist() for answer in answers] == [[1, 2], [3], [4]]
    assert [texts for _, texts in encoder.batches] == [["0"], ["1", "2", "3", "4 x x"]]


def test_a_large_request_is_split_and_others_pass_it() -> None:
    encoder = Numbers()
    large = [str(number) for number in range(10, 19)]
    answers = run(encoder, Limits(batch_tokens=4), (large,), (["1"],), (["2"],))
    assert [answer.vectors.ravel().tolist() for answer in answers] == [list(range(10, 19)), [1], [2]]
    assert [texts for _, texts in encoder.batches[1:]] == [
        ["10", "11", "12", "13"],
        ["1", "2", "14", "15"],
        ["16", "17", "18"],
    ]


def test_a_text_larger_than_the_budget_goes_alone() -> None:
    encoder = Numbers()
    run(encoder, Limits(batch_tokens=2), (["1"],), (["2 x x x"],), (["3"],))
    assert [texts for _, texts in encoder.batches[1:]] == [["1"], ["2 x x x"], ["3"]]


def test_roles_are_not_mixed() -> None:
    encoder = Numbers()
    query = {"role": PromptRole.QUERY}
    run(encoder, Limits(), (["1"], query), (["2"],), (["3"], query))
    assert encoder.batches[1:] == [(PromptRole.QUERY, ["1", "3"]), (None, ["2"])]


def test_one_that_fails_fails_alone() -> None:
    encoder = Numbers()
    answers = run(encoder, Limits(), (["1"],), (["no number"],), (["2"],))
    assert [answers[0].vectors.item(), answers[2].vectors.item()] == [1, 2]
    assert isinstance(answers[1], ValueError)


def test_what_is_too_much_is_refused_at_once() -> None:
    answers = run(Numbers(), Limits(waiting_requests=3), *[([str(number)],) for number in range(4)])
    assert [answer.vectors.item() for answer in answers[:2]] == [0, 1]
    assert [(answer.status, answer.retry_after) for answer in answers[2:]] == [(429, 1)] * 2
    answers = run(Numbers(), Limits(waiting_characters=6), (["1 xx"],), (["2 xx"],), (["3"],))
    assert [isinstance(answer, Refusal) for answer in answers] == [False, True, False]


def test_a_request_that_is_alone_may_be_large() -> None:
    async def alone() -> list[float]:
        batcher = Batcher(Numbers(), limits=Limits(waiting_characters=6, batch_tokens=2))
        answer = await batcher.encode(["1", "2", "3 xxxxxxxxx", "4", "5"])
        batcher.close()
        return answer.vectors.ravel().tolist()

    assert asyncio.run(alone()) == [1, 2, 3, 4, 5]


def test_tokens_are_counted_and_texts_cut() -> None:
    encoder = Numbers(max_seq_length=4)
    answers = run(encoder, Limits(), (["1 x x x x x", "2"], {"max_tokens": 2}), (["3 x x x x"],))
    assert [answer.tokens.tolist() for answer in answers] == [[2, 1], [4]]
    assert [answer.uncut.tolist() for answer in answers] == [[6, 1], [5]]
    assert [answer.cut_off for answer in answers] == [[True, False], [True]]
    assert encoder.batches[1][1] == ["1 x ", "2", "3 x x x x"]


async def refused(batcher: Batcher) -> Refusal:
    """Ask until the batcher says that it is being closed."""
    while True:
        try:
            await asyncio.wait_for(batcher.encode(["9"]), timeout=0.001)
        except TimeoutError:
            continue
        except Refusal as refusal:
            return refusal


def test_closing_finishes_what_was_accepted() -> None:
    async def closed() -> tuple[list[float], Refusal]:
        encoder = Numbers()
        batcher = Batcher(encoder, limits=Limits(batch_tokens=1))
        encoder.gate.clear()
        tasks = [asyncio.create_task(batcher.encode([str(number)])) for number in range(5)]
        await asyncio.to_thread(encoder.entered.wait)
        closing = threading.Thread(target=batcher.close)
        closing.start()
        late = await refused(batcher)
        encoder.gate.set()
        answers = await asyncio.gather(*tasks)
        closing.join()
        return [answer.vectors.item() for answer in answers], late

    answers, late = asyncio.run(closed())
    assert answers == [0, 1, 2, 3, 4]
    assert late.status == 503


def test_a_request_that_is_given_up_is_not_encoded() -> None:
    async def given_up() -> list[list[str]]:
        encoder = Numbers()
        batcher = Batcher(encoder)
        encoder.gate.clear()
        tasks = [asyncio.create_task(batcher.encode(["0"]))]
        await asyncio.to_thread(encoder.entered.wait)
        tasks += [asyncio.create_task(batcher.encode([str(number)])) for number in (1, 2)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(tasks[1], return_exceptions=True)
        encoder.gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        batcher.close()
        return [texts for _, texts in encoder.batches]

    assert asyncio.run(given_up()) == [["0"], ["2"]]


def test_many_at_once_get_each_their_own() -> None:
    async def many() -> bool:
        batcher = Batcher(Numbers(), limits=Limits(batch_tokens=16, waiting_requests=1_000))
        numbers = np.random.default_rng(0).integers(0, 1_000, size=(300, 7))
        asked = [[str(number) for number in row[: 1 + place % 7]] for place, row in enumerate(numbers.tolist())]
        answers = await asyncio.gather(*(batcher.encode(texts) for texts in asked))
        batcher.close()
        pairs = zip(asked, answers, strict=True)
        return all(answer.vectors.ravel().tolist() == [float(text) for text in texts] for texts, answer in pairs)

    assert asyncio.run(many())


def test_shortening_finds_the_longest_beginning_that_fits() -> None:
    def count(texts: Sequence[str]) -> np.ndarray:
        return np.asarray([len(text) // 2 for text in texts], dtype=np.int64)

    assert shortened(["abcdefg", "ab", "", "abcdef"], 2, count) == ["abcde", "ab", "", "abcde"]
    assert shortened(["abc"], 0, count) == ["a"]
    assert shortened([], 2, count) == []
