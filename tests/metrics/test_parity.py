"""Our measures beside sentence-transformers' evaluators, on the same vectors; our tests beside sacrebleu's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mling_embed.metrics.bitext import bitext_scores
from mling_embed.metrics.confidence import mean_interval
from mling_embed.metrics.retrieval import retrieval_scores
from mling_embed.metrics.significance import randomization_test
from mling_embed.metrics.sts import pair_cosines, pearson, spearman
from mling_embed.neighbors.topk import top_k
from mling_embed.neighbors.vectors import unit_rows

RANDOM = np.random.default_rng(0)
SOURCE = RANDOM.normal(size=(60, 12)).astype(np.float32)
TARGET = (SOURCE + RANDOM.normal(0, 1.2, size=(60, 12))).astype(np.float32)
SOURCE_TEXTS, TARGET_TEXTS = ([f"{side}{row}" for row in range(60)] for side in "st")
ROWS = dict(zip([*SOURCE_TEXTS, *TARGET_TEXTS], np.vstack([SOURCE, TARGET]), strict=True))

pytestmark = pytest.mark.filterwarnings("ignore")  # of the evaluators


@pytest.fixture(scope="module")
def model() -> Any:
    """Give sentence-transformers a model whose vectors of these texts are the rows above: one token a text."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    vocabulary = {"[UNK]": 0, **{text: place for place, text in enumerate(ROWS, 1)}}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    table = np.vstack([np.zeros(12, dtype=np.float32), *ROWS.values()])
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table)], device="cpu")


def test_bitext_accuracy(model: Any) -> None:
    from sentence_transformers.sentence_transformer.evaluation import TranslationEvaluator

    theirs = TranslationEvaluator(SOURCE_TEXTS, TARGET_TEXTS, write_csv=False)(model)
    ours = bitext_scores(SOURCE, TARGET, source_texts=SOURCE_TEXTS, target_texts=TARGET_TEXTS)
    assert 0 < ours.forward.accuracy < 1
    assert ours.forward.accuracy == pytest.approx(theirs["src2trg_accuracy"], abs=1e-6)
    assert ours.backward.accuracy == pytest.approx(theirs["trg2src_accuracy"], abs=1e-6)


def test_similarity(model: Any) -> None:
    from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator

    gold = RANDOM.integers(0, 6, 60).astype(float)
    theirs = EmbeddingSimilarityEvaluator(
        SOURCE_TEXTS, TARGET_TEXTS, gold.tolist(), main_similarity="cosine", write_csv=False
    )(model)
    cosines = pair_cosines(SOURCE, TARGET)
    assert spearman(cosines, gold) == pytest.approx(theirs["spearman_cosine"], abs=1e-6)
    assert pearson(cosines, gold) == pytest.approx(theirs["pearson_cosine"], abs=1e-6)


def test_retrieval(model: Any) -> None:
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    relevant = {text: {f"t{row}", f"t{(row + 7) % 60}"} for row, text in enumerate(SOURCE_TEXTS)}
    theirs = InformationRetrievalEvaluator(
        dict(zip(SOURCE_TEXTS, SOURCE_TEXTS, strict=True)),
        dict(zip(TARGET_TEXTS, TARGET_TEXTS, strict=True)),
        relevant,
        main_score_function="cosine",
        write_csv=False,
    )(model)
    found = top_k(unit_rows(SOURCE), unit_rows(TARGET), 60)
    run = {text: [TARGET_TEXTS[at] for at in row] for text, row in zip(SOURCE_TEXTS, found.indices, strict=True)}
    qrels = {query: dict.fromkeys(sorted(passages), 1) for query, passages in relevant.items()}
    ours = retrieval_scores(run, qrels, ["nDCG@10", "RR@10", "R@1", "R@10", "AP@100"])
    for measure, name in {
        "nDCG@10": "cosine_ndcg@10",
        "RR@10": "cosine_mrr@10",
        "R@1": "cosine_recall@1",
        "R@10": "cosine_recall@10",
        "AP@100": "cosine_map@100",
    }.items():
        assert ours[measure].mean == pytest.approx(theirs[name], abs=1e-6), measure


class MeanOutcome:
    """Sacrebleu's metric of systems whose hypotheses are outcomes: their mean."""

    def _extract_corpus_statistics(self, outcomes: Any, _references: Any) -> list[list[float]]:
        return [[outcome, 1.0] for outcome in outcomes]

    def _aggregate_and_compute(self, stats: Any) -> Any:
        return self._compute_score_from_stats(np.sum(stats, axis=0))

    def _compute_score_from_stats(self, summed: Any) -> Any:
        from sacrebleu.metrics.base import Score

        return Score("mean", float(summed[0] / summed[1]))

    def get_signature(self) -> Any:
        return SimpleNamespace(update=lambda *_: None)


def paired(systems: dict[str, np.ndarray], test: str, n: int) -> list[Any]:
    """Return sacrebleu's results, the baseline's first."""
    from sacrebleu.significance import PairedTest

    _, scores = PairedTest(list(systems.items()), {"mean": MeanOutcome()}, None, test_type=test, n_samples=n)()
    return list(scores["mean"])


def test_approximate_randomization_beside_sacrebleu(monkeypatch: pytest.MonkeyPatch) -> None:
    import sacrebleu.significance

    first, second = RANDOM.normal(0.4, 1, 40), RANDOM.normal(0, 1, 40)
    signs = np.random.default_rng(0).integers(0, 2, (2000, 40), dtype=np.int8)

    class Draws:
        """Numpy, whose random generator exchanges the items that ours does."""

        random = SimpleNamespace(default_rng=lambda _: SimpleNamespace(integers=lambda *_, **__: signs.astype(bool)))

        def __getattr__(self, name: str) -> Any:
            return getattr(np, name)

    monkeypatch.setattr(sacrebleu.significance, "np", Draws())
    _, theirs = paired({"second": second, "first": first}, "ar", 2000)
    # Theirs counts what is farther apart, ours what is as far or farther, which no exchange of these is by chance.
    ours = randomization_test(first.tolist(), second.tolist(), n=2000, seed=0)
    assert 0.01 < ours < 0.99
    assert ours == pytest.approx(theirs.p_value, abs=1e-6)


def test_the_bootstrap_beside_sacrebleu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", "0")
    first, second = RANDOM.normal(0.4, 1, 40), RANDOM.normal(0, 1, 40)
    # Theirs takes order statistics, ours interpolates: with 1,001 resamples no value lies between two.
    (theirs,) = paired({"first": first}, "bs", 1001)
    low, high = mean_interval(first.tolist(), n_resamples=1001, seed=0)
    assert (high - low) / 2 == pytest.approx(theirs.ci, abs=1e-6)
    # Of a difference theirs has a p-value alone; its interval of the differences themselves is ours.
    (theirs,) = paired({"difference": first - second}, "bs", 1001)
    low, high = mean_interval((first - second).tolist(), n_resamples=1001, seed=0)
    assert (high - low) / 2 == pytest.approx(theirs.ci, abs=1e-6)
