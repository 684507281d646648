"""Connections: heads that do not come in time are not waited for, and none is closed under a request's feet."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_CLOSE = (b"connection", b"close")


class PunctualProtocol(H11Protocol):
    """Speak HTTP/1.1 with clients that send the head of a request within `seconds` of its first byte.

    uvicorn itself waits for one for ever, so that a few hundred slow clients would take all connections. And when it is
    stopped it closes idle connections at once, and the others behind an answer that does not say so: a request that is
    on its way meets a closed one. Here connections stay open for `last_seconds`, and the last answer says that it is.
    """

    seconds = 10.0
    last_seconds = 1.0
    _deadline: asyncio.TimerHandle | None = None
    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take what came; wait on if it ends within a head."""
        super().data_received(data)
        if self._end is not None and self._is_at_work:
            self._say_that_it_is_the_last()
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._wait_for_head()
        elif self.conn.their_state is not h11.IDLE:
            self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._forget()
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Answer what is at work, or what comes in the next moment, and close the connection."""
        if self._is_at_work:
            self._say_that_it_is_the_last()
        elif self._end is None:
            self._end = self.loop.call_later(self.last_seconds, self._close)

    @property
    def _is_at_work(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _say_that_it_is_the_last(self) -> None:
        self.cycle.keep_alive = False
        if not self.cycle.response_started and _CLOSE not in self.cycle.default_headers:
            self.cycle.default_headers = [*self.cycle.default_headers, _CLOSE]

    def _close(self) -> None:
        if self._is_at_work or self.transport.is_closing():
            return  # closed behind its last answer
        super().shutdown()

    def _wait_for_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.seconds, self.transport.abort)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
