"""Ask a server by the clients that people use, and compare what they get with a local encode.

The official openai client, LangChain's OpenAIEmbeddings, mteb's OpenAIAPIEncodeWrapper, and a client of the official
MCP SDK, each in a Python of its own, which is left out where no environment of $MLING_EMBED_BENCH_PEERS has it.

python benchmarks/serving_clients.py OUT [--model NAME]
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from measure import Measurement, say
from serving_process import ours, python_with

from mling_embed.encoders.loading import load
from mling_embed.indexing.index import Index

TEXTS = [
    "Where is the railway station?",
    "Wo ist der Bahnhof?",
    "火车站在哪里？",
    "أين محطة القطار؟",
    "a\x00b",
    "👩\u200d👩\u200d👧\u200d👦",
]
KEY = "not-asked-for"  # mteb looks at /v1/models without any
# Each reads {address, model, key, texts} from standard input and prints JSON.
CLIENTS: dict[str, str] = {
    "openai, base64": """
from openai import OpenAI
client = OpenAI(base_url=a["address"] + "/v1", api_key=a["key"])
found = client.embeddings.create(model=a["model"], input=a["texts"])
print(json.dumps([one.embedding for one in found.data]))
""",
    "openai, float": """
from openai import OpenAI
client = OpenAI(base_url=a["address"] + "/v1", api_key=a["key"])
found = client.embeddings.create(model=a["model"], input=a["texts"], encoding_format="float")
print(json.dumps([one.embedding for one in found.data]))
""",
    "LangChain OpenAIEmbeddings": """
from langchain_openai import OpenAIEmbeddings
model = OpenAIEmbeddings(model=a["model"], base_url=a["address"] + "/v1", api_key=a["key"],
                         check_embedding_ctx_length=False)
print(json.dumps(model.embed_documents(a["texts"])))
""",
    "mteb OpenAIAPIEncodeWrapper": """
from mteb.models.openai_wrappers import OpenAIAPIEncodeWrapper
import numpy
from torch.utils.data import DataLoader
model = OpenAIAPIEncodeWrapper(a["address"], a["model"], api_key=a["key"], use_chat_template=False, modalities=["text"])
batches = DataLoader([{"text": text} for text in a["texts"]], batch_size=4)
meta = __import__("mteb").get_task("STS12").metadata
found = model.encode(batches, task_metadata=meta, hf_split="test", hf_subset="default")
print(json.dumps(numpy.asarray(found).tolist()))
""",
    "MCP": """
import asyncio, httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
async def main():
    async with httpx2.AsyncClient(headers={"Authorization": "Bearer " + a["key"]}) as http:
        async with Client(streamable_http_client(a["address"] + "/mcp", http_client=http)) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            hits = (await client.call_tool("search", {"query": a["texts"][0], "k": 3})).structured_content["results"]
            text = (await client.call_tool("fetch", {"id": hits[0]["id"]})).structured_content["text"]
            print(json.dumps({"tools": names, "found": [hit["id"] for hit in hits], "fetched": text}))
asyncio.run(main())
""",
}
NEEDS = {"openai": "openai", "LangChain": "langchain_openai", "mteb": "mteb", "MCP": "mcp"}


def ask(python: str, code: str, question: dict[str, Any]) -> Any:
    """Run a client in a Python of its own; return what it printed."""
    script = f"import json, sys\na = json.load(sys.stdin)\n{code}"
    done = subprocess.run(
        [python, "-c", script], input=json.dumps(question), stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Parse the options, serve, ask by each client, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    options = parser.parse_args()
    result = Measurement("serving_clients")
    local = load(options.model).encode(TEXTS)
    with TemporaryDirectory() as temporary:
        with Index.create(Path(temporary) / "index", model=options.model) as index:
            index.add(TEXTS, [f"t{place}" for place in range(len(TEXTS))])
        served = ours(Path(temporary) / "index", "--model-name", "served", "--mcp", "--read-only")
        with served as (_, address):
            question = {"address": address, "model": "served", "key": KEY, "texts": TEXTS}
            for name, code in CLIENTS.items():
                python = python_with(NEEDS[name.split(",")[0].split()[0]])
                if python is None:
                    say(f"{name}: not installed")
                    continue
                with result.phase(name):
                    _record(result, name, ask(python, code, question), local)
    result.write(options.out)


def _record(result: Measurement, name: str, answer: Any, local: np.ndarray) -> None:
    if name == "MCP":
        expected = {"tools": ["search", "fetch"], "fetched": TEXTS[0]}
        equal = {key: answer[key] for key in expected} == expected and answer["found"][0] == "t0"
        result.figures["mcp_finds_and_fetches"] = float(equal)
        result.scores.append({"task": name, "n": 1, "score": float(equal)})
        return
    error = float(np.abs(np.asarray(answer) - local).max())
    result.scores.append({"task": name, "n": len(TEXTS), "score": error})
    result.figures["clients"] = result.figures.get("clients", 0.0) + 1
    result.figures["largest_difference"] = max(error, result.figures.get("largest_difference", 0.0))


if __name__ == "__main__":
    main()
