"""Dynamic batching: texts of many requests are encoded together, by one thread, within a budget of tokens."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray

from mling_embed.encoders.contract import PromptRole
from mling_embed.serving.memory import Heaps
from mling_embed.serving.metrics import Metrics
from mling_embed.serving.refusals import Refusal, overloaded
from mling_embed.serving.settings import Limits
from mling_embed.serving.shortening import shortened

if TYPE_CHECKING:
    from mling_embed.encoders.contract import Encoder

_COUNTED_AT_ONCE = 256  # texts of one request that are tokenized before others have their turn


@dataclass(frozen=True, slots=True)
class Encoded:
    """Hold the vectors of a request's texts.

    Attributes:
        vectors: In the order of the texts. Shape: (n_texts, dim).
        tokens: Tokens of each text that went into its vector. Shape: (n_texts,).
        uncut: Tokens that each text has. Shape: (n_texts,).
    """

    vectors: Float32[ndarray, "n_texts dim"]
    tokens: Int[ndarray, " n_texts"]
    uncut: Int[ndarray, " n_texts"]

    @property
    def cut_off(self) -> list[bool]:
        """Whether each text's end is missing in its vector."""
        longer: list[bool] = (self.uncut > self.tokens).tolist()
        return longer


@dataclass(slots=True, eq=False)
class _Job:
    """Hold a request at work: `counted` of its texts are tokenized, `done` of them are encoded."""

    texts: list[str]
    role: PromptRole | None
    limit: int | None
    future: Future[Encoded] = field(default_factory=Future)
    accepted: float = field(default_factory=time.perf_counter)
    vectors: ndarray | None = None
    tokens: ndarray = field(init=False)
    uncut: ndarray = field(init=False)
    counted: int = 0
    done: int = 0
    tokenizing: float = 0.0
    inference: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = np.zeros(len(self.texts), dtype=np.int64)
        self.uncut = np.zeros(len(self.texts), dtype=np.int64)

    @property
    def characters(self) -> int:
        return sum(map(len, self.texts))


class Batcher:
    """Encode the texts of many requests together; one thread alone uses the encoder.

    A batch is filled in turn from the requests that wait, up to `Limits.batch_tokens`; what of a request does not fit
    waits for the next one, behind the others. There is no delay: a batch is what came in while the last was encoded.

    Args:
        encoder: Turns texts into vectors.
        limits: How many tokens make a batch, and how many requests may wait.
        metrics: Told of every batch and request.

    Attributes:
        least_tokens: The fewest to which a text can be cut: those of a prompt, the special ones, and one letter.
    """

    def __init__(self, encoder: Encoder, *, limits: Limits | None = None, metrics: Metrics | None = None) -> None:
        self.encoder, self.limits = encoder, limits or Limits()
        self.least_tokens = max(1, *(int(encoder.token_counts(["a"], role=role)[0]) for role in (None, *PromptRole)))
        self.metrics = metrics or Metrics()
        self._jobs: deque[_Job] = deque()
        self._waiting_characters = 0
        self._waiting_requests = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="encoder", daemon=True)
        self._thread.start()

    async def encode(
        self, texts: Sequence[str], *, role: PromptRole | None = None, max_tokens: int | None = None
    ) -> Encoded:
        """Encode texts when their turn comes.

        Args:
            texts: The texts.
            role: What they are to a search.
            max_tokens: Tokens after which each is cut off; as many as the model reads by default.

        Raises:
            Refusal: Too much waits already (429), or the server is being stopped (503).
        """
        own = self.encoder.max_seq_length
        limit = max_tokens if own is None else min(own, max_tokens or own)
        job = _Job(list(texts), role, limit)
        if not job.texts:
            empty = np.zeros(0, dtype=np.int64)
            return Encoded(np.zeros((0, self.encoder.dim), dtype=np.float32), empty, empty)
        self._accept(job)
        try:
            return await asyncio.wrap_future(job.future)
        finally:
            self._release(job)

    def close(self) -> None:
        """Finish what was accepted, accept no more, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _accept(self, job: _Job) -> None:
        size = job.characters
        with self._changed:
            if self._closing:
                raise Refusal(503, "the server is being stopped.", code="stopping", retry_after=5)
            if self._waiting_requests >= self.limits.waiting_requests:
                raise overloaded(f"{self._waiting_requests} requests wait already.")
            if self._waiting_requests and self._waiting_characters + size > self.limits.waiting_characters:
                raise overloaded(f"{self._waiting_characters:,} characters wait already.")
            self._waiting_requests += 1
            self._waiting_characters += size
            self._jobs.append(job)
            self.metrics.queue_size.set(self._waiting_requests)
            self._changed.notify()

    def _release(self, job: _Job) -> None:
        job.future.cancel()  # of a request that was given up; without effect otherwise
        with self._changed:
            self._waiting_requests -= 1
            self._waiting_characters -= job.characters
            self.metrics.queue_size.set(self._waiting_requests)

    def _work(self) -> None:
        heaps = Heaps()
        while True:
            with self._changed:
                while not self._jobs and not self._closing:
                    self._changed.wait()
                if not self._jobs:
                    return
            self._encode(self._next_batch())
            heaps.give_back()

    def _next_batch(self) -> list[tuple[_Job, int, int]]:
        """Take texts from the requests in turn: a list of requests with the rows that are taken of each."""
        with self._changed:
            queue = list(self._jobs)
            self._jobs.clear()
        batch: list[tuple[_Job, int, int]] = []
        rest: list[_Job] = []
        left, role = self.limits.batch_tokens, queue[0].role
        for job in queue:
            if job.future.cancelled():
                continue
            if job.role is not role or (batch and left <= 0):
                rest.append(job)
                continue
            if not self._tried(partial(self._count, job), [job]):
                continue
            sizes = np.cumsum(job.tokens[job.done : job.counted])
            n = int(np.searchsorted(sizes, left, side="right"))
            n = max(n, 0 if batch else 1)  # a text that is larger than the budget goes alone
            if n:
                batch.append((job, job.done, job.done + n))
                left -= int(sizes[n - 1])
            else:
                left = 0
                rest.append(job)
        behind = [job for job, _, end in batch if end < len(job.texts)]
        with self._changed:
            self._jobs.extendleft(reversed(rest))
            self._jobs.extend(behind)
        return batch

    def _count(self, job: _Job) -> None:
        """Tokenize the next texts of a request, and cut those of them that are too long for it."""
        if job.counted > job.done:
            return
        began = time.perf_counter()
        rows = slice(job.done, min(job.done + _COUNTED_AT_ONCE, len(job.texts)))
        counts = self._tokens(job.texts[rows], role=job.role)
        job.uncut[rows] = counts
        own = self.encoder.max_seq_length
        if job.limit is not None and job.limit != own:
            long = np.flatnonzero(counts > job.limit) + rows.start
            short = shortened([job.texts[row] for row in long], job.limit, partial(self._tokens, role=job.role))
            for row, text in zip(long.tolist(), short, strict=True):
                if not text:
                    raise Refusal(400, f"nothing of text {row} is left in {job.limit} tokens.", code="empty_text")
                job.texts[row] = text
            counts = self._tokens(job.texts[rows], role=job.role)
        job.tokens[rows] = counts if own is None else np.minimum(counts, own)
        job.counted = rows.stop
        job.tokenizing += time.perf_counter() - began

    def _tokens(self, texts: Sequence[str], *, role: PromptRole | None) -> Int[ndarray, " n_texts"]:
        return self.encoder.token_counts(texts, role=role)

    def _encode(self, batch: list[tuple[_Job, int, int]]) -> None:
        if not batch:
            return
        jobs = [job for job, _, _ in batch]
        for job, start, _ in batch:
            if start == 0:
                self.metrics.queue.observe(time.perf_counter() - job.accepted)
        self.metrics.batch_size.observe(sum(end - start for _, start, end in batch))
        self.metrics.batch_tokens.observe(sum(int(job.tokens[start:end].sum()) for job, start, end in batch))
        if not self._tried(partial(self._fill, batch), jobs if len(jobs) == 1 else []):
            for job, start, end in batch if len(jobs) > 1 else ():  # one of them is at fault; the others are not
                self._tried(partial(self._fill, [(job, start, end)]), [job])

    def _fill(self, batch: list[tuple[_Job, int, int]]) -> None:
        """Encode the rows of some requests together, and answer those that are done."""
        began = time.perf_counter()
        texts = [text for job, start, end in batch for text in job.texts[start:end]]
        vectors = self.encoder.encode(texts, role=batch[0][0].role)
        seconds = time.perf_counter() - began
        place = 0
        for job, start, end in batch:
            if job.vectors is None:
                job.vectors = np.empty((len(job.texts), vectors.shape[1]), dtype=np.float32)
            job.vectors[start:end] = vectors[place : place + end - start]
            place += end - start
            job.done = end
            job.inference += seconds
            if end == len(job.texts):
                self._finish(job, job.vectors)

    def _finish(self, job: _Job, vectors: Float32[ndarray, "n_texts dim"]) -> None:
        self.metrics.tokenization.observe(job.tokenizing)
        self.metrics.inference.observe(job.inference)
        for count in job.tokens.tolist():
            self.metrics.input_length.observe(count)
        if job.future.set_running_or_notify_cancel():
            job.future.set_result(Encoded(vectors, job.tokens, job.uncut))

    def _tried(self, work: Callable[[], Any], blamed: Sequence[_Job]) -> bool:
        """Do some work; if it fails, tell the requests that are to blame, and drop them."""
        try:
            work()
        except Exception as error:  # whatever an encoder raises is the request's answer, not the thread's end
            for job in blamed:
                job.done = len(job.texts)
                with self._changed:
                    if job in self._jobs:
                        self._jobs.remove(job)
                if job.future.set_running_or_notify_cancel():
                    job.future.set_exception(error)
            return False
        return True
