"""Encoding as a task, and what was encoded ahead taken from the folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mling_embed.encoders.contract import PromptRole
from mling_embed.encoders.loading import as_encoder, load
from mling_embed.encoders.soundness import PROBE
from mling_embed.engines.encoding import EncodeTexts, Model, StoredEncoder, encoding_ahead, read_texts, write_texts
from mling_embed.engines.engine import InProcess
from mling_embed.engines.share import Share, ShareDone
from mling_embed.errors import DataError, UsageError
from mling_embed.progress import silent
from mling_embed.training.targets import TargetStore

TEXTS = ["baran", "kodel", "\u2028", "👩‍👩‍👧‍👦", "", "x" * 500, "mifis"]


def test_what_was_encoded_ahead_is_found(student: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load(student)
    model = Model.of(student, encoder)
    pieces = [TEXTS[:3], [], TEXTS[3:6], TEXTS[6:]]
    tasks = encoding_ahead(pieces, encoder, model, role=PromptRole.PASSAGE, folder=tmp_path)
    assert [(task.start, task.stop, task.is_done()) for task in tasks] == [(0, 3, False), (3, 6, False), (6, 7, False)]
    InProcess().run(tasks, work="x", progress=silent)
    assert all(task.is_done() for task in tasks)

    expected = encoder.encode(TEXTS[3:6], role=PromptRole.PASSAGE)
    stored, told = StoredEncoder(encoder, tmp_path), list[list[int]]()

    def again(*_: object, **__: object) -> None:
        raise RuntimeError("encoded again")

    monkeypatch.setattr(type(encoder), "encode", again)
    found = stored.encode(TEXTS[3:6], role=PromptRole.PASSAGE, done=lambda rows, _: told.append(rows.tolist()))
    assert found.tolist() == expected.tolist()
    assert told == [[0, 1, 2]]
    with pytest.raises(RuntimeError, match=r"encoded again"):  # texts that were not encoded together
        stored.encode(TEXTS[3:5], role=PromptRole.PASSAGE)


def test_a_stored_encoder_is_one(student: str, tmp_path: Path) -> None:
    encoder = load(student)
    stored = StoredEncoder(encoder, tmp_path)
    assert as_encoder(stored) is stored
    assert (stored.dim, stored.fingerprint, stored.device) == (encoder.dim, encoder.fingerprint, "cpu")
    assert stored.encode("baran").tolist() == encoder.encode("baran").tolist()


def test_labels_of_shares_are_the_files_of_one_process(student: str, tmp_path: Path) -> None:
    texts = [f"baran {number}" for number in range(50)]
    alone = TargetStore(load(student), root=tmp_path / "alone")
    expected = alone.compute(texts, rows_per_shard=8).matrix()
    teacher = load(student)
    model = Model.of(student, teacher)
    for number in (2, 1):
        store = TargetStore(teacher, root=tmp_path / "shared")
        with pytest.raises(
            ShareDone, match=rf"share {number}/2 of teacher targets is done \({4 if number == 1 else 3} of 7\)"
        ):
            store.compute(texts, rows_per_shard=8, elsewhere=(Share(number, 2), model))
    store = TargetStore(teacher, root=tmp_path / "shared")
    assert store.compute(texts, rows_per_shard=8).matrix().tolist() == expected.tolist()
    files = [sorted(path.name for path in each.folder.iterdir()) for each in (alone, store)]
    assert files[0] == files[1]
    assert len(files[0]) == 7 + 1


def test_texts_are_written_once_and_read_in_parts(tmp_path: Path) -> None:
    path = write_texts(tmp_path, TEXTS)
    before = path.stat().st_mtime_ns
    assert write_texts(tmp_path, TEXTS) == path
    assert path.stat().st_mtime_ns == before
    assert read_texts(path, 2, 5) == TEXTS[2:5]


def test_models_that_cannot_be_sent(student: str, tmp_path: Path) -> None:
    encoder = load(student)
    with pytest.raises(UsageError, match=r"a StaticEncoder cannot be sent to workers. Save it, and give its folder"):
        Model.of(encoder, encoder)
    model = Model.of(student, encoder)
    task = EncodeTexts(model, None, write_texts(tmp_path, ["a"]), 0, 1, tmp_path, "0" * 64)
    with pytest.raises(DataError, match=r"no such model on the machine .*Put it on a folder that all machines see"):
        dataclasses.replace(task, model=dataclasses.replace(model, name=str(tmp_path / "none"))).run()
    with pytest.raises(DataError, match=r"is another one .*Copy the same model to all machines"):
        dataclasses.replace(task, model=dataclasses.replace(model, fingerprint="f" * 64)).run()
    with pytest.raises(DataError, match=r"none.arrow: no such file on the machine .*--work FOLDER"):
        dataclasses.replace(task, texts=tmp_path / "none.arrow").run()


def test_vectors_that_are_not_finite(student: str, tmp_path: Path) -> None:
    from mling_embed.encoders.static import StaticEncoder

    tokenizer = load(student).tokenizer
    table = np.random.default_rng(0).normal(size=(tokenizer.get_vocab_size(), 4)).astype(np.float32)
    looked_at = {row for encoding in tokenizer.encode_batch(list(PROBE)) for row in encoding.ids}
    words = {
        word: set(tokenizer.encode(word).ids) - looked_at for word in ("baran", "kodel", "xylophone", "7", "%", "+")
    }
    word = next(word for word, others in words.items() if others)
    table[list(words[word])] = np.inf
    StaticEncoder(tokenizer, table).save(tmp_path / "model", model_card="")
    encoder = load(tmp_path / "model")
    model = Model.of(tmp_path / "model", encoder)
    task = EncodeTexts(model, None, write_texts(tmp_path, [word, "the"]), 0, 2, tmp_path, "0" * 64)
    with pytest.raises(DataError, match=r"vector 0 is not finite. Look at the encoder"):
        task.run()
