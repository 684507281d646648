"""The verb ``serve``: vectors, search and a page over HTTP; tools for assistants."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mling_embed.cli.console import progress, say
from mling_embed.errors import UsageError

if TYPE_CHECKING:
    from mling_embed.serving.settings import Settings

_NEEDED = ("fastapi", "uvicorn", "prometheus_client", "mcp")


Index = Annotated[
    Path | None, typer.Argument(metavar="[INDEX]", help="The index to search in. [default: the phrasebook]")
]
Model = Annotated[str | None, typer.Option(help="The encoder: a folder or a name. By default the index's own.")]
Key = Annotated[
    str | None, typer.Option(envvar="MLING_EMBED_API_KEY", help="What clients must send; better in the variable.")
]
Truncatable = Annotated[
    bool, typer.Option("--truncatable", help="Give prefixes of vectors, whatever the model says of itself.")
]


def command(
    index: Index = None,
    model: Model = None,
    model_name: Annotated[str | None, typer.Option(help="What clients call it. [default: its folder's name]")] = None,
    vectors_only: Annotated[bool, typer.Option("--vectors-only", help="Serve --model without an index.")] = False,
    host: Annotated[str, typer.Option(help="Where to listen; beyond this machine only with a key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8000,
    api_key: Key = None,
    workers: Annotated[int, typer.Option(help="Processes; each loads the model, all open one index.")] = 1,
    read_only: Annotated[bool, typer.Option("--read-only", help="Let nobody change the index.")] = False,
    truncatable: Truncatable = False,
    group: Annotated[str, typer.Option(help="Field of the metadata that translations of one text share.")] = "group",
    mcp: Annotated[bool, typer.Option("--mcp", help="Offer search and fetch to assistants, at /mcp.")] = False,
    stdio: Annotated[bool, typer.Option("--stdio", help="With --mcp: on standard input and output instead.")] = False,
    max_requests: Annotated[int, typer.Option(help="Requests that may wait; those beyond get 429.")] = 256,
    batch_tokens: Annotated[int, typer.Option(help="Tokens that are encoded together.")] = 4096,
) -> None:
    """Serve vectors as OpenAI's interface gives them, search, and a page to search with.

    Without an index it serves the built-in phrasebook, so that there is something to see.
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise UsageError(f"{missing[0]} is not installed.", next_step='Install it: pip install "mling-embed[serve]"')
    from mling_embed.serving.settings import Limits, Settings

    own = index is None and not vectors_only
    if own and model is not None:
        raise UsageError("a model, and no index.", next_step="Name an index, or give --vectors-only for vectors alone.")
    if vectors_only and (index is not None or model is None):
        raise UsageError("--vectors-only takes --model, and no index.")
    if stdio and not mcp:
        raise UsageError("--stdio is a way of --mcp.", next_step="Give --mcp --stdio.")
    logging.getLogger("mling_embed").setLevel(logging.INFO)
    settings = Settings(
        model=model,
        model_name=model_name or ("phrasebook" if own else None),
        index=_phrasebook() if own else index,
        read_only=read_only or own,
        truncatable=truncatable,
        group=group,
        host=host,
        port=port,
        api_key=api_key,
        workers=workers,
        mcp=mcp,
        limits=Limits(waiting_requests=max_requests, batch_tokens=batch_tokens),
    )
    if stdio:
        from mling_embed.serving.stdio import serve_stdio

        serve_stdio(settings)
        return
    from mling_embed.serving.server import serve

    say("Loading the model.")
    serve(settings, ready=lambda address: _tell(address, settings))


def _phrasebook() -> Path:
    from mling_embed.serving.phrasebook import phrasebook_index

    say("No index was named: serving the built-in phrasebook. The first time, a student of it is made (a few minutes).")
    with progress() as report:
        return phrasebook_index(progress=report)


def _tell(address: str, settings: Settings) -> None:
    say(f"Search page: {address}/\nVectors:     {address}/v1/embeddings (OpenAI's interface: base_url={address}/v1)")
    if settings.mcp:
        say(f"Tools:       {address}/mcp")
    say("Ctrl-C stops.")
