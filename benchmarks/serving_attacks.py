"""Attack a server in the ways that are known, and write down what each attack gets.

Keys, addresses, names and origins, paths, texts that take long to tokenize, bodies that take memory, and clients that
take their time. After each the server must still answer, and soon.

python benchmarks/serving_attacks.py OUT [--model NAME]
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from measure import ROOT, Measurement, say
from serving_process import ours, resident_bytes

from mling_embed.indexing.index import Index

KEY = "correct-horse"
MIB = 2**20
HEAD = (
    "POST /v1/embeddings HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    f"Authorization: Bearer {KEY}\r\n"
)
DEEP = b'{"input": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
MANY = b'{"input": ["a"' + b', "a"' * 400_000 + b"]}"
LONG_NUMBER = b'{"input": "a", "dimensions": ' + b"9" * 100_000 + b"}"


def told(answer: httpx.Response) -> str:
    """Return status and code of an answer."""
    try:
        return f"{answer.status_code} {answer.json()['error']['code']}"
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code}"


def ask(address: str, content: bytes, **headers: str) -> str:
    """Ask for vectors; return what came."""
    given = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    sent = {name: value for name, value in {**given, **headers}.items() if value}
    return told(httpx.post(f"{address}/v1/embeddings", content=content, headers=sent, timeout=60))


def raw(address: str, sent: bytes, *, drip: bytes = b"", seconds: float = 60) -> str:
    """Send bytes by hand, then drip others; return the first line that came, or that the connection was closed."""
    host, _, port = address.removeprefix("http://").partition(":")
    began = time.monotonic()
    with socket.create_connection((host, int(port)), timeout=0.5) as connection:
        connection.sendall(sent)
        received = b""
        while time.monotonic() - began < seconds and b"\r\n" not in received:
            try:
                if drip:
                    connection.sendall(drip)
                part = connection.recv(65_536)
            except TimeoutError:
                continue
            except OSError:
                part = b""
            if not part:
                return f"closed after {time.monotonic() - began:.0f} s"
            received += part
    if not received:
        return f"open after {seconds:g} s"
    line = received.partition(b"\r\n")[0].decode().removeprefix("HTTP/1.1 ")
    return f"{line} after {time.monotonic() - began:.0f} s"


def attacks(address: str) -> dict[str, tuple[str, Callable[[], str]]]:
    """Return the attacks by name: how what each gets must begin, and the attack."""
    word = b'{"input": "' + b"a" * MIB + b'"}'
    spaces = b'{"input": "x' + b" " * MIB + b'"}'
    marks = '{"input": "' + "e" + "\u0301" * 32_000 + '"}'
    slow = HEAD + "Content-Length: 1000\r\n\r\n{"
    one = b'{"input": "a"}'
    return {
        "no key": ("401", lambda: ask(address, one, Authorization="")),
        "a wrong key": ("401", lambda: ask(address, one, Authorization="Bearer wrong")),
        "a key's beginning": ("401", lambda: ask(address, one, Authorization=f"Bearer {KEY[:-1]}")),
        "figures without a key": ("401", lambda: told(httpx.get(f"{address}/metrics"))),
        "a page of another origin": ("403", lambda: ask(address, one, Origin="https://evil.example")),
        "a form of another origin, as text": ("422", lambda: ask(address, one, **{"Content-Type": "text/plain"})),
        "path: /../../etc/passwd": ("404", lambda: raw(address, _get("/../../etc/passwd"))),
        "path: /%2e%2e%2fetc%2fpasswd": ("404", lambda: raw(address, _get("/%2e%2e%2fetc%2fpasswd"))),
        "path: id ../../rows.sqlite": ("404", lambda: raw(address, _get("/v1/documents/../../rows.sqlite"))),
        "path: //evil.example/": ("404", lambda: raw(address, _get("//evil.example/"))),
        "1 MiB of one word": ("413", lambda: ask(address, word)),
        "1 MiB of spaces": ("413", lambda: ask(address, spaces)),
        "32,000 combining marks": ("200", lambda: ask(address, marks.encode())),
        "a lone surrogate": ("422", lambda: ask(address, b'{"input": "\\ud800"}')),
        "17 MiB": ("413", lambda: ask(address, b" " * (17 * MIB))),
        "a false length": ("413", lambda: raw(address, f"{HEAD}Content-Length: 99999999999\r\n\r\n".encode())),
        "200,000 brackets": ("400", lambda: ask(address, DEEP)),
        "400,000 texts": ("413", lambda: ask(address, MANY)),
        "a number of 100,000 digits": ("4", lambda: ask(address, LONG_NUMBER)),
        "a head of 1 MiB": ("400", lambda: raw(address, b"GET / HTTP/1.1\r\nX: " + b"a" * MIB)),
        "a head that does not come": ("closed", lambda: raw(address, b"POST /v1/emb")),
        "a head that drips": ("closed", lambda: raw(address, b"GET / HTTP/1.1\r\nX: ", drip=b"a")),
        "a body that drips": ("408", lambda: raw(address, slow.encode(), drip=b" ")),
        "300 heads that do not come": ("200", lambda: _crowd(address)),
    }


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()


def _crowd(address: str) -> str:
    """Open many connections that send half a head; ask beside them."""
    host, _, port = address.removeprefix("http://").partition(":")
    crowd = [socket.create_connection((host, int(port)), timeout=10) for _ in range(300)]
    for connection in crowd:
        connection.sendall(b"GET / HTTP/1.1\r\n")
    try:
        return ask(address, b'{"input": "a"}')
    finally:
        for connection in crowd:
            connection.close()


def _bind_elsewhere(index: Path) -> str:
    command = [sys.executable, "-m", "mling_embed", "serve", str(index), "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return f"exit code {done.returncode}: {done.stderr.strip().splitlines()[-1]}"


def main() -> None:
    """Parse the options, serve, attack, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    options = parser.parse_args()
    result = Measurement("serving_attacks")
    with TemporaryDirectory() as temporary:
        index = Path(temporary) / "index"
        with Index.create(index, model=options.model) as made:
            made.add(["Where is the station?"], ["a"])
        got = _bind_elsewhere(index)
        rows = [("another address without a key", "exit code 2", got)]
        with ours(index, "--read-only", key=KEY) as (process, address), result.phase("attacks"):
            before = resident_bytes(process.pid)
            for name, (expected, attack) in attacks(address).items():
                rows.append((name, expected, attack()))
                alive = httpx.get(f"{address}/healthz", timeout=60).status_code == 200
                say(f"  {name}: {rows[-1][2]}{'' if alive else ', and the server is dead'}")
                if not alive:
                    rows.append((f"after {name}", "alive", "dead"))
            result.facts["memory_growth_bytes"] = resident_bytes(process.pid) - before
        with ours(index, "--read-only") as (_, address):
            rows.append(("another name, no key asked", "403", ask(address, b'{"input": "a"}', Host="evil.example")))
    for name, expected, got in rows:
        result.scores.append({"task": name, "n": 1, "score": float(got.startswith(expected)), "got": got})
    result.figures |= {"attacks": float(len(rows)), "as_expected": sum(score["score"] for score in result.scores)}
    result.write(options.out)


if __name__ == "__main__":
    main()
