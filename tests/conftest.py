"""Shapes and types in annotations are checked while the tests run; no test depends on the machine's speed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# A protocol can be checked at run time only if it says so.
install_import_hook("mling_embed", "beartype.beartype")

settings.register_profile("mling_embed", deadline=None)
settings.load_profile("mling_embed")

# Loaded after the hook above, so that what they import is checked too.
pytest_plugins = ("tiny_encoders", "tiny_trainings")


@pytest.fixture(scope="session")
def tiny_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a real encoder, small and untrained: a BERT of two layers with mean pooling and unit norm."""
    import string

    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import WordPiece
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [*string.ascii_lowercase, *string.digits, *".,!?'-:"]
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters), "the", "station", "where", "##ing"]
    tokenizer = Tokenizer(WordPiece({piece: place for place, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    folder = tmp_path_factory.mktemp("tiny_teacher")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names).save_pretrained(folder / "bert")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        bert = BertModel(BertConfig(vocab_size=len(pieces), max_position_embeddings=64, **shape))
    bert.save_pretrained(folder / "bert")
    words = Transformer(str(folder / "bert"), max_seq_length=48)
    model = SentenceTransformer(modules=[words, Pooling(32, pooling_mode="mean"), Normalize()], device="cpu")
    model.save(str(folder / "model"), create_model_card=False)
    return folder / "model"
