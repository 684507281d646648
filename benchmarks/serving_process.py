"""A server of ours, and others beside it, as processes on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from measure import ROOT, say

WAIT_SECONDS = 300
PEERS_VARIABLE = "MLING_EMBED_BENCH_PEERS"  # folders of virtual environments that hold other programs, joined as a PATH


def peer_program(name: str) -> str | None:
    """Return a program of one of the peers' environments, or of the PATH."""
    folders = [str(Path(folder) / "bin") for folder in os.environ.get(PEERS_VARIABLE, "").split(os.pathsep) if folder]
    return shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))


def python_with(package: str) -> str | None:
    """Return a Python that has a package: this one, or that of a peer's environment."""
    folders = [Path(folder) for folder in os.environ.get(PEERS_VARIABLE, "").split(os.pathsep) if folder]
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec({package!r}) is None)"
    for python in [sys.executable, *(str(folder / "bin" / "python") for folder in folders)]:
        if subprocess.run([python, "-c", code], check=False).returncode == 0:
            return python
    return None


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def ours(*options: str | Path, key: str | None = None) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run ``mling-embed serve``; give the process and its address."""
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | ({"MLING_EMBED_API_KEY": key} if key else {})
    command = [sys.executable, "-m", "mling_embed", "serve", *map(str, options), "--port", str(port)]
    with running(command, f"http://127.0.0.1:{port}", sign_of_life="/healthz", environment=environment) as process:
        yield process, f"http://127.0.0.1:{port}"


@contextmanager
def running(
    command: Sequence[str], address: str, *, sign_of_life: str, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; give its process once it answers."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        began = time.monotonic()
        while True:
            try:
                httpx.get(f"{address}{sign_of_life}", timeout=5)
                break
            except httpx.TransportError:
                if process.poll() is not None:
                    raise RuntimeError(f"{command} ended: {process.stderr and process.stderr.read()!r}") from None
                if time.monotonic() - began > WAIT_SECONDS:
                    raise
                time.sleep(0.1)
        say(f"{address} answers after {time.monotonic() - began:.1f} s")
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(90)
            except subprocess.TimeoutExpired:
                process.kill()
        process.communicate()


def resident_bytes(pid: int) -> int:
    """Return the memory of a process that is resident now."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
