"""Make static students of a multilingual encoder's labels, and measure what they gain over parallel text alone.

Contestants: the static student of parallel text; the same with sentences without translations, in the corpus's
languages and in others of which there is not one pair, that the encoder labels, as it does the vocabulary; the encoder
exported as a static model, which sees those sentences alone; model2vec's distillation of the encoder, which sees its
tokens alone; and the encoder. Each is measured on the dev split and on Tatoeba, in its own index and in the teacher's.

The encoder is a folder, or a name in $MLING_EMBED_BENCH_MODELS.

python benchmarks/second_generation.py CORPUS POOL OUT [--encoder pretrained] [--sentences 1000] [--unseen 1500]
"""

from __future__ import annotations

import argparse
import io
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import zstandard
from alignment_vectors import model_folder
from head_tests import Bitext, Encoders
from measure import CHOSEN, Measurement, say
from serving_process import PEERS_VARIABLE, python_with

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.distillation.config import read_config
from mling_embed.distillation.run import Distilled, run
from mling_embed.encoders.contract import Encoder
from mling_embed.encoders.loading import encoder_of_model, load, load_sentence_transformer
from mling_embed.encoders.packaged_multilingual import PACKAGED_MULTILINGUAL
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER
from mling_embed.encoders.vocabulary_change import trim_vocabulary
from mling_embed.errors import UsageError
from mling_embed.languages import language_tag
from mling_embed.students.static_of_encoder import export_static
from mling_embed.training.targets import TargetStore

_MODEL2VEC = """
import sys
from model2vec.distill import distill
distill(sys.argv[1], pca_dims=None).save_pretrained(sys.argv[2])
"""
_OF_MODEL2VEC = "skeletoken"  # what its distillation needs
UNSEEN = ("uk", "ro", "sv", "id", "fi", "hu")  # languages of which the corpus holds no pair
ENGLISH_TEXTS = 20_000  # whose tokens model2vec's model has, beside those of the monolingual text
SPEED_TEXTS = 2000
STATIC_ROUNDS = 3


def texts_of(corpus: ParallelCorpus, *splits: Split) -> set[str]:
    """Return the translations of some splits of a corpus; of all by default."""
    tables = [corpus.pairs(language, split) for language in corpus.languages for split in splits or Split]
    return {text for table in tables for text in table.text_list()}


def monolingual(pool: Path, languages: Sequence[str], known: set[str], most: dict[str, int]) -> dict[str, list[str]]:
    """Draw sentences of each language from the pool's translations that are not known: nobody has their English."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for language, text in _translations(pool):
        if language in languages and text not in known:
            found[language][text] = None
    drawn = {}
    for language in languages:
        texts = list(found[language])
        places = np.sort(np.random.default_rng(0).permutation(len(texts))[: most[language]])
        drawn[language] = [texts[place] for place in places]
    return drawn


def _translations(pool: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(pool.glob("train_*.tsv.zst")):
        if "stsb" in path.name:
            continue
        with path.open("rb") as file:
            stream = zstandard.ZstdDecompressor().stream_reader(file)
            for line in io.TextIOWrapper(stream, encoding="utf-8", newline="\n"):
                language, _, text = line.rstrip("\n").split("\t")[:3]
                yield language_tag(language), text


def model2vec_of(folder: Path, texts: Sequence[str], work: Path) -> Encoder:
    """Return model2vec's static model of an encoder, at its defaults but for the width.

    Args:
        folder: Of the encoder.
        texts: The vocabulary is trimmed to theirs first: every one of its tokens goes through the encoder.
        work: A new folder for what is made.

    Raises:
        UsageError: It is not installed: its extras `distill` and `quantization`, here or in a peers' environment.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    python = python_with(_OF_MODEL2VEC)
    if python is None:
        raise UsageError(f"no Python has {_OF_MODEL2VEC}.", next_step=f"Name an environment in ${PEERS_VARIABLE}.")
    body = load_sentence_transformer(folder, device="cpu")
    trim_vocabulary(body, [texts])
    body.save(str(work / "body"), create_model_card=False)
    subprocess.run([python, "-c", _MODEL2VEC, work / "body", work / "made"], check=True)
    made = StaticEmbedding.from_model2vec(str(work / "made"))
    return encoder_of_model(SentenceTransformer(modules=[made], device="cpu"))


def sentences_a_second(encoder: Encoder, texts: Sequence[str]) -> float:
    """Return the speed of the best of some rounds."""
    times = []
    for _ in range(STATIC_ROUNDS):
        began = time.perf_counter()
        encoder.encode(texts)
        times.append(time.perf_counter() - began)
    return len(texts) / min(times)


def dev_bitexts(corpus: ParallelCorpus, encoders: Encoders, limit: int) -> list[Bitext]:
    """Return the dev split, a bitext for each language."""
    found = []
    for language in corpus.languages:
        table = corpus.pairs(language, Split.DEV)
        places = table.first_pairs()[:limit]
        english = corpus.english_texts(table.english_rows[places])
        found.append(Bitext("dev", language, encoders.other(table.text_list(places)), encoders.english(english)))
    return found


def main() -> None:
    """Parse the options, make the students, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a folder that `mling-embed data build` made")
    parser.add_argument("pool", type=Path, help="folder of the shared training pool")
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--encoder", help="a student of the teacher [default: made from 4-bit e5-small]")
    parser.add_argument("--pairs", type=int, default=12_000, help="training pairs of a language")
    parser.add_argument("--sentences", type=int, default=1000, help="without translations, of each of its languages")
    parser.add_argument("--unseen", type=int, default=1500, help="of each language without a pair")
    parser.add_argument("--limit", type=int, default=1000, help="sentences of a test")
    parser.add_argument("--keep", type=Path, help="write the students here")
    options = parser.parse_args()
    result = Measurement("second_generation", seeds=[0])
    corpus = ParallelCorpus.open(options.corpus)
    with TemporaryDirectory() as temporary:
        work = options.keep or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        caps = [f"data.max_pairs_per_language={options.pairs}"]

        def distilled(name: str, settings: Sequence[str] = (), **data: Any) -> Distilled:
            values = {"out": work / name, "data": {"corpus": options.corpus.absolute(), **data}}
            with result.phase(name):
                return run(read_config(None, values, [*caps, *settings]))

        head = ("student.kind=pretrained", f"student.name={PACKAGED_MULTILINGUAL}", "train.max_steps=0")
        encoder = Path(model_folder(options.encoder)) if options.encoder else distilled("encoder", head).model
        parallel = distilled("parallel")
        folders = {"encoder": encoder, "parallel": parallel.model}
        known = texts_of(parallel.corpus) | texts_of(corpus, Split.DEV)
        languages = (*corpus.languages, *UNSEEN)
        most = dict.fromkeys(corpus.languages, options.sentences) | dict.fromkeys(UNSEEN, options.unseen)
        files, counts, in_vocabulary = [], {}, corpus.english_texts()[:ENGLISH_TEXTS]
        for language, texts in monolingual(options.pool, languages, known, most).items():
            in_vocabulary += texts
            path = work / f"{language}.txt"
            path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
            files.append(f"{path}:{language}")
            counts[language] = len(texts)
        labels = (f"teacher.monolingual={encoder}",)
        folders["parallel and monolingual"] = distilled("both", labels, monolingual=files, allow_rejects=True).model
        with result.phase("exported"):
            export_static(encoder, work / "exported", files)
        folders["exported"] = work / "exported"
        models = {name: load(folder) for name, folder in folders.items()}
        with result.phase("model2vec"):
            models["model2vec"] = model2vec_of(encoder, in_vocabulary, work / "model2vec")
        teacher = TargetStore(load(DEFAULT_TEACHER))
        for name, model in models.items():
            with result.phase(f"measuring {name}"):
                measure(result, name, model, corpus, teacher, options.limit)
    for record in result.scores:
        key = f"{record['task']} {record['contestant']}".replace(" ", "_")
        result.figures |= {f"{key}_teacher": record["score"], f"{key}_own": record["own_index"]}
    for suite in dict.fromkeys(record["task"] for record in result.scores):
        of = {record["contestant"]: record["score"] for record in result.scores if record["task"] == suite}
        result.figures[f"gain_{suite}_teacher".replace(" ", "_")] = of["parallel and monolingual"] - of["parallel"]
    speeds: dict[str, float] = result.facts["sentences_a_second"]
    result.figures["speed_beside_parallel"] = speeds["parallel and monolingual"] / speeds["parallel"]
    result.facts |= {"corpus": corpus.fingerprint, "monolingual": counts, "languages": len(corpus.languages)}
    result.write(options.out)


def measure(
    result: Measurement, name: str, model: Encoder, corpus: ParallelCorpus, teacher: TargetStore, limit: int
) -> None:
    """Measure a contestant on dev and Tatoeba, by language and in the mean."""
    with TemporaryDirectory() as folder:
        encoders = Encoders(TargetStore(model, root=Path(folder)), teacher)
        bitexts = [
            *dev_bitexts(corpus, encoders, limit),
            *encoders.tatoeba("tatoeba", CHOSEN, limit),
            *encoders.tatoeba("without a pair", UNSEEN, limit),
        ]
    found = [(bitext, *bitext.measure(lambda vectors: vectors)) for bitext in bitexts]
    for suite in dict.fromkeys(bitext.suite for bitext in bitexts):
        own = [(each[0].language, each[1], each[2]) for each in found if each[0].suite == suite]
        teacher_index, own_index = (float(np.mean([row[place] for row in own])) for place in (1, 2))
        by_language = {language: [round(to_teacher, 4), round(to_own, 4)] for language, to_teacher, to_own in own}
        result.scores.append(
            {
                "task": suite,
                "n": sum(len(bitext.other.texts) for bitext in bitexts if bitext.suite == suite),
                "score": teacher_index,
                "contestant": name,
                "own_index": own_index,
                "by_language": by_language,
            }
        )
        say(f"  {name}, {suite}: teacher's index {teacher_index:.4f}, own {own_index:.4f}")
    texts = [text for bitext in bitexts for text in bitext.other.texts][:: max(1, len(bitexts) * limit // SPEED_TEXTS)]
    speeds = result.facts.setdefault("sentences_a_second", {})
    speeds[name] = round(sentences_a_second(model, texts[:SPEED_TEXTS] if name != "encoder" else texts[:50]), 1)


if __name__ == "__main__":
    main()
