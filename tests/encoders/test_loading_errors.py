"""Whatever a library raises while it loads an encoder is an error of ours, with the folder and the next step."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers

from mling_embed.encoders.loading import load, load_sentence_transformer
from mling_embed.encoders.loading_errors import loading_errors
from mling_embed.errors import DamagedFileError, DataError, UsageError

SPM = b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02"
OLD = "sentence_transformers.models.BERT"


@pytest.fixture
def copy(tiny_teacher: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_teacher, tmp_path / "model"))


def write_modules(folder: Path, *modules: tuple[str, str]) -> None:
    listed = [{"idx": row, "name": str(row), "path": path, "type": kind} for row, (path, kind) in enumerate(modules)]
    (folder / "modules.json").write_text(json.dumps(listed))


def test_a_sentencepiece_model_alone(tmp_path: Path) -> None:
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.DebertaV2Model(transformers.DebertaV2Config(vocab_size=100, **shape))
    model.save_pretrained(tmp_path / "m")
    (tmp_path / "m" / "spm.model").write_bytes(SPM)
    (tmp_path / "m" / "tokenizer_config.json").write_text('{"vocab_type": "spm"}')
    with pytest.raises(
        DataError, match=r"m: its tokenizer is a SentencePiece model \(spm\.model\), which needs packages that are not"
    ) as told:
        load_sentence_transformer(tmp_path / "m", device="cpu")
    assert told.value.next_step == "Install them: pip install sentencepiece protobuf"


def test_an_adapter(copy: Path) -> None:
    for name in ("modules.json", "config.json"):
        (copy / name).unlink()
    (copy / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "org/base"}')
    with pytest.raises(DataError, match=r"is an adapter \(LoRA\) of org/base, .* pip install peft, or merge it"):
        load(copy)


@pytest.mark.parametrize("inside", [True, False])
def test_a_module_that_no_longer_exists(copy: Path, inside: bool) -> None:
    write_modules(copy, ("0_BERT" if inside else "", OLD))
    if inside:
        shutil.copytree(copy.parent / "model", copy.parent / "0_BERT", ignore=shutil.ignore_patterns("modules.json"))
        (copy.parent / "0_BERT").rename(copy / "0_BERT")
    advice = f"Give {copy / '0_BERT'}, the transformer alone" if inside else "Load it with the version that wrote it"
    with pytest.raises(DataError, match=rf"names {OLD}, which sentence-transformers 6\S+ does not have\. {advice}"):
        load(copy)


@pytest.mark.parametrize("text", ["{", "{}", "[]", "[1]", '[{"type": "x"}]', ""])
def test_a_list_of_modules_that_is_none(copy: Path, text: str) -> None:
    (copy / "modules.json").write_text(text)
    with pytest.raises(DamagedFileError, match=r"modules\.json: (not JSON|is no list of modules)"):
        load(copy)


def test_weights_with_code_of_one_module(copy: Path) -> None:
    (copy / "2_Dense").mkdir()
    (copy / "2_Dense" / "pytorch_model.bin").write_bytes(b"")
    write_modules(
        copy, ("", "sentence_transformers.models.Transformer"), ("2_Dense", "sentence_transformers.models.Dense")
    )
    with pytest.raises(UsageError, match=r"2_Dense: holds only pytorch_model\.bin, a format that can run code"):
        load(copy)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "1_Pooling/config.json", "tokenizer_config.json"])
@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"model": {"type": "Unigram", "unk_id": 99, "vocab": [["a", 0.0]]}}']
)
def test_a_damaged_file_is_told_with_the_folder_and_without_the_network(copy: Path, name: str, data: bytes) -> None:
    (copy / name).write_bytes(data)
    with pytest.raises(DataError, match=f"^{copy}: .*with all of its files, that|^{copy}: its tokenizer") as told:
        load(copy, device="cpu")
    assert "network" not in str(told.value)


def test_a_name_that_the_hub_does_not_give() -> None:
    with pytest.raises(
        DataError, match=r"no-such/model: cannot be loaded as an encoder: .*Check the name and the network"
    ):
        load("no-such/model")


class PanicException(BaseException):
    """Stand for what comes out of Rust code that gave up."""


@pytest.mark.parametrize(
    ("raised", "told", "next_step"),
    [
        (PanicException("index out of bounds"), "PanicException: index out of bounds.", "Check the name"),
        (AttributeError("no\n  such"), "AttributeError: no such.", "Check the name"),
        (KeyError("x"), "KeyError: 'x'.", "Check the name"),
        (
            ImportError("needs `x`. You can: `pip install x-y`."),
            "needs `x`. You can: `pip install x-y`.",
            "Install it: pip install x-y",
        ),
        (ValueError("... set trust_remote_code=True"), "needs code of its own, which is never run here.", "Choose an"),
        (
            RuntimeError("CUDA out of memory. Tried"),
            "does not fit into memory: CUDA out of memory. Tried.",
            "Try another",
        ),
        (FileNotFoundError(2, "No such file", "a/b"), "[Errno 2] No such file: 'a/b'.", "Check the name"),
    ],
)
def test_foreign_errors(raised: BaseException, told: str, next_step: str) -> None:
    with pytest.raises(DataError) as found, loading_errors("some/name"):
        raise raised
    assert found.value.what.endswith(told)
    assert str(found.value.next_step).startswith(next_step)
    assert found.value.where == "some/name"


@pytest.mark.parametrize(
    "raised",
    [
        KeyboardInterrupt(),
        MemoryError(),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "f"),
        PermissionError(13, "no", "f"),
    ],
)
def test_stops_and_what_the_system_says_pass(raised: BaseException) -> None:
    with pytest.raises(type(raised)) as found, loading_errors("some/name"):
        raise raised
    assert found.value is raised


@pytest.fixture
def quiet() -> Callable[[], str]:
    return lambda: str(transformers.utils.logging.get_verbosity())


def test_the_verbosity_of_transformers_stays_as_it_was(copy: Path, quiet: Callable[[], str]) -> None:
    before = quiet()
    load(copy, device="cpu")
    assert quiet() == before
