"""Kill a training at random moments, damage its checkpoints, spread it over processes: are the weights the same?

A student of two layers learns random targets, on the CPU in fp32, with AdamW, the row-sparse Adam of the token
embedding, dropout, measurements and checkpoints.

- ``--kills`` times a process is killed (SIGKILL) at a random moment, and another one goes on: weights of both the end
  and the best checkpoint are compared by SHA-256 with those of a training that nobody killed.
- Every file of the newest checkpoint is cut short, changed in one bit, removed: the training goes on from the one
  before, and its end is compared.
- Two processes under one torchrun, and two torchrun agents of one process that meet at one address, take the same
  steps without dropout: the largest difference of a weight from one process's. Key biases are left out: they move no
  output, so that their gradient is rounding, of which Adam makes steps.

python benchmarks/training_kills.py OUT [--kills 20] [--seed 0]
"""

from __future__ import annotations

import argparse
import hashlib
import math
import multiprocessing
import os
import random
import shutil
import signal
import socket
import string
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from measure import Measurement, say

from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.training.checkpoints import Checkpoint, CheckpointStore
from mling_embed.training.settings import TrainingSettings
from mling_embed.training.targets import Targets
from mling_embed.training.trainer import train
from mling_embed.training.training_set import TrainingSet

N_ROWS, DIM, WORDS = 48, 32, 200
SETTINGS: dict[str, Any] = {
    "tokens_per_batch": 120,
    "tokens_per_slice": 80,
    "max_steps": 40,
    "bf16": False,
    "dropout": 0.1,
    "contrastive_weight": 0.3,
    "translation_weight": 0.2,
    "learning_rate": 1e-3,
    "embedding_learning_rate": 5e-3,
    "logging_steps": 5,
    "eval_steps": 5,
    "save_steps": 5,
}
DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "changed": lambda path: path.write_bytes(flipped(path.read_bytes())),
    "removed": lambda path: path.unlink(),
}


def flipped(content: bytes) -> bytes:
    """Change one bit in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def make_student(folder: Path) -> None:
    """Save a seeded BERT of two layers with a vocabulary of a few hundred words, and letters to tell texts apart by."""
    from tokenizers import Regex, Tokenizer, pre_tokenizers, processors
    from tokenizers.models import WordLevel
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = [*special, *(f"word{number}" for number in range(WORDS)), *string.ascii_letters]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"word\d+|\S"), "isolated")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), special, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names).save_pretrained(folder)
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "hidden_size": DIM,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **shape)).save_pretrained(folder)


def data() -> tuple[TrainingSet, Targets]:
    """Make sentences in three languages; the first row is a batch of its own, too little for two processes."""
    drawn = np.random.default_rng(0)
    rows = np.tile(np.arange(N_ROWS), 3)
    lengths = np.where(rows == 0, 40, drawn.integers(1, 12, len(rows)))
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    bags = TokenBags(drawn.integers(4, 4 + WORDS, starts[-1]).astype(np.int32), starts)
    matrix = drawn.normal(size=(N_ROWS, DIM))
    vectors = (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float16)
    targets = Targets((vectors,), np.zeros(N_ROWS, dtype=np.int64), np.arange(N_ROWS), DIM)
    return TrainingSet(bags, rows, np.repeat(np.arange(3), N_ROWS)), targets


def score(student: Any, state: Any) -> float:
    """Return a score that is best at step 25, and in its last digits one of the weights."""
    weights = sum(float(weight.detach().double().sum()) for weight in student.parameters())
    step: int = state.step
    return 1 - abs(step - 25) / 40 + 1e-6 * math.sin(1e3 * weights)


def run(student: Path, folder: Path, *, progress: Callable[..., None] | None = None, **changes: Any) -> None:
    """Train, or go on."""
    settings = TrainingSettings(**{**SETTINGS, **changes})
    options: dict[str, Any] = {} if progress is None else {"progress": progress}
    train(
        load_sentence_transformer(student, device="cpu"),
        *data(),
        settings=settings,
        folder=folder,
        measure=score,
        **options,
    )


def run_and_die(student: Path, folder: Path, seconds: float) -> None:
    """Train, and be killed some time after the first step."""
    killer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL))
    killer.daemon = True

    def progress(work: str, done: int, total: int) -> None:
        if killer.ident is None:
            killer.start()

    run(student, folder, progress=progress)


def newest(folder: Path) -> Checkpoint:
    """Return the newest checkpoint.

    Raises:
        FileNotFoundError: There is none.
    """
    found = CheckpointStore(folder).newest()
    if found is None:
        raise FileNotFoundError(folder)
    return found


def end_of(folder: Path) -> str:
    """Return the SHA-256 of all tensors of the newest and the best checkpoint, and of the state."""
    last, best = newest(folder), CheckpointStore(folder).best()
    digest = hashlib.sha256(repr(sorted(last.facts.items())).encode())
    for checkpoint in (last, best):
        for group, tensors in sorted(checkpoint.tensors.items() if checkpoint is not None else []):
            for name, tensor in sorted(tensors.items()):
                digest.update(f"{group} {name}".encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def in_a_process(work: Callable[..., None], *given: Any) -> int | None:
    """Do something in a process of its own, and return its exit code."""
    process = multiprocessing.get_context("fork").Process(target=work, args=given)
    process.start()
    process.join()
    return process.exitcode


def kill_often(result: Measurement, student: Path, folder: Path, *, expected: str, seconds: float) -> None:
    """Kill trainings at random moments, each once, and let them go on."""
    chance = random.Random(result.seeds[0])
    kills = equal = 0
    wanted = int(result.facts["kills_wanted"])
    while kills < wanted:
        place = folder / f"killed-{kills}"
        shutil.rmtree(place, ignore_errors=True)
        code = in_a_process(run_and_die, student, place, chance.uniform(0, seconds))
        if code != -signal.SIGKILL:
            continue  # it was done before
        reached = CheckpointStore(place).newest()
        run(student, place)
        kills += 1
        same = end_of(place) == expected
        equal += same
        step = 0 if reached is None else reached.step
        result.scores.append({"task": f"kill {kills}", "n": 1, "score": float(same), "goes_on_after": step})
    result.figures |= {"kills": float(kills), "equal": float(equal)}


def damage_all(result: Measurement, student: Path, folder: Path, *, expected: str) -> None:
    """Damage each file of the newest checkpoint in each way, and let the training go on."""
    whole = folder / "whole"
    shutil.copytree(folder / "expected", whole)
    path = newest(whole).path
    done = equal = 0
    for name in sorted(each.name for each in path.iterdir()):
        for damage, act in DAMAGES.items():
            place = folder / f"{damage}-{name}"
            shutil.copytree(whole, place)
            act(place / path.name / name)
            before = newest(place).step
            run(student, place)
            same = before < newest(whole).step and end_of(place) == expected
            done, equal = done + 1, equal + same
            result.scores.append({"task": f"{name} {damage}", "n": 1, "score": float(same), "goes_on_after": before})
    result.figures |= {"damages": float(done), "damages_equal": float(equal)}


def agents(student: Path, folder: Path, *, nodes: int) -> None:
    """Train on two processes: those of one torchrun, or of two that meet at one address.

    Raises:
        RuntimeError: A process failed.
    """
    with socket.socket() as server:
        server.bind(("localhost", 0))
        port = server.getsockname()[1]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", str(nodes)]
    meeting = ["--nproc-per-node", str(2 // nodes), "--rdzv-backend", "c10d", "--rdzv-id", "kills"]
    command = [*torchrun, *meeting, "--rdzv-endpoint", f"localhost:{port}", __file__, "--rank", str(student)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [subprocess.Popen([*command, str(folder)], env=environment) for _ in range(nodes)]
    codes = [each.wait() for each in running]
    if any(codes):
        raise RuntimeError(f"{nodes} torchrun ended with {codes}")


def farthest(first: Path, second: Path) -> float:
    """Return the largest difference of a weight, key biases left out."""
    one, other = newest(first).tensors["model"], newest(second).tensors["model"]
    return max(float((one[name] - other[name]).abs().max()) for name in one if not name.endswith("key.bias"))


def measured(result: Measurement, folder: Path) -> None:
    """Do everything, in a folder."""
    student = folder / "student"
    make_student(student)
    run(student, folder / "warm")
    began = time.perf_counter()
    with result.phase("nobody kills it"):
        run(student, folder / "expected")
    seconds = time.perf_counter() - began
    expected = end_of(folder / "expected")
    with result.phase("kills"):
        kill_often(result, student, folder, expected=expected, seconds=seconds)
    with result.phase("damages"):
        damage_all(result, student, folder, expected=expected)
    run(student, folder / "one", dropout=0.0)
    for name, nodes in (("two_processes", 1), ("two_agents", 2)):
        with result.phase(name):
            agents(student, folder / name, nodes=nodes)
        result.figures[f"{name}_difference"] = farthest(folder / "one", folder / name)
    result.facts |= {"sha256": expected, "settings": SETTINGS}


def main() -> None:
    """Parse the options, measure, write."""
    torch.set_num_threads(1)  # a forked process has no other threads
    if sys.argv[1:2] == ["--rank"]:
        run(Path(sys.argv[2]), Path(sys.argv[3]), dropout=0.0)
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = Measurement("training_kills", seeds=[options.seed], facts={"kills_wanted": options.kills})
    with TemporaryDirectory() as folder:
        measured(result, Path(folder))
    say(str(result.figures))
    result.write(options.out)


if __name__ == "__main__":
    main()
