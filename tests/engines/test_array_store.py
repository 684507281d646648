"""The array store: what is put is got back, and what was harmed is as good as not there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mling_embed.engines.array_store import ArrayStore, key_of_parts

ARRAYS = {
    "rows": np.arange(6, dtype=np.uint32).reshape(2, 3),
    "scores": np.array([0.5, np.nan]),
    "none": np.empty((0, 4)),
}
KEY = key_of_parts("a", b"b")


def only_file(folder: Path) -> Path:
    (path,) = [each for each in folder.rglob("*") if each.is_file()]
    return path


@pytest.mark.parametrize("on_disk", [True, False])
def test_put_and_get(tmp_path: Path, on_disk: bool) -> None:
    store = ArrayStore(tmp_path if on_disk else None)
    assert (KEY in store, store.get(KEY)) == (False, None)
    store.put(KEY, ARRAYS)
    found = store.get(KEY)
    assert KEY in store
    assert found is not None
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_the_same_arrays_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        ArrayStore(tmp_path / name).put(KEY, ARRAYS)
    assert only_file(tmp_path / "one").read_bytes() == only_file(tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: data[:-3],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:-2] + bytes([data[-2] ^ 1]) + data[-1:],
        lambda data: data + b"more",
    ],
)
def test_harmed_arrays_are_gone(
    tmp_path: Path, harm: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    store = ArrayStore(tmp_path)
    store.put(KEY, {"rows": np.arange(100)})
    path = only_file(tmp_path)
    path.write_bytes(harm(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert store.get(KEY) is None
    assert "is damaged; it is computed again" in caplog.text
    assert KEY not in store


def test_keys_tell_where_a_part_ends() -> None:
    assert key_of_parts("ab", "c") != key_of_parts("a", "bc") != key_of_parts("abc")
    assert key_of_parts("ä") == key_of_parts("ä".encode())
