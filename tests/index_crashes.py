"""A real index under attack: killed, out of space, corrupted; and what must be true of it afterwards."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mling_embed import files
from mling_embed.errors import MlingEmbedError
from mling_embed.indexing.index import Index
from mling_embed.indexing.storage.store import Store
from mling_embed.indexing.upkeep.repair import rebuild_index

DIM = 16
WORDS = [f"word{number}" for number in range(60)]
LANGUAGES = ["de", "en", "fr"]
KILLED = 137


class WordModel:
    """Encode a text as the sum of its words' random vectors: nothing is trained, everything is known."""

    def __init__(self, seed: int = 0, dim: int = DIM) -> None:
        self.seed, self.dim_ = seed, dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self._vector(text) for text in texts]) if len(texts) else np.zeros((0, self.dim_), np.float32)

    def _vector(self, text: str) -> np.ndarray:
        vector = np.zeros(self.dim_, dtype=np.float32)
        for word in text.split():
            vector += word_vector(word, self.seed, self.dim_)
        return vector


@lru_cache(maxsize=4096)
def word_vector(word: str, seed: int, dim: int) -> np.ndarray:
    drawn = int.from_bytes(blake2b(f"{seed} {word}".encode(), digest_size=4).digest(), "little")
    return np.random.default_rng(drawn).standard_normal(dim, dtype=np.float32)


MODELS = (WordModel(0), WordModel(1))


class Document(NamedTuple):
    """Hold what a text of the index must be."""

    text: str
    language: str
    metadata: dict[str, Any]


@dataclass
class Oracle:
    """Know what an index must hold: texts by id, in the order in which their rows were made, and its model."""

    documents: dict[str, Document] = field(default_factory=dict)
    model: int = 0

    def after(self, operation: Mapping[str, Any]) -> Oracle:
        """Return what must be there after an operation."""
        documents, model = dict(self.documents), self.model
        match operation["do"]:
            case "add" | "upsert":
                for id_, text, language, metadata in operation["rows"]:
                    documents.pop(id_, None)
                    documents[id_] = Document(text, language, metadata)
            case "delete":
                for id_ in operation["ids"]:
                    del documents[id_]
            case "reencode":
                model = 1 - model
        return Oracle(documents, model)

    def answer(self, query: str, k: int, passes: Callable[[Document], bool] = lambda document: True) -> list[str]:
        """Return the ids of the nearest texts, by brute force: float64 products, ties by age."""
        ids = [id_ for id_, document in self.documents.items() if passes(document)]
        if not ids:
            return []
        rows = unit(MODELS[self.model].encode([self.documents[id_].text for id_ in ids])).astype(np.float64)
        asked = unit(MODELS[self.model].encode([query])).astype(np.float64)[0]
        scores = inner_products(rows, asked)
        return [ids[place] for place in np.lexsort((np.arange(len(ids)), -scores))[:k]]


def inner_products(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Return products added by halves, as the package defines: BLAS may give equal rows unequal last digits."""
    products, width = rows * query, rows.shape[1]
    while width > 1:
        half = (width + 1) // 2
        products[:, : width - half] += products[:, half:width]
        width = half
    return products[:, 0]


def unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms > 0, norms, np.float32(1))


def operations(chance: random.Random, oracle: Oracle) -> Iterator[dict[str, Any]]:
    """Yield random operations without end; each must be acknowledged before the next is asked for."""
    number = chance.randrange(10**9)
    while True:
        n = len(oracle.documents)
        kinds = ["add", "add", "upsert", "delete", "publish", "compact", "reencode"]
        do = chance.choices(kinds, [6, 6, 4, 6 if n > 30 else 1, 4, 2, 2])[0] if n else "add"
        operation: dict[str, Any] = {"do": do}
        if do in ("add", "upsert"):
            known = chance.sample(sorted(oracle.documents), min(n, 2)) if do == "upsert" else []
            fresh = [f"id{number + place}" for place in range(chance.randrange(1, 6))]
            number += len(fresh)
            operation["rows"] = [
                (
                    id_,
                    " ".join(chance.choices(WORDS, k=chance.randrange(1, 8))),
                    chance.choice(LANGUAGES),
                    {"year": chance.randrange(3)},
                )
                for id_ in [*known, *fresh]
            ]
        elif do == "delete":
            operation["ids"] = chance.sample(sorted(oracle.documents), min(n, chance.randrange(1, 5)))
        yield operation
        oracle = oracle.after(operation)


def carry_out(index: Index, operation: Mapping[str, Any], oracle: Oracle) -> None:
    """Do an operation."""
    match operation["do"]:
        case "add" | "upsert":
            ids, texts, languages, metadata = zip(*operation["rows"], strict=True)
            put = index.add if operation["do"] == "add" else index.upsert
            put(list(texts), list(ids), list(languages), list(metadata))
        case "delete":
            index.delete(operation["ids"])
        case "publish":
            index.publish()
        case "compact":
            index.compact()
        case "reencode":
            index.reencode(MODELS[1 - oracle.model])


def model_of(path: Path) -> int:
    """Return the number of the model that an index has now."""
    from mling_embed.encoders.loading import as_encoder

    store = Store(path)
    try:
        return [as_encoder(model).fingerprint for model in MODELS].index(store.settings["fingerprint"])
    finally:
        store.close()


def faults_of(
    path: Path, oracle: Oracle, *, chance: random.Random, n_queries: int = 3, verify: bool = True
) -> list[str]:
    """Return what is wrong with an index that should hold what an oracle knows; an index error is raised as it is."""
    faults: list[str] = []
    with Index.open(path, model=MODELS[oracle.model]) as index:
        if index.count() != len(oracle.documents):
            faults.append(f"{index.count()} rows, expected {len(oracle.documents)}")
        for _ in range(n_queries):
            query = " ".join(chance.choices(WORDS, k=3))
            language, year = chance.choice(LANGUAGES), chance.randrange(3)
            known = {document.language for document in oracle.documents.values()}
            asked: list[tuple[dict[str, Any], Callable[[Document], bool]]] = [({}, lambda document: True)]
            if language in known:
                asked.append(({"languages": [language]}, lambda document: document.language == language))  # noqa: B023
            if any(document.metadata["year"] == year for document in oracle.documents.values()):
                asked.append(({"where": {"year": year}}, lambda document: document.metadata["year"] == year))  # noqa: B023
            for filters, passes in asked:
                found = index.search(query, 5, **filters)
                expected = oracle.answer(query, 5, passes)
                if [hit.id for hit in found] != expected:
                    faults.append(f"{query!r} {filters}: {[hit.id for hit in found]}, expected {expected}")
                for hit in found:
                    if oracle.documents.get(hit.id) != Document(hit.text, hit.language, dict(hit.metadata)):
                        faults.append(f"{hit.id} is {hit}, expected {oracle.documents.get(hit.id)}")
        entries = index.get(list(oracle.documents))
        for entry in entries:
            if oracle.documents[entry.id] != Document(entry.text, entry.language, dict(entry.metadata)):
                faults.append(f"{entry.id} holds {entry}")
        if verify and not (found_all := index.verify()).whole:
            faults += list(found_all.problems)
    return faults


# --- kills


def in_a_child(work: Callable[[], None]) -> int:
    """Do something in a forked process; return its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


class Kill(NamedTuple):
    """Hold what a kill left: operations acknowledged before it, what was at work, and what was found wrong."""

    acknowledged: int
    at_work: str
    faults: list[str]
    oracle: Oracle


def kill_once(path: Path, oracle: Oracle, *, chance: random.Random, longest: float) -> Kill:
    """Let a process change an index, kill it (SIGKILL) at a random moment, and look at what is left."""
    reader, writer = os.pipe()
    seed, delay = chance.randrange(10**9), chance.uniform(0.001, longest)

    def work() -> None:
        os.close(reader)
        now, drawn = oracle, random.Random(seed)
        with Index.open(path, model=MODELS[oracle.model]) as index:
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
            for operation in operations(drawn, now):
                os.write(writer, json.dumps(operation).encode() + b"\n")
                carry_out(index, operation, now)
                os.write(writer, b"done\n")
                now = now.after(operation)

    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        lines = pipe.read().split(b"\n")
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != -signal.SIGKILL:
        return Kill(0, "", [f"the child ended with {code}"], oracle)
    acknowledged = 0
    pending: dict[str, Any] | None = None
    for line in lines[:-1]:  # a torn last line was never sent whole
        if line == b"done" and pending is not None:
            oracle, pending = oracle.after(pending), None
            acknowledged += 1
        else:
            pending = json.loads(line)
    states = [oracle] if pending is None else [oracle, oracle.after(pending)]
    faults: list[str] = []
    for state in states:
        faults = faults_or_error(path, state, chance)
        if not faults:
            return Kill(acknowledged, "" if pending is None else pending["do"], [], state)
    return Kill(acknowledged, "" if pending is None else pending["do"], faults, states[0])


def faults_or_error(path: Path, oracle: Oracle, chance: random.Random, *, n_queries: int = 3) -> list[str]:
    """Return what is wrong with an index, an error that it raises included."""
    try:
        return faults_of(path, oracle, chance=chance, n_queries=n_queries)
    except (MlingEmbedError, OSError) as error:
        return [f"{type(error).__name__}: {error}"]


# --- crash points

STEPS = ("write", "fsync", "rename", "remove", "remove_folder")
FAILING = ("write", "fsync", "rename")
UNTOLD = "nothing"


@contextmanager
def failing_steps(act: Callable[[int, str], None], names: Sequence[str] = STEPS) -> Iterator[list[str]]:
    """Have something done before each step of the file layer, and before each commit."""
    taken: list[str] = []
    before = {name: getattr(files, name) for name in names}
    commit = Store.commit

    def wrapped(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **options: Any) -> Any:
            taken.append(name)
            act(len(taken) - 1, name)
            return step(*given, **options)

        return run

    for name, step in before.items():
        setattr(files, name, wrapped(name, step))
    Store.commit = wrapped("commit", commit)  # type: ignore[method-assign]
    try:
        yield taken
    finally:
        for name, step in before.items():
            setattr(files, name, step)
        Store.commit = commit  # type: ignore[method-assign]


def crash_at(path: Path, operation: Callable[[Path], None], step: int) -> int:
    """Do something in a process that dies at its n-th step; return its exit code, 0 if there are not as many."""

    def die(at: int, name: str) -> None:
        if at == step:
            os._exit(KILLED)

    def work() -> None:
        with failing_steps(die):
            operation(path)

    return in_a_child(work)


def fail_at(path: Path, operation: Callable[[Path], None], step: int, error: int) -> str | None:
    """Do something whose n-th step fails with an error of the system.

    Returns:
        What was raised, `UNTOLD` if the step failed and nothing was, `None` if there are not as many steps.
    """

    def fail(at: int, name: str) -> None:
        if at == step:
            raise OSError(error, os.strerror(error), str(path))

    with failing_steps(fail, FAILING) as taken:
        try:
            operation(path)
        except (MlingEmbedError, OSError) as raised:
            return f"{type(raised).__name__}: {raised}"
    return None if len(taken) <= step else UNTOLD


ROWS = [(f"id{n}", f"word{n} word{n + 1}", "de", {"year": n % 3}) for n in range(8)]
MORE = [("id3", "word40 word41", "fr", {"year": 1}), ("new", "word50", "en", {"year": 2})]
OPERATIONS: dict[str, dict[str, Any]] = {
    "add": {"do": "add", "rows": MORE[1:]},
    "upsert": {"do": "upsert", "rows": MORE},
    "delete": {"do": "delete", "ids": ["id2", "id5"]},
    "publish": {"do": "publish"},
    "compact": {"do": "compact"},
    "reencode": {"do": "reencode"},
    "rebuild": {"do": "rebuild"},
}


def small_index(path: Path) -> Oracle:
    """Make an index with a generation, a tail and a deletion."""
    oracle = Oracle()
    with Index.create(path, model=MODELS[0]) as index:
        first = [{"do": "add", "rows": ROWS}, {"do": "publish"}, {"do": "delete", "ids": ["id7"]}]
        for operation in [*first, {"do": "add", "rows": [("tail", "word9 word1", "en", {"year": 0})]}]:
            carry_out(index, operation, oracle)
            oracle = oracle.after(operation)
    return oracle


def doing(operation: Mapping[str, Any], oracle: Oracle) -> Callable[[Path], None]:
    """Return the doing of an operation, `rebuild` among them, on an index that holds what an oracle knows."""

    def act(path: Path) -> None:
        if operation["do"] == "rebuild":
            rebuild_index(path)
            with Index.open(path, model=MODELS[0]) as index:
                index.publish()
            return
        with Index.open(path, model=MODELS[oracle.model]) as index:
            carry_out(index, operation, oracle)

    return act


class Interruption(NamedTuple):
    """Hold where an operation was interrupted (a step of it, or none), and what was wrong with what it left."""

    step: int
    interrupted: bool
    faults: list[str]


def crashes(source: Path, before: Oracle, name: str, folder: Path) -> Iterator[Interruption]:
    """Do an operation on copies of an index, dying at its first step, its second, and so on; the last is not hit."""
    operation = OPERATIONS[name]
    act, after = doing(operation, before), before.after(operation)
    for step in count():
        path = folder / str(step)
        shutil.copytree(source, path)
        code = crash_at(path, act, step)
        faults = [] if code in (0, KILLED) else [f"the child ended with {code}"]
        yield Interruption(step, code != 0, faults + neither(path, [after, before] if code else [after]))
        if not code:
            return


def failures(source: Path, before: Oracle, name: str, folder: Path, error: int) -> Iterator[Interruption]:
    """Do an operation on copies of an index, its first write failing, its second, and so on; the last has none.

    A failure of which nothing is told is that of tidying up: the operation must be done all the same.
    """
    operation = OPERATIONS[name]
    act, after = doing(operation, before), before.after(operation)
    for step in count():
        path = folder / str(step)
        shutil.copytree(source, path)
        told = fail_at(path, act, step, error)
        done = told in (None, UNTOLD)
        faults = [] if done or str(path) in str(told) else [f"{told} names no file"]
        yield Interruption(step, told is not None, faults + neither(path, [after] if done else [after, before]))
        if told is None:
            return


def neither(path: Path, states: Sequence[Oracle]) -> list[str]:
    """Return nothing if an index holds what one of several oracles knows, else what is wrong by the last of them."""
    faults: list[str] = []
    try:
        model = model_of(path)
    except MlingEmbedError as error:
        return [f"{type(error).__name__}: {error}"]
    for state in (state for state in states if state.model == model):
        faults = faults_or_error(path, state, random.Random(0), n_queries=1)
        if not faults:
            return []
    return faults or [f"the index has model {model}"]


# --- corruption

PAGE = 4096


class Damage(NamedTuple):
    """Hold where and how a file was damaged."""

    file: str
    how: str
    at: int


def damage(folder: Path, chance: random.Random) -> Damage:
    """Damage one file of an index: a bit flipped, the end cut off, a page or some bytes zeroed."""
    everything = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    path = chance.choice([each for each in everything if each.suffix not in (".lock", ".json") or "MANI" in each.name])
    data = bytearray(path.read_bytes())
    how = chance.choice(["bit", "bit", "cut", "page", "bytes"])
    at = chance.randrange(len(data))
    match how:
        case "bit":
            data[at] ^= 1 << chance.randrange(8)
        case "cut":
            del data[at:]
        case "page":
            at -= at % PAGE
            data[at : at + PAGE] = bytes(len(data[at : at + PAGE]))
        case "bytes":
            length = min(64, len(data) - at)
            data[at : at + length] = chance.randbytes(length)
    path.write_bytes(data)
    return Damage(path.relative_to(folder).as_posix(), how, at)


def answers_by_words(folder: Path, oracle: Oracle) -> list[list[tuple[str, float]]]:
    """Return the ids and scores that a hybrid search answers with, to a few queries that are always the same."""
    queries = ["word1 word2 word3", "word7", "word11 word59"]
    with Index.open(folder, model=MODELS[oracle.model]) as index:
        return [[(hit.id, hit.score) for hit in hits] for hits in index.search(queries, 5, hybrid=True)]


class Verdict(NamedTuple):
    """Hold what became of a damage: ``detected`` or ``harmless``, where, and wrong answers if there were any."""

    outcome: str
    where: str
    wrong: list[str]


def judge(
    folder: Path, oracle: Oracle, chance: random.Random, *, by_words: list[list[tuple[str, float]]] | None = None
) -> Verdict:
    """Open, ask and verify a damaged index: an error is a detection, an answer must be right.

    Args:
        folder: The damaged index.
        oracle: What it should hold.
        chance: Draws queries.
        by_words: What `answers_by_words` gave before the damage; not asked by default.
    """
    try:
        with Index.open(folder, model=MODELS[oracle.model]) as index:
            n_rows = index.count()
    except (MlingEmbedError, OSError) as error:
        return Verdict("detected", f"open: {error}", [])
    if n_rows != len(oracle.documents):
        return Verdict("wrong", "open", [f"{n_rows} rows"])
    try:
        wrong = faults_of(folder, oracle, chance=chance, verify=False)
        if by_words is not None and answers_by_words(folder, oracle) != by_words:
            wrong.append("a hybrid search has other answers")
    except (MlingEmbedError, OSError) as error:
        return Verdict("detected", f"return: {error}", [])
    with Index.open(folder, model=MODELS[oracle.model]) as index:
        found = index.verify()
    if wrong:
        return Verdict("wrong", "answers", wrong)
    return Verdict("harmless", "", []) if found.whole else Verdict("detected", f"verify: {found.problems[0]}", [])


def attacked_index(folder: Path, *, log: bool) -> Oracle:
    """Make an index with everything that can be damaged: a generation, a tail, deletions.

    Args:
        folder: Where.
        log: Whether its commits stand in the write-ahead log, as after a crash, or in the file itself.
    """
    live = folder.with_name(f"{folder.name}-live")
    chance, oracle = random.Random(7), Oracle()
    with Index.create(live, model=MODELS[0]) as index:
        for number, operation in enumerate(operations(chance, oracle)):
            if operation["do"] in ("reencode", "compact"):
                operation = {"do": "publish"}
            carry_out(index, operation, oracle)
            oracle = oracle.after(operation)
            if number > 40 and len(oracle.documents) > 40:
                break
        index.publish()
        for number, operation in enumerate(operations(chance, oracle)):
            if operation["do"] in ("add", "upsert", "delete"):
                carry_out(index, operation, oracle)
                oracle = oracle.after(operation)
            else:
                continue
            if number > 6:
                break
        if log:
            shutil.copytree(live, folder)
    if not log:
        shutil.copytree(live, folder)
    return oracle
