from __future__ import annotations

import random
import sqlite3

import pytest

from mling_embed.indexing.storage import full_text


def test_the_sums_of_pages_follow_every_change() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    sums = full_text.PageSums(connection)
    full_text.create(connection)
    full_text.watch(connection)
    known = full_text.page_sums(connection)
    chance, there, number, most = random.Random(0), {}, 0, 0
    for batch in range(120):
        connection.execute("BEGIN")
        sums.begin()
        fresh = {number + n: " ".join(f"w{chance.randrange(3000)}" for _ in range(6)) for n in range(1, 40)}
        number += len(fresh)
        full_text.add(connection, fresh.items())
        gone = {row: there.pop(row) for row in chance.sample(sorted(there), min(5, len(there)))}
        full_text.remove(connection, gone.items())
        there |= fresh
        if batch == 100:
            full_text.clear(connection)
            full_text.add(connection, there.items())
        known = sums.after(known)
        connection.execute("COMMIT")
        most = max(most, len(known))
        assert known == full_text.page_sums(connection)
    assert most > 10  # segments were merged in between
    assert full_text.fault(connection, there.items()) == ""


@pytest.mark.parametrize("segment", [None, "1", 1.5, -1, 1 << 40, b""])
def test_a_segment_that_is_no_number_of_one_is_another_sum(segment: object) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    full_text.create(connection)
    full_text.add(connection, [(1, "there")])
    known = full_text.page_sums(connection)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("CREATE TABLE other_idx AS SELECT segid, term, pgno FROM full_text_idx")
    connection.execute("DROP TABLE full_text_idx")
    connection.execute("ALTER TABLE other_idx RENAME TO full_text_idx")
    connection.execute("UPDATE full_text_idx SET segid = ?", (segment,))
    assert full_text.page_sums(connection) != known


def test_what_is_undone_leaves_the_sums_as_they_were() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    sums = full_text.PageSums(connection)
    full_text.create(connection)
    full_text.watch(connection)
    known = full_text.page_sums(connection)
    connection.execute("BEGIN")
    sums.begin()
    full_text.add(connection, [(1, "gone")])
    assert sums.after(known) != known
    connection.execute("ROLLBACK")
    assert full_text.page_sums(connection) == known
    connection.execute("BEGIN")
    sums.begin()
    full_text.add(connection, [(2, "there")])
    assert sums.after(known) == full_text.page_sums(connection)
