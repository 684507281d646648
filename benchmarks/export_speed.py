"""Compare the exports of an encoder with the encoder itself and with sentence-transformers: size, load, speed, parity.

Contestants: `SentenceTransformer.encode` in fp32 at several batch sizes, of which the best counts at each length of
text; our encoder in fp32 (and bf16 where the processor has it); ONNX and OpenVINO, in fp32 and int8. Texts are one,
three and twelve sentences of the STS benchmark's English test set. Each number of threads has a process of its own that
may use as many cores; rounds interleaved, medians. Parity is that of a thousand sentences of the phrasebook; the STS
loss is that of Spearman's correlation on the STS benchmark.

The exports, and what does not depend on time, are kept in the cache: `--prepare` makes them and stops.

python benchmarks/export_speed.py OUT [--model NAME] [--threads 1 2] [--rounds 3] [--prepare]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measure import Measurement, peak_rss_bytes, say

from mling_embed.encoders.contract import Encoder
from mling_embed.encoders.exporting import export_onnx, export_openvino
from mling_embed.encoders.exports.record import ExportRecord, Runtime
from mling_embed.encoders.loading import load, load_sentence_transformer
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER
from mling_embed.encoders.precision import Precision
from mling_embed.evaluation.suites.stsb import tasks as stsb_tasks
from mling_embed.files import cache_root, read_json, write_json
from mling_embed.hardware import native_bf16, processor_flags
from mling_embed.languages import ENGLISH
from mling_embed.metrics.sts import pair_cosines, spearman

PEER, OURS, BF16 = "SentenceTransformer.encode fp32", "mling_embed fp32", "mling_embed bf16"
EXPORTS = {
    "ONNX fp32": (Runtime.ONNX, False),
    "ONNX int8": (Runtime.ONNX, True),
    "OpenVINO fp32": (Runtime.OPENVINO, False),
    "OpenVINO int8": (Runtime.OPENVINO, True),
}
EXPORTERS = {Runtime.ONNX: export_onnx, Runtime.OPENVINO: export_openvino}
LENGTHS = {"short": (1, 64), "medium": (3, 24), "long": (12, 8)}  # sentences to a text, texts
BATCHES = (16, 32, 128)
WITH_DOT_PRODUCTS = ("avx512_vnni", "avx_vnni", "amx_int8")


def kept(model: str) -> Path:
    """Return the folder of a model's exports: named by its fingerprint."""
    return cache_root() / "benchmarks" / "exports" / load(model, device="cpu").fingerprint[:16]


def texts_by_length() -> dict[str, list[str]]:
    """Return texts of one, three and twelve sentences."""
    sentences = sts_english().sentences1
    found = {}
    for name, (joined, n) in LENGTHS.items():
        picked = [sentences[place % len(sentences)] for place in range(joined * n)]
        found[name] = [" ".join(picked[start : start + joined]) for start in range(0, len(picked), joined)]
    return found


def sts_english() -> Any:
    """Return the STS benchmark's English test pairs."""
    return next(task for task in stsb_tasks([ENGLISH]) if task.label.languages == (ENGLISH, ENGLISH))


def quality(encoder: Encoder) -> float:
    """Return Spearman's correlation on the STS benchmark."""
    task = sts_english()
    first, second = (encoder.encode(list(side)) for side in (task.sentences1, task.sentences2))
    return spearman(pair_cosines(first, second), np.asarray(task.scores))


def prepare(model: str, folder: Path) -> dict[str, Any]:
    """Make the exports that are not there, and measure what does not depend on time."""
    path = folder / "quality.json"
    found: dict[str, Any] = read_json(path) if path.is_file() else {}
    if OURS not in found:
        found[OURS] = {"sts": quality(load(model, device="cpu", precision=Precision.FP32))}
    for name, (runtime, int8) in EXPORTS.items():
        out = folder / name.replace(" ", "-")
        if ExportRecord.read(out) is None:
            say(f"  {name}")
            EXPORTERS[runtime](model, out, int8=int8)
        if name not in found:
            export = load(out)
            size = sum(each.stat().st_size for each in out.rglob("*") if each.is_file() and each.parent.name == runtime)
            record = ExportRecord.read(out)
            found[name] = {"sts": quality(export), "megabytes": size / 1e6, "parity": record.parity if record else {}}
            write_json(path, found)
    weights = load_sentence_transformer(model, device="cpu").state_dict().values()
    found[OURS]["megabytes"] = sum(tensor.numel() * tensor.element_size() for tensor in weights) / 1e6
    write_json(path, found)
    return found


def race(model: str, folder: Path, threads: int, rounds: int) -> dict[str, Any]:
    """Measure the contestants in this process: seconds to load, and texts per second of each round by length."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:threads]))
    import torch

    torch.set_num_threads(threads)
    loads: dict[str, float] = {}

    def loaded(name: str, load_it: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        found = load_it()
        loads[name] = time.perf_counter() - began
        return found

    plain = loaded(PEER, lambda: load_sentence_transformer(model, device="cpu"))
    contestants: dict[str, Callable[[list[str]], Any]] = {
        f"{PEER}, batch {size}": partial(plain.encode, batch_size=size, show_progress_bar=False) for size in BATCHES
    }
    formats = {OURS: Precision.FP32} | ({BF16: Precision.BF16} if native_bf16("cpu") else {})
    for name, precision in formats.items():
        contestants[name] = loaded(name, partial(load, model, device="cpu", precision=precision)).encode
    for name in EXPORTS:
        contestants[name] = loaded(name, partial(load, folder / name.replace(" ", "-"))).encode
    speeds: dict[str, dict[str, list[float]]] = {name: {length: [] for length in LENGTHS} for name in contestants}
    for turn in range(rounds + 1):
        for length, texts in texts_by_length().items():
            names = list(contestants)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                began = time.perf_counter()
                contestants[name](texts)
                seconds = time.perf_counter() - began
                if turn:  # the first is to warm up
                    speeds[name][length].append(len(texts) / seconds)
    return {"loads": loads, "speeds": speeds, "peak_rss_bytes": peak_rss_bytes()}


def main() -> None:
    """Parse the options, make the exports, measure each number of threads in a process of its own, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--model", default=DEFAULT_TEACHER, help="a folder, or a name of the hub")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prepare", action="store_true", help="make the exports and stop")
    parser.add_argument("--race", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = kept(options.model)
    if options.race is not None:
        print(json.dumps(race(options.model, folder, options.race, options.rounds)))
        return
    result = Measurement("export_speed")
    with result.phase("exports and parity, kept from before where they are there"):
        found = prepare(options.model, folder)
    if options.prepare:
        return
    for threads in options.threads:
        with result.phase(f"race on {threads} threads"):
            _record(result, _raced(options, threads), found, threads)
    for name in EXPORTS:
        key = name.lower().replace(" ", "_")
        result.figures[f"sts_loss_{key}"] = found[OURS]["sts"] - found[name]["sts"]
        result.figures[f"mean_cosine_{key}"] = found[name]["parity"]["mean_cosine"]
    model = load_sentence_transformer(options.model, device="cpu")
    tokens = {
        length: float(np.mean([len(ids) for ids in model.tokenizer(texts)["input_ids"]]))
        for length, texts in texts_by_length().items()
    }
    result.facts |= {
        "model": options.model,
        "dot_product_instructions": ", ".join(sorted(processor_flags() & set(WITH_DOT_PRODUCTS))) or "none",
        "bf16_instructions": native_bf16("cpu"),
        "rounds": options.rounds,
        **{f"mean_tokens_{length}": mean for length, mean in tokens.items()},
    }
    result.write(options.out)


def _raced(options: argparse.Namespace, threads: int) -> dict[str, Any]:
    variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(variables, str(threads))}
    command = [sys.executable, __file__, str(options.out), "--model", options.model, "--race", str(threads)]
    command += ["--rounds", str(options.rounds)]
    printed = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def _record(result: Measurement, raced: dict[str, Any], found: dict[str, Any], threads: int) -> None:
    medians = {name: {length: _median(each) for length, each in by.items()} for name, by in raced["speeds"].items()}
    best = {length: max(medians[name][length] for name in medians if name.startswith(PEER)) for length in LENGTHS}
    for name, by in medians.items():
        ratios = {length: by[length] / best[length] for length in LENGTHS}
        known = found.get(name, found[OURS])
        score = {"task": name, "threads": threads, "n": sum(n for _, n in LENGTHS.values()), "score": ratios["short"]}
        score |= {f"{length}_per_second": by[length] for length in LENGTHS}
        score |= {f"{length}_ratio": ratios[length] for length in LENGTHS}
        score |= {"megabytes": known["megabytes"], "sts": known["sts"]}
        score |= {"load_seconds": raced["loads"].get(name, raced["loads"][PEER])}
        score |= {key: value for key, value in known.get("parity", {}).items() if key != "n"}
        result.scores.append(score)
        if not name.startswith(PEER):
            key = name.lower().removeprefix("mling_embed ").replace(" ", "_")
            result.figures[f"ratio_{key}_{threads}"] = float(np.exp(np.mean(np.log(list(ratios.values())))))
    result.peak_rss_bytes = max(result.peak_rss_bytes, raced["peak_rss_bytes"])


def _median(speeds: Sequence[float]) -> float:
    return float(np.median(speeds))


if __name__ == "__main__":
    main()
