"""Whether what was loaded is an encoder: weights all from the files, tokens that the table holds, texts told apart."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from tokenizers import Tokenizer
from torch import nn

from mling_embed.encoders.anatomy import position_limit, position_padding
from mling_embed.errors import DataError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Transformer
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

# Of many scripts, so that an encoder of any language knows some of it.
PROBE = (
    "A man is playing a guitar.",
    "The committee will meet again on Tuesday to discuss the budget for next year.",
    "Nein, der Zug um neun Uhr fährt heute nicht.",
    "Где находится вокзал? Πού είναι ο σταθμός;",
    "駅はどこですか。车站在哪里？ 역이 어디예요?",
    "أين المحطة؟ איפה התחנה?",
    "स्टेशन कहाँ है? স্টেশন কোথায়? நிலையம் எங்கே?",
    "สถานีอยู่ที่ไหน ጣቢያው የት ነው? სად არის სადგური? Ո՞ւր է կայարանը",
)
_SPREAD = 1e-6  # of the numbers of different texts' vectors, over the largest number: a hundredth of fp32's rounding
_OWN_TOKENIZER = "Put the tokenizer files that belong to its weights into its folder, as save_pretrained() writes them."
_SHOWN = 3


def require_sound(model: SentenceTransformer, *, where: object) -> None:
    """Refuse a loaded model that would give vectors of nothing, and cut texts to the positions that it has.

    Libraries fill in what files lack: layers by random numbers, a tokenizer by an empty one.

    Args:
        model: As it was loaded just now.
        where: Its folder or name.

    Raises:
        DataError: Weights are missing, tokenizer and token table do not belong together, there is no padding, or
            vectors have another width than the model says, are not finite, or are the same for every text.
    """
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding, Transformer

    place = str(where)
    with _tokenizers_as_they_were(model):
        for module in model.modules():
            if isinstance(module, Transformer):
                _require_weights(module, where=place)
                if module.tokenizer is not None:
                    _require_tokenizer(module, module.tokenizer, where=place)
                    _cut_to_positions(module, where=place)
            elif isinstance(module, StaticEmbedding):
                _require_tokens(module.tokenizer, len(module.embedding.weight), where=place)
        _require_vectors(model, where=place)


def _require_vectors(model: SentenceTransformer, *, where: str) -> None:
    width = model.get_embedding_dimension()
    for encode in _ways(model):
        vectors = np.asarray(encode(list(PROBE), show_progress_bar=False), dtype=np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise DataError(
                f"its vectors have {vectors.shape[-1]} dimensions, where its modules promise {width}.",
                where=where,
                next_step="Correct the dimension in the config.json of its last module.",
            )
        require_different(vectors, where=where)


@contextmanager
def _tokenizers_as_they_were(model: SentenceTransformer) -> Iterator[None]:
    """Take back the padding and truncation that encoding sets in fast tokenizers."""
    found = (getattr(module, "tokenizer", None) for module in model.modules())
    backends = [getattr(tokenizer, "backend_tokenizer", tokenizer) for tokenizer in found]
    before = [(each, each.padding, each.truncation) for each in backends if isinstance(each, Tokenizer)]
    try:
        yield
    finally:
        for backend, padding, truncation in before:
            backend.no_padding()
            backend.no_truncation()
            if padding is not None:
                backend.enable_padding(**padding)
            if truncation is not None:
                backend.enable_truncation(**truncation)


def require_different(vectors: Float32[ndarray, "n dim"], *, where: str | None = None) -> None:
    """Refuse an encoder by its vectors of different texts.

    Raises:
        DataError: They are not finite, or all the same.
    """
    if not np.isfinite(vectors).all() or np.ptp(vectors, axis=0).max() <= _SPREAD * np.abs(vectors).max():
        raise DataError(
            "its vectors are not finite, or all the same.", where=where, next_step="Choose another encoder."
        )


def missing_weights(encoder: PreTrainedModel, *, pooler: bool = False) -> list[str]:
    """Return the names of the weights that loading found in no file, and so filled with random numbers.

    Args:
        encoder: As `from_pretrained` returned it: transformers marks the weights that it has found.
        pooler: Whether to count those of a pooler, which files may lack where nothing reads it.
    """
    return [
        name
        for name, weight in encoder.named_parameters()
        if not getattr(weight, "_is_hf_initialized", False) and (pooler or ".pooler." not in f".{name}.")
    ]


def _require_weights(module: Transformer, *, where: str) -> None:
    outputs = {each.get("method_output_name") for each in module.modality_config.values()}
    missing = missing_weights(module.model, pooler="pooler_output" in outputs)
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
        raise DataError(
            f"{len(missing)} of the {sum(1 for _ in module.model.parameters())} weights of a "
            f"{type(module.model).__name__} are not in its files ({shown}), and would be random numbers.",
            where=where,
            next_step="Give its weights the names of its family: save it with save_pretrained() of the encoder alone, "
            "not of what it was trained in.",
        )


def _require_tokenizer(module: Transformer, tokenizer: PreTrainedTokenizerBase, *, where: str) -> None:
    table = _token_table(module.model)
    if table is not None:
        _require_tokens(tokenizer, table.num_embeddings, where=where)
    if tokenizer.pad_token_id is None:
        raise DataError(
            "its tokenizer has no padding token, which texts of different lengths need.",
            where=where,
            next_step="Give it one (tokenizer.pad_token = tokenizer.eos_token) and save it again.",
        )
    counted_from = position_padding(module.model)
    if counted_from is not None and tokenizer.pad_token_id != counted_from:
        raise DataError(
            f"its tokenizer's padding has the id {tokenizer.pad_token_id}; a {type(module.model).__name__} counts "
            f"positions from its padding id, which is {counted_from}.",
            where=where,
            next_step=_OWN_TOKENIZER,
        )


def _token_table(encoder: PreTrainedModel) -> nn.Embedding | None:
    try:
        table: Any = encoder.get_input_embeddings()
    except NotImplementedError:  # CANINE hashes characters
        return None
    return table if isinstance(table, nn.Embedding) else None


def _require_tokens(tokenizer: Any, rows: int, *, where: str) -> None:
    """Refuse a tokenizer whose ids are not the rows of the token table."""
    vocabulary: Mapping[str, int] = tokenizer.get_vocab()
    token, largest = max(vocabulary.items(), key=lambda entry: entry[1], default=("", -1))
    if largest >= rows:
        raise DataError(
            f"its tokenizer gives ids beyond its token table, which has {rows:,} rows: {token!r} is {largest:,}.",
            where=where,
            next_step=_OWN_TOKENIZER,
        )
    if rows > 2 * len(vocabulary):
        raise DataError(
            f"its tokenizer has {len(vocabulary):,} tokens, its token table {rows:,} rows: the tokenizer's files are "
            "missing, or another model's.",
            where=where,
            next_step=_OWN_TOKENIZER,
        )
    found = [frozenset(ids) for ids in _ids(tokenizer, PROBE)]
    if not frozenset.union(*found) - frozenset.intersection(*found):
        raise DataError(
            "its tokenizer gives the same tokens for different sentences, as if it knew no word.",
            where=where,
            next_step=_OWN_TOKENIZER,
        )


def _ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    if isinstance(tokenizer, Tokenizer):
        return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    ids: list[list[int]] = tokenizer(list(texts), verbose=False)["input_ids"]
    return ids


def _cut_to_positions(module: Transformer, *, where: str) -> None:
    """Let a transformer cut texts where its positions end, whatever its tokenizer's files say."""
    limit, said = position_limit(module.model), module.max_seq_length
    if limit is None or (said is not None and said <= limit):
        return
    logger.warning("%s: it has positions for %d tokens, not %s: texts are cut there", where, limit, said)
    module.max_seq_length = limit


def _ways(model: SentenceTransformer) -> Iterator[Callable[..., Any]]:
    """Yield the ways in which a model encodes: a `Router` without a default has one for queries, one for passages."""
    from sentence_transformers.sentence_transformer.modules import Router

    if isinstance(model[0], Router) and not model[0].default_route:
        yield model.encode_query
        yield model.encode_document
    else:
        yield model.encode
