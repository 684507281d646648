"""Students of any family are trained whole; what takes known parts is refused before the teacher's work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from sentence_transformers import SentenceTransformer
from tiny_encoders import tokenizer_of
from tiny_trainings import tiny_training

from mling_embed.distillation.config import read_config
from mling_embed.distillation.run import run
from mling_embed.encoders.anatomy import encoder_of, token_embedding
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.errors import UsageError

_BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}
_DEBERTA = _BERT | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}
_XLM = {
    "emb_dim": 32,
    "n_layers": 2,
    "n_heads": 2,
    "max_position_embeddings": 64,
    "pad_index": 0,
    "embed_init_std": 0.3,
}
_T5 = {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 2, "pad_token_id": 0}
# Family -> its model, its configuration, and the family whose tokenizer it has here.
OTHER_FAMILIES: dict[str, tuple[str, dict[str, Any], str]] = {
    "camembert": ("CamembertModel", _BERT | {"pad_token_id": 1}, "xlm-roberta"),
    "deberta": ("DebertaModel", _DEBERTA, "bert"),
    "deberta-v2": ("DebertaV2Model", _DEBERTA | {"position_biased_input": False}, "bert"),
    "electra": ("ElectraModel", _BERT | {"embedding_size": 16}, "bert"),
    "albert": ("AlbertModel", _BERT | {"embedding_size": 16}, "bert"),
    "xlm": ("XLMModel", _XLM, "bert"),
    "t5": ("T5EncoderModel", _T5, "bert"),
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[[str], Path]:
    def make(family: str) -> Path:
        name, shape, tokens = OTHER_FAMILIES[family]
        tokenizer = tokenizer_of(tokens)
        kind = getattr(transformers, name)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            kind(kind.config_class(vocab_size=len(tokenizer), **shape)).save_pretrained(tmp_path / family)
        tokenizer.save_pretrained(tmp_path / family)
        return tmp_path / family

    return make


@pytest.mark.parametrize("family", list(OTHER_FAMILIES))
def test_any_family_is_trained_whole(family: str, checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    student = load_sentence_transformer(checkpoint(family), device="cpu")
    before = {name: value.clone() for name, value in student.state_dict().items()}
    changes = {"max_steps": 2, "warmup_ratio": 0.0, "eval_steps": 9, "save_steps": 9, "tokens_per_batch": 300}
    _, state = tiny_training(tmp_path, tmp_path / "training", student=student, changes=changes)
    assert state.step == 2
    table = token_embedding(student).weight.detach()
    place = next(name for name, value in before.items() if value.shape == table.shape)
    changed = (table != before[place]).any(dim=1)
    assert changed[5:90].sum() > 50
    assert not changed[90:].any()  # no sentence holds them: the gradient is sparse
    others = [name for name, value in before.items() if value.ndim == 2 and "pooler" not in name]
    assert len(others) >= 10  # ALBERT has one layer, over and over
    assert sum(not torch.equal(student.state_dict()[name], before[name]) for name in others) > 0.8 * len(others)
    student.save(str(tmp_path / "saved"), create_model_card=False)
    again = SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    np.testing.assert_allclose(again.encode(["the museum"]), student.encode(["the museum"]), atol=1e-6)


def config_of(out: Path, teacher: Path, *settings: str, **student: Any) -> Any:
    pairs = out.with_name("pairs.tsv")
    pairs.write_text("".join(f"the station {row}\tder Bahnhof {row}\n" for row in range(30)), encoding="utf-8")
    data = {"pairs": [f"{pairs}:de"], "decontaminate": False}
    return read_config(
        None, {"out": out, "teacher": {"name": str(teacher)}, "data": data, "student": student}, settings
    )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["student.layers=1"], "a ElectraModel are not known, so layers cannot be left out"),
        (["student.trim_vocabulary=true"], "a ElectraModel are not known, so its vocabulary cannot be trimmed"),
        (["train.layer_learning_rate_decay=0.9"], "so its layers cannot have rates of their own"),
        (["train.trained_layers=1"], "so its layers cannot have rates of their own"),
    ],
)
def test_changes_to_unknown_parts_are_refused_before_the_teachers_work(
    settings: list[str], told: str, checkpoint: Callable[[str], Path], tiny_teacher: Path, tmp_path: Path
) -> None:
    student = {"kind": "pretrained", "name": str(checkpoint("electra"))}
    with pytest.raises(UsageError, match=f"{told}; known are BertModel.*Train it whole"):
        run(config_of(tmp_path / "run", tiny_teacher, *settings, **student))
    assert steps(tmp_path / "run") == ["teacher", "corpus"]


def test_layers_that_are_not_there_are_refused_before_the_teachers_work(tiny_teacher: Path, tmp_path: Path) -> None:
    student = {"kind": "pretrained", "name": str(tiny_teacher)}
    with pytest.raises(UsageError, match="cannot keep 3 of 2 layers"):
        run(config_of(tmp_path / "run", tiny_teacher, "student.layers=3", **student))
    assert steps(tmp_path / "run") == ["teacher", "corpus"]


def test_more_layers_than_there_are_cannot_be_trained(tiny_teacher: Path, tmp_path: Path) -> None:
    student = {"kind": "pretrained", "name": str(tiny_teacher), "layers": 1}
    with pytest.raises(UsageError, match="cannot train 2 of 1 layers"):
        run(config_of(tmp_path / "run", tiny_teacher, "train.trained_layers=2", **student))
    assert steps(tmp_path / "run") == ["teacher", "corpus"]


def test_a_transplant_of_an_unknown_family_is_refused_before_the_teachers_work(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"a AlbertModel are not known, so its vocabulary cannot be replaced.*static"):
        run(config_of(tmp_path / "run", checkpoint("albert"), kind="transplant"))
    assert steps(tmp_path / "run") == ["teacher", "corpus"]


def test_a_static_encoder_is_no_start(static_folder: Path, tiny_teacher: Path, tmp_path: Path) -> None:
    student = {"kind": "pretrained", "name": str(static_folder)}
    with pytest.raises(UsageError, match="starts with a StaticEmbedding; expected a Transformer"):
        run(config_of(tmp_path / "run", tiny_teacher, **student))
    assert steps(tmp_path / "run") == ["teacher", "corpus"]


@pytest.fixture
def static_folder(tmp_path: Path) -> Path:
    from mling_embed.encoders.static import StaticEncoder

    backend = tokenizer_of("bert").backend_tokenizer
    table = np.random.default_rng(0).normal(size=(backend.get_vocab_size(), 32)).astype(np.float32)
    StaticEncoder(backend, table).save(tmp_path / "static")
    return tmp_path / "static"


def test_the_family_is_told_by_the_model(checkpoint: Callable[[str], Path]) -> None:
    assert type(encoder_of(load_sentence_transformer(checkpoint("xlm"), device="cpu"))).__name__ == "XLMModel"


def steps(out: Path) -> list[str]:
    lines = (out / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["step"] for line in lines]
