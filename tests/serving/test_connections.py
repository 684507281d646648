"""Connections of a server that is being stopped: who asked is answered, and told that it was the last time."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from running_server import running

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
BODY = b'{"input": "a"}'
HEAD = (
    b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n"
)


def until_closed(connection: socket.socket) -> bytes:
    received = b""
    while part := connection.recv(65_536):
        received += part
    return received.lower()


def wait_until_refused(address: tuple[str, int]) -> None:
    while True:
        try:
            socket.create_connection(address, timeout=10).close()
        except OSError:
            return
        time.sleep(0.01)


def test_a_stop_closes_no_connection_under_a_request(tiny_teacher: Path) -> None:
    with ExitStack() as server, ExitStack() as open_ones:
        address = server.enter_context(running(model=str(tiny_teacher)))
        idle, at_work, new, silent = (
            open_ones.enter_context(socket.create_connection(address, timeout=10)) for _ in range(4)
        )
        for connection in (idle, silent):
            connection.sendall(HEALTH)
            received = b""
            while b"{" not in received:
                received += connection.recv(65_536)
            assert b"connection: close" not in received.lower()
        at_work.sendall(HEAD)
        time.sleep(0.1)  # until the server has read it
        stop = threading.Thread(target=server.close)
        stop.start()
        wait_until_refused(address)
        idle.sendall(HEALTH)
        new.sendall(HEALTH)
        at_work.sendall(BODY)
        for connection in (idle, new, at_work):
            received = until_closed(connection)
            assert received.startswith(b"http/1.1 200 ok")
            assert b"connection: close" in received
        assert until_closed(silent) == b""
        stop.join()
