"""Mutate folders of every kind of encoder and load them: errors of ours, or the encoder that the files say.

From a seed of each kind, folders are made with files that are missing, empty, cut short, of flipped bits, swapped with
each other or with those of another kind's folder, under other names; with weights renamed, left out, of other sizes or
not numbers; with values of the JSON files changed, removed or of other types. Each goes through `load`, as a word of
the command line does. Anything but an encoder, or an error of wrong usage, bad data or damaged files, is a failure. So
is an encoder that is not right: it must give finite vectors that tell texts apart, short and long ones in one batch,
and they must be those of plain sentence-transformers, which gives the same ones each time it loads the folder - what
it fills in at random, it fills in otherwise the next time.

python benchmarks/fuzz_loaders.py [--folders 300] [--kinds static,plain] [--seed 0] [--out counts.json]
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, StaticEmbedding, Transformer
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram, WordPiece
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel
from transformers.utils import logging as transformers_logging

from mling_embed.encoders.loading import load
from mling_embed.encoders.model_folder import write_model
from mling_embed.encoders.static import StaticEncoder
from mling_embed.errors import DamagedFileError, DataError, MlingEmbedError, UsageError
from mling_embed.files import write_json

TEXTS = ("the old station", "she bought bread", "der alte Bahnhof", "no", "old " * 90, "bread " * 90)
LETTERS = [*"abcdefghijklmnopqrstuvwxyzабвгдежзийклмнопрстуфхцчшщъыьэюяäöü", *".,?", "駅", "は", "ど", "こ"]
WORDS = ["the", "old", "station", "bread", "she", "bought", "der", "alte", "Bahnhof", "no", "man", "is"]
SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}
PROMPT = {"query": "query: ", "document": ""}


def wordpiece() -> PreTrainedTokenizerFast:
    """Return a tokenizer of letters and a few words."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *LETTERS, *(f"##{letter}" for letter in LETTERS), *(word.lower() for word in WORDS)]
    backend = Tokenizer(WordPiece({piece: row for row, piece in enumerate(pieces)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=64, **names)


def unigram() -> PreTrainedTokenizerFast:
    """Return a tokenizer of the same letters and words, as SentencePiece has it."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [*special, "▁", *LETTERS, *(f"▁{word}" for word in WORDS)]
    backend = Tokenizer(
        Unigram([(piece, 0.0 if row < 4 else -9.0 + len(piece)) for row, piece in enumerate(pieces)], 3)
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"bos_token": "<s>", "cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names)


def plain(folder: Path) -> None:
    """Write a transformers folder: a BERT and its tokenizer."""
    tokenizer = wordpiece()
    BertModel(BertConfig(vocab_size=len(tokenizer), **SHAPE)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def counting_from_padding(folder: Path) -> None:
    """Write a transformers folder of the RoBERTa kind, whose tokenizer says nothing of a longest text."""
    tokenizer = unigram()
    config = XLMRobertaConfig(vocab_size=len(tokenizer), pad_token_id=1, bos_token_id=0, eos_token_id=2, **SHAPE)
    XLMRobertaModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def transformer(folder: Path) -> None:
    """Write a folder as a distillation writes it: with prompts and a head."""
    plain(folder.with_name("body"))
    body = Transformer(str(folder.with_name("body")))
    modules = [body, Pooling(32, pooling_mode="mean"), Dense(32, 16, activation_function=None), Normalize()]
    write_model(SentenceTransformer(modules=modules, prompts=PROMPT, device="cpu"), folder)


def foreign(folder: Path) -> None:
    """Write a sentence-transformers folder as version 2 wrote it."""
    plain(folder)
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for place, (path, kind) in enumerate(kinds)
    ]
    write_json(folder / "modules.json", modules)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": False})
    pooling = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    write_json(folder / "1_Pooling" / "config.json", pooling)
    write_json(folder / "config_sentence_transformers.json", {"__version__": {"sentence_transformers": "2.2.2"}})


def _table(rows: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, 24)).astype(np.float32)


def static(folder: Path) -> None:
    """Write a static student."""
    backend = unigram().backend_tokenizer
    StaticEncoder(backend, _table(backend.get_vocab_size())).save(folder)


def static_mean(folder: Path) -> None:
    """Write a static encoder that does not normalise, under the names of model2vec's weights."""
    backend = wordpiece().backend_tokenizer
    model = SentenceTransformer(modules=[StaticEmbedding(backend, embedding_weights=_table(backend.get_vocab_size()))])
    write_model(model, folder)
    path = next(folder.rglob("model.safetensors"))
    save_file({"embeddings": load_file(path)["embedding.weight"]}, path)


KINDS: dict[str, Callable[[Path], None]] = {
    "static": static,
    "static_mean": static_mean,
    "transformer": transformer,
    "foreign": foreign,
    "plain": plain,
    "counting_from_padding": counting_from_padding,
}


def seeds(folder: Path, kinds: list[str]) -> dict[str, Path]:
    """Write a valid folder of each kind; return where."""
    for kind in kinds:
        torch.manual_seed(0)
        KINDS[kind](folder / kind / "model")
    return {kind: folder / kind / "model" for kind in kinds}


def files_of(folder: Path) -> list[Path]:
    """Return the files of a folder, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


Mutation = Callable[[Path, Path, random.Random], None]


def lose(folder: Path, _donor: Path, dice: random.Random) -> None:
    """Remove a file."""
    dice.choice(files_of(folder)).unlink()


def cut(folder: Path, _donor: Path, dice: random.Random) -> None:
    """Cut the end off a file, or all of it."""
    path = dice.choice(files_of(folder))
    data = path.read_bytes()
    path.write_bytes(data[: dice.choice((0, len(data) // 2, max(0, len(data) - 1), dice.randint(0, len(data))))])


def flip(folder: Path, _donor: Path, dice: random.Random) -> None:
    """Flip some bits of a file."""
    path = dice.choice([path for path in files_of(folder) if path.stat().st_size])
    data = bytearray(path.read_bytes())
    for _ in range(dice.randint(1, 8)):
        place = dice.randrange(min(len(data), dice.choice((64, len(data)))))
        data[place] ^= 1 << dice.randrange(8)
    path.write_bytes(bytes(data))


def swap(folder: Path, _donor: Path, dice: random.Random) -> None:
    """Swap two files of one suffix."""
    one = dice.choice(files_of(folder))
    two = dice.choice([path for path in files_of(folder) if path.suffix == one.suffix])
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def borrow(folder: Path, donor: Path, dice: random.Random) -> None:
    """Take a file of another kind's folder in place of one of the same name, or beside the others."""
    theirs = dice.choice(files_of(donor))
    ours = [path for path in files_of(folder) if path.name == theirs.name]
    shutil.copyfile(theirs, dice.choice(ours) if ours else folder / theirs.name)


def rename(folder: Path, _donor: Path, dice: random.Random) -> None:
    """Give a file another name, or put it into another folder."""
    path = dice.choice(files_of(folder))
    names = ("pytorch_model.bin", "config.json", "adapter_config.json", f"old-{path.name}", f"inside/{path.name}")
    target = path.parent / dice.choice(names)
    target.parent.mkdir(exist_ok=True)
    path.replace(target)


def reweigh(folder: Path, _donor: Path, dice: random.Random) -> None:
    """Rename weights, leave some out, give one another size, type or value."""
    path = dice.choice([path for path in files_of(folder) if path.suffix == ".safetensors"] or [folder / "none"])
    try:
        weights = load_file(path)
    except Exception:  # an earlier mutation's
        return
    if not weights:
        return
    name = dice.choice(sorted(weights))
    match dice.randrange(8):
        case 0:
            weights = {f"encoder_q.{key}": value for key, value in weights.items()}
        case 1:
            del weights[name]
        case 2:
            weights = {key: value for key, value in weights.items() if dice.random() < 0.5}
        case 3:
            weights[name] = torch.cat([weights[name], weights[name]]).contiguous()
        case 4:
            weights[name] = weights[name][: len(weights[name]) // 2].contiguous()
        case 5:
            weights = {key: value.half() for key, value in weights.items()}
        case 6:
            weights[name] = torch.full_like(weights[name], float("nan"))
        case _:
            weights[f"{name}_"] = weights.pop(name)
    save_file(weights, path, metadata={"format": "pt"})


VALUES: tuple[Any, ...] = (
    None,
    0,
    -1,
    1,
    7,
    100_000,
    0.5,
    "",
    "x",
    "BertModel",
    [],
    {},
    True,
    "sentence_transformers.models.BERT",
)


def edit(folder: Path, _donor: Path, dice: random.Random) -> None:
    """Change a value of a JSON file, or remove it."""
    path = dice.choice([path for path in files_of(folder) if path.suffix == ".json"] or [folder / "none.json"])
    try:
        whole = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return
    part: Any = whole
    while isinstance(part, dict | list) and part:
        key = dice.choice(sorted(part)) if isinstance(part, dict) else dice.randrange(len(part))
        if isinstance(part[key], dict | list) and part[key] and dice.random() < 0.8:
            part = part[key]
            continue
        if dice.random() < 0.25:
            del part[key]
        elif isinstance(part[key], int) and dice.random() < 0.6:
            part[key] = dice.choice((part[key] * 2, part[key] // 2, part[key] + 1, part[key] + 1000))
        else:
            part[key] = dice.choice(VALUES)
        break
    path.write_text(json.dumps(whole), encoding="utf-8")


MUTATIONS: tuple[Mutation, ...] = (lose, cut, flip, swap, borrow, rename, reweigh, reweigh, edit, edit, edit)


def mutate(seed: Path, donors: list[Path], folder: Path, dice: random.Random) -> str:
    """Write a mutated copy of a seed, changed once or twice; return what was done."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(seed, folder)
    done = []
    for _ in range(dice.choice((1, 1, 2))):
        mutation = dice.choice(MUTATIONS)
        mutation(folder, dice.choice(donors), dice)
        done.append(mutation.__name__)
    return "+".join(done)


def outcome_of(folder: Path) -> str:
    """Return what comes of a folder: ``encoder``, or the kind of error; anything else is raised."""
    torch.manual_seed(1)
    try:
        encoder = load(folder, device="cpu")
    except (UsageError, DataError, DamagedFileError) as error:
        if str(folder) not in str(error) or "\n" in str(error):
            raise ArithmeticError(f"no good error: {error}") from error
        return type(error).__name__
    vectors = encoder.encode(TEXTS)
    if vectors.shape != (len(TEXTS), encoder.dim) or not np.isfinite(vectors).all():
        raise ArithmeticError(f"vectors of shape {vectors.shape}, {np.isfinite(vectors).mean():.0%} finite")
    if len(np.unique(vectors.round(6), axis=0)) < 2:
        raise ArithmeticError("one vector for all texts")
    for seed in (2, 3):
        torch.manual_seed(seed)
        model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": "float32"}).float()
        if encoder.max_seq_length is not None:
            model.max_seq_length = encoder.max_seq_length
        theirs = model.encode(list(TEXTS), batch_size=len(TEXTS))
        if not np.allclose(vectors, theirs, atol=1e-4 * max(1.0, float(np.abs(theirs).max()))):
            raise ArithmeticError(f"vectors differ from sentence-transformers' by {np.abs(vectors - theirs).max():.3g}")
    return "encoder"


def fuzz(kind: str, n_folders: int, folder: Path, places: dict[str, Path], *, seed: int = 0) -> dict[str, Any]:
    """Return the counts of outcomes of mutated folders of a kind, its failures, and the longest time of one folder."""
    counts, failures, longest = Counter[str](), list[str](), 0.0
    donors = [place for name, place in places.items() if name != kind] or [places[kind]]
    for number in range(n_folders):
        dice = random.Random(f"{seed} {kind} {number}")
        done = mutate(places[kind], donors, folder, dice)
        began = time.process_time()
        try:
            counts[outcome_of(folder)] += 1
        except (Exception, MlingEmbedError):
            counts["failure"] += 1
            failures.append(f"{kind} {number} {done}:\n{traceback.format_exc()}")
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            counts["failure"] += 1
            failures.append(f"{kind} {number} {done}: {error}")
        longest = max(longest, time.process_time() - began)
    return {"folders": n_folders, "outcomes": dict(sorted(counts.items())), "longest": longest, "failures": failures}


def main() -> None:
    """Parse the options, mutate, print the counts; exit 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folders", type=int, default=300, help="folders of each kind [default: 300]")
    parser.add_argument("--kinds", default=",".join(KINDS), help="kinds, separated by commas [default: all]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where to write the counts as JSON")
    options = parser.parse_args()
    logging.disable()  # what libraries tell of mutated files
    transformers_logging.disable_progress_bar()
    found = {}
    with TemporaryDirectory() as scratch:
        places = seeds(Path(scratch), list(KINDS))
        for kind in options.kinds.split(","):
            found[kind] = fuzz(kind, options.folders, Path(scratch) / "mutated", places, seed=options.seed)
            failures = found[kind].pop("failures")
            found[kind]["failed"] = len(failures)
            print(kind, json.dumps(found[kind]), flush=True)
            for failure in failures[:20]:
                print(failure, file=sys.stderr, flush=True)
    if options.out:
        write_json(options.out, found)
    sys.exit(any(one["failed"] for one in found.values()))


if __name__ == "__main__":
    main()
