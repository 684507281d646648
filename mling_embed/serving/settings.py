"""What a server is told: model and index, address and key, and the limits beyond which it refuses."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from mling_embed.errors import UsageError

KEY_VARIABLE = "MLING_EMBED_API_KEY"
DEFAULT_PORT = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Hold what one server takes on, so that no client can take it away from the others.

    Attributes:
        body_bytes: Of one request; above it 413.
        text_characters: Of one text, looked at before it is tokenized; above it 413.
        inputs: Texts in one request; above it 413. They are encoded a batch at a time, other requests in between.
        batch_tokens: Tokens that are encoded together.
        waiting_requests: Requests that wait or are at work; above it 429.
        waiting_characters: Of all their texts together; above it 429, but for a request that is alone.
        connections: Open at one time; above it 503.
        header_seconds: For a request's head to arrive; then its connection is closed.
        body_seconds: For its body to arrive; then 408.
        send_seconds: For a client to take a part of the answer; then its connection is closed.
        idle_seconds: For the next request on a connection; longer than clients keep one, which would ask as it closes.
        last_seconds: For a last request on each connection that is idle when the server is stopped.
        stop_seconds: For what was accepted to be finished when the server is stopped.
    """

    body_bytes: int = 16 * 2**20
    text_characters: int = 32_768
    inputs: int = 16_384
    batch_tokens: int = 4_096
    waiting_requests: int = 256
    waiting_characters: int = 4_000_000
    connections: int = 1_024
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    send_seconds: float = 30.0
    idle_seconds: int = 75
    last_seconds: float = 1.0
    stop_seconds: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Hold what a server is told.

    Attributes:
        model: Folder or name; that of the index by default.
        model_name: What clients call it; the folder's name by default.
        index: Folder of the index to search in; without one there are vectors only.
        read_only: Whether the index can be searched and not changed.
        truncatable: Whether prefixes of vectors may be asked for, whatever the model says of itself.
        group: Field of the metadata whose value translations of one text share.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        api_key: What clients must send as ``Authorization: Bearer``; none by default.
        workers: Processes.
        mcp: Whether assistants find their tools at ``/mcp``.
        limits: Beyond which it refuses.
    """

    model: str | None = None
    model_name: str | None = None
    index: Path | None = None
    read_only: bool = False
    truncatable: bool = False
    group: str = "group"
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    api_key: str | None = field(default=None, repr=False)
    workers: int = 1
    mcp: bool = False
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Refuse what makes no sense, and an address that others reach without a key.

        Raises:
            UsageError: So it is.
        """
        if self.model is None and self.index is None:
            raise UsageError("neither a model nor an index to serve.", next_step="Give one of them, or both.")
        if self.api_key is not None and (not self.api_key.strip() or not self.api_key.isascii()):
            raise UsageError("an API key must be ASCII and not empty.", next_step=f"Set {KEY_VARIABLE}.")
        if self.api_key is None and not is_loopback(self.host):
            raise UsageError(
                f"others can reach {self.host}, and there is no API key.",
                next_step=f"Set {KEY_VARIABLE}, or listen on 127.0.0.1 alone.",
            )
        if self.workers < 1:
            raise UsageError(f"{self.workers} workers; expected at least 1.")
        if not 0 <= self.port <= 65_535:
            raise UsageError(f"port {self.port}; expected 0 to 65535.")


def is_loopback(host: str) -> bool:
    """Tell whether an address, or a host's name, is of this machine alone.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "[::1]", "localhost", "0.0.0.0", "example.org")]
    [True, True, True, True, False, False]
    """
    name = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
