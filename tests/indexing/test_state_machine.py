"""A state machine compares the index with a brute force under every order of changes, reopening and kills."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path

import faiss
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from index_crashes import LANGUAGES, MODELS, WORDS, Oracle, carry_out, in_a_child

from mling_embed.indexing.index import Index

IDS = st.sampled_from([f"id{number}" for number in range(12)])
TEXTS = st.lists(st.sampled_from(WORDS[:6]), max_size=3).map(" ".join)  # few words: many equal vectors, also of zeros
ROWS = st.lists(
    st.tuples(IDS, TEXTS, st.sampled_from(LANGUAGES), st.integers(0, 2).map(lambda year: {"year": year})),
    max_size=4,
    unique_by=lambda row: row[0],
)


class IndexMachine(RuleBasedStateMachine):
    """Change an index and an oracle alike."""

    @initialize()
    def create(self) -> None:
        faiss.omp_set_num_threads(1)
        self.folder = Path(tempfile.mkdtemp())
        self.oracle = Oracle()
        self.index = Index.create(self.folder / "index", model=MODELS[0])

    def teardown(self) -> None:
        if hasattr(self, "index"):
            self.index.close()
            shutil.rmtree(self.folder)

    def _do(self, operation: dict[str, object]) -> None:
        carry_out(self.index, operation, self.oracle)
        self.oracle = self.oracle.after(operation)

    @rule(rows=ROWS)
    def upsert(self, rows: list[tuple[str, str, str, dict[str, int]]]) -> None:
        # A row that is there already, as it is, keeps its age.
        fresh = [row for row in rows if self.oracle.documents.get(row[0]) != row[1:]]
        if rows:
            carry_out(self.index, {"do": "upsert", "rows": rows}, self.oracle)
            self.oracle = self.oracle.after({"do": "upsert", "rows": fresh})

    @rule(rows=ROWS)
    def add(self, rows: list[tuple[str, str, str, dict[str, int]]]) -> None:
        fresh = [row for row in rows if row[0] not in self.oracle.documents]
        if fresh:
            self._do({"do": "add", "rows": fresh})

    @precondition(lambda self: self.oracle.documents)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.oracle.documents)), min_size=1, max_size=3, unique=True))
        self._do({"do": "delete", "ids": ids})

    @rule(kind=st.sampled_from([None, "flat"]))
    def publish(self, kind: str | None) -> None:
        self.index.publish(kind=kind)

    @rule()
    def compact(self) -> None:
        self._do({"do": "compact"})

    @rule()
    def reencode(self) -> None:
        self._do({"do": "reencode"})

    @rule()
    def reopen(self) -> None:
        self.index.close()
        self.index = Index.open(self.folder / "index", model=MODELS[self.oracle.model])

    @rule(rows=ROWS.filter(bool))
    def another_process_adds_and_is_killed(self, rows: list[tuple[str, str, str, dict[str, int]]]) -> None:
        fresh = [row for row in rows if row[0] not in self.oracle.documents]
        if not fresh:
            return

        def work() -> None:
            other = Index.open(self.folder / "index", model=MODELS[self.oracle.model])
            carry_out(other, {"do": "add", "rows": fresh}, self.oracle)
            os.kill(os.getpid(), 9)

        assert in_a_child(work) == -9
        self.oracle = self.oracle.after({"do": "add", "rows": fresh})

    @invariant()
    def answers_are_those_of_the_brute_force(self) -> None:
        if not hasattr(self, "index"):
            return
        assert self.index.count() == len(self.oracle.documents)
        chance = random.Random(len(self.oracle.documents))
        query = " ".join(chance.choices(WORDS[:6], k=2))
        for k in (1, 3, 20):
            assert [hit.id for hit in self.index.search(query, k)] == self.oracle.answer(query, k)
        for language in sorted({document.language for document in self.oracle.documents.values()}):
            found = [hit.id for hit in self.index.search(query, 3, [language])]
            assert found == self.oracle.answer(query, 3, lambda document: document.language == language)  # noqa: B023
        if any(document.metadata["year"] == 1 for document in self.oracle.documents.values()):
            found = [hit.id for hit in self.index.search(query, 3, where={"year": 1})]
            assert found == self.oracle.answer(query, 3, lambda document: document.metadata["year"] == 1)


TestIndexMachine = IndexMachine.TestCase
TestIndexMachine.settings = settings(
    max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
