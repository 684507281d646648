"""What a server counts and times, for Prometheus, under the names of Text Embeddings Inference."""

from __future__ import annotations

import os
import re

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # where several workers of one server write what each counts
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TOKENS = (1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
# The client library ends the names of counters in _total; those of Text Embeddings Inference do not.
_COUNTERS = re.compile(rb"\b(te_request_(?:count|success|failure))_total\b")


class Metrics:
    """Count and time what a server does; several workers are counted together.

    Attributes:
        requests: Requests that came in, by method.
        successes: Requests that were answered, by method.
        failures: Requests that were refused or failed, by error.
        duration: Seconds of a request, from its acceptance to its answer.
        tokenization: Seconds that its texts were tokenized for.
        queue: Seconds that it waited for its first batch.
        inference: Seconds of the batches that it was part of.
        input_length: Tokens of a text, as they were encoded.
        queue_size: Requests that wait or are at work.
        batch_size: Texts in a batch.
        batch_tokens: Tokens in a batch.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        registry = self.registry

        def seconds(name: str, what: str) -> Histogram:
            return Histogram(name, what, buckets=_SECONDS, registry=registry)

        def tokens(name: str, what: str) -> Histogram:
            return Histogram(name, what, buckets=_TOKENS, registry=registry)

        self.requests = Counter("te_request_count", "Requests that came in.", ["method"], registry=registry)
        self.successes = Counter("te_request_success", "Requests that were answered.", ["method"], registry=registry)
        self.failures = Counter("te_request_failure", "Requests refused or failed.", ["err"], registry=registry)
        self.duration = seconds("te_request_duration", "Seconds of a request.")
        self.tokenization = seconds("te_request_tokenization_duration", "Seconds of tokenizing a request.")
        self.queue = seconds("te_request_queue_duration", "Seconds that a request waited.")
        self.inference = seconds("te_request_inference_duration", "Seconds of a request's batches.")
        self.input_length = tokens("te_request_input_length", "Tokens of a text.")
        self.queue_size = Gauge(
            "te_queue_size", "Requests that wait or are at work.", registry=registry, multiprocess_mode="livesum"
        )
        self.batch_size = tokens("te_batch_next_size", "Texts in a batch.")
        self.batch_tokens = tokens("te_batch_next_tokens", "Tokens in a batch.")

    def page(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        registry = self.registry
        if FOLDER_VARIABLE in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return _COUNTERS.sub(rb"\1", generate_latest(registry))
