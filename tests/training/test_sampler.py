"""Batches: the same on any number of processes, every pair in its turn, the budget held."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mling_embed.errors import DataError, UsageError
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.training.sampler import MAX_REPEATS, BatchSampler, EpochPlan, visit_quotas
from mling_embed.training.training_set import TrainingSet


def sentences_of(lengths: np.ndarray, rows: np.ndarray, languages: np.ndarray) -> TrainingSet:
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return TrainingSet(TokenBags(np.zeros(starts[-1], np.int32), starts), rows, languages)


def corpus(n_english: int = 400, counts: tuple[int, ...] = (900, 90, 9), *, seed: int = 0) -> TrainingSet:
    random = np.random.default_rng(seed)
    rows = [np.arange(n_english) * 2, *(random.integers(0, n_english, count) * 2 for count in counts)]
    languages = np.repeat(np.arange(len(counts) + 1), [n_english, *counts])
    lengths = np.minimum(random.geometric(0.06, len(languages)), 200)
    return sentences_of(lengths, np.concatenate(rows), languages)


def all_batches(plan: EpochPlan, **process: int) -> list[np.ndarray]:
    return [plan.batch(step, **process) for step in range(len(plan))]


def real_lengths(sentences: TrainingSet, max_length: int = 128) -> np.ndarray:
    return np.minimum(np.diff(sentences.bags.starts) + 2, max_length)


CORPUS = corpus()


def test_two_languages_and_four_rows_by_hand() -> None:
    # English rows 0, 10, 20, 30; row 30 has no translation, row 10 has one in each language.
    sentences = sentences_of(
        np.full(7, 3), np.array([0, 10, 20, 30, 0, 10, 10]), np.array([0, 0, 0, 0, 1, 1, 2], dtype=np.int16)
    )
    plan = BatchSampler(sentences, tokens_per_batch=100).epoch(0)
    assert (len(plan), plan.n_sentences, plan.n_tokens, plan.padding) == (1, 7, 35, 1.0)
    batch = plan.batch(0).tolist()
    assert batch[0] == 1  # the largest group first
    assert set(batch[1:3]) == {5, 6}
    assert batch[3:5] == [0, 4]
    assert set(batch[5:]) == {2, 3}
    assert plan.batch(0, rank=0, world_size=2).tolist()[:3] == batch[:3]
    assert plan.batch(0, rank=1, world_size=2).tolist()[:2] == [0, 4]
    assert [len(plan.batch(0, rank=rank, world_size=5)) for rank in range(5)] == [3, 2, 1, 1, 0]


@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_processes_together_have_the_batch_of_one(world_size: int, temperature: float) -> None:
    plan = BatchSampler(CORPUS, tokens_per_batch=1500, language_temperature=temperature).epoch(1)
    for step in range(len(plan)):
        parts = [plan.batch(step, rank=rank, world_size=world_size) for rank in range(world_size)]
        assert sorted(np.concatenate(parts).tolist()) == sorted(plan.batch(step).tolist())
        for part in parts:  # whole groups: the English sentence is first, its translations follow
            firsts = np.flatnonzero(CORPUS.languages[part] == 0)
            assert len(part) == 0 or firsts[0] == 0
            group = np.cumsum(CORPUS.languages[part] == 0) - 1
            np.testing.assert_array_equal(CORPUS.target_rows[part], CORPUS.target_rows[part[firsts]][group])


def test_a_plan_depends_on_seed_and_epoch_alone() -> None:
    def plans(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batch in all_batches(BatchSampler(CORPUS, seed=seed).epoch(epoch))]

    used = BatchSampler(CORPUS, seed=3)
    for epoch in (5, 0, 2):
        used.epoch(epoch)
    assert [batch.tolist() for batch in all_batches(used.epoch(1))] == plans(3, 1)
    assert plans(3, 1) == plans(3, 1)
    assert plans(3, 1) != plans(3, 2)
    assert plans(3, 1) != plans(4, 1)


def test_a_step_is_reached_without_those_before_it() -> None:
    plan = BatchSampler(CORPUS, tokens_per_batch=700).epoch(0)
    in_turn = all_batches(plan)
    for step in (len(plan) - 1, 3, 0, 7):
        np.testing.assert_array_equal(plan.batch(step), in_turn[step])
    fresh = BatchSampler(CORPUS, tokens_per_batch=700).epoch(0)
    np.testing.assert_array_equal(fresh.batch(11), in_turn[11])


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_each_pair_once_and_each_english_row_at_temperature_1(epoch: int) -> None:
    plan = BatchSampler(CORPUS, tokens_per_batch=900, max_translations=2).epoch(epoch)
    times = np.bincount(np.concatenate(all_batches(plan)), minlength=len(CORPUS))
    assert (times[CORPUS.languages != 0] == 1).all()
    translations = np.bincount(CORPUS.target_rows[CORPUS.languages != 0], minlength=800)[::2]
    np.testing.assert_array_equal(times[CORPUS.languages == 0], np.maximum(1, -(-translations // 2)))
    assert plan.n_sentences == times.sum()
    assert plan.n_tokens == (times * real_lengths(CORPUS)).sum()


def test_groups_are_split_evenly() -> None:
    sentences = sentences_of(np.full(11, 4), np.zeros(11, np.int64), np.array([0, *range(1, 11)]))
    plan = BatchSampler(sentences, max_translations=4).epoch(0)
    assert sorted(np.diff(plan.starts).tolist()) == [4, 4, 5]  # 3, 3 and 4 translations, the English sentence in each
    assert plan.batch(0).tolist().count(0) == 3


def test_shares_are_those_of_the_formula() -> None:
    np.testing.assert_allclose(visit_quotas(np.array([900, 90, 9]), 1.0), [900, 90, 9])
    # Roots 30, 10 and 1: the third would get 24.4 of 1001 visits; it has its 10, the rest is shared 3 to 1.
    np.testing.assert_allclose(visit_quotas(np.array([900, 100, 1]), 2.0), [743.25, 247.75, 10])
    np.testing.assert_allclose(visit_quotas(np.array([400, 100]), 2.0), [1000 / 3, 500 / 3], atol=1e-6)
    assert visit_quotas(np.array([], dtype=np.int64), 2.0).tolist() == []


def test_over_epochs_every_pair_gets_its_share_evenly() -> None:
    sampler = BatchSampler(CORPUS, language_temperature=2.0)
    quotas = visit_quotas(np.array([900, 90, 9]), 2.0)
    assert quotas[2] == pytest.approx(999 * 3 / (30 + 3 + np.sqrt(90)), abs=1e-4)
    total = np.zeros(len(CORPUS), dtype=np.int64)
    for epoch in range(6):
        times = np.bincount(np.concatenate(all_batches(sampler.epoch(epoch))), minlength=len(CORPUS))
        total += times
        assert (times[CORPUS.languages == 0] >= 1).all()
        assert times[CORPUS.languages != 0].sum() == 999
        for language, quota in enumerate(quotas, start=1):
            mine = CORPUS.languages == language
            assert abs(times[mine].sum() - quota) < 1
            assert np.ptp(times[mine]) <= 1
            assert np.ptp(total[mine]) <= 1
            assert abs(total[mine].sum() - quota * (epoch + 1)) < 2


@pytest.mark.parametrize("share", [0.0, 0.25, 0.7, 1.0])
def test_english_stands_beside_its_share_of_groups(share: float) -> None:
    sentences = corpus(3000, (4000, 400), seed=4)
    whole = BatchSampler(sentences, max_translations=3).epoch(2)
    plan = BatchSampler(sentences, max_translations=3, english_share=share).epoch(2)
    assert len(plan.tokens) == len(whole.tokens)
    firsts = plan.members[plan.starts[:-1]]
    alone = (np.diff(plan.starts) == 1) & (sentences.languages[firsts] == 0)
    beside = (sentences.languages[firsts] == 0) & ~alone
    untranslated = 3000 - len(np.unique(sentences.target_rows[sentences.languages != 0]))
    assert alone.sum() == untranslated > 300  # English without a translation stays
    assert beside.sum() == pytest.approx(share * (~alone).sum(), abs=0 if share in (0, 1) else 60)
    group_of = np.repeat(np.arange(len(firsts)), np.diff(plan.starts))
    np.testing.assert_array_equal(sentences.target_rows[plan.members], sentences.target_rows[firsts[group_of]])
    times = np.bincount(np.concatenate(all_batches(plan)), minlength=len(sentences))
    assert (times[sentences.languages != 0] == 1).all()  # pairs are visited as without it
    assert plan.n_tokens == (times * real_lengths(sentences)).sum()
    english = sentences.languages == 0
    before = np.bincount(whole.members, minlength=len(sentences))
    assert (times[english] <= before[english]).all()


def test_english_that_is_left_out_depends_on_seed_and_epoch_alone() -> None:
    def english(epoch: int, seed: int = 0, *, after: tuple[int, ...] = ()) -> list[int]:
        sampler = BatchSampler(CORPUS, english_share=0.5, seed=seed)
        for other in after:
            sampler.epoch(other)
        members = sampler.epoch(epoch).members
        return members[CORPUS.languages[members] == 0].tolist()

    assert english(1) == english(1, after=(4, 0))
    assert sorted(english(1)) != sorted(english(2))
    assert sorted(english(1)) != sorted(english(1, seed=1))


@pytest.mark.parametrize("world_size", [2, 3, 8])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_processes_together_have_the_batch_of_one_without_some_english(world_size: int, share: float) -> None:
    plan = BatchSampler(CORPUS, tokens_per_batch=1500, language_temperature=2.0, english_share=share).epoch(1)
    for step in range(len(plan)):
        parts = [plan.batch(step, rank=rank, world_size=world_size) for rank in range(world_size)]
        assert sorted(np.concatenate(parts).tolist()) == sorted(plan.batch(step).tolist())


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_of_english_out_of_range(share: float) -> None:
    with pytest.raises(UsageError, match=r"english_share: .*; expected 0 to 1"):
        BatchSampler(CORPUS, english_share=share)


def test_a_lone_pair_is_repeated_ten_times_at_most_each_in_a_batch_of_its_own() -> None:
    sentences = corpus(3000, (4000, 1), seed=2)
    plan = BatchSampler(sentences, language_temperature=50.0, tokens_per_batch=1024).epoch(0)
    batches = all_batches(plan)
    lone = len(sentences) - 1
    assert [batch.tolist().count(lone) for batch in batches if lone in batch] == [1] * MAX_REPEATS


def test_repeats_do_not_share_a_batch() -> None:
    sentences = corpus(3000, (4000, 400, 40), seed=1)
    for window in (1, 64):
        sampler = BatchSampler(sentences, language_temperature=3.0, tokens_per_batch=1024, window=window)
        for epoch in range(3):
            for batch in all_batches(sampler.epoch(epoch)):
                translations = batch[sentences.languages[batch] != 0]
                assert len(np.unique(translations)) == len(translations)


@pytest.mark.parametrize("budget", [300, 1024, 4096])
def test_the_budget_is_held_and_used(budget: int) -> None:
    plan = BatchSampler(CORPUS, tokens_per_batch=budget, max_length=64).epoch(0)
    tokens = np.array([real_lengths(CORPUS, 64)[batch].sum() for batch in all_batches(plan)])
    groups = np.diff(plan.edges)[plan.steps]
    assert (tokens[groups > 1] <= budget).all()
    assert tokens.sum() == plan.n_tokens
    if budget > 4000:
        assert groups.min() >= 8
        assert len(plan) <= -(-plan.n_tokens // (budget * 0.8))


def test_a_group_beyond_the_budget_is_a_batch_of_its_own() -> None:
    sentences = sentences_of(np.array([4, 40, 4, 4]), np.arange(4), np.zeros(4, np.int64))
    plan = BatchSampler(sentences, tokens_per_batch=20).epoch(0)
    assert sorted(len(batch) for batch in all_batches(plan)) == [1, 3]


@pytest.mark.parametrize(("n", "sizes"), [(18, [9, 9]), (19, [10, 9]), (35, [16, 10, 9]), (16, [16]), (32, [16, 16])])
def test_the_remainder_is_shared_evenly(n: int, sizes: list[int]) -> None:
    sentences = sentences_of(np.full(n, 8), np.arange(n), np.zeros(n, np.int64))
    assert np.diff(BatchSampler(sentences, tokens_per_batch=160).epoch(0).edges).tolist() == sizes


def test_sorting_in_windows_spares_padding() -> None:
    sentences = corpus(4000, (4000, 1000), seed=3)

    def wasted(window: int) -> float:
        plan = BatchSampler(sentences, window=window, tokens_per_batch=1024).epoch(0)
        lengths = real_lengths(sentences)
        padded = sum(len(batch) * lengths[batch].max() for batch in all_batches(plan))
        assert plan.padding == pytest.approx(padded / plan.n_tokens)
        return plan.padding - 1

    assert wasted(64) < wasted(1) / 3


def test_the_order_of_batches_is_not_that_of_their_lengths() -> None:
    plan = BatchSampler(CORPUS, tokens_per_batch=512).epoch(0)
    longest = [real_lengths(CORPUS)[batch].max() for batch in all_batches(plan)]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.4


@settings(max_examples=60)
@given(
    counts=st.lists(st.integers(0, 12), max_size=5),
    n_english=st.integers(0, 12),
    temperature=st.sampled_from([1.0, 1.5, 5.0]),
    max_translations=st.integers(1, 4),
    budget=st.integers(1, 200),
    seed=st.integers(0, 5),
    epoch=st.integers(0, 3),
)
def test_any_small_corpus(
    counts: list[int], n_english: int, temperature: float, max_translations: int, budget: int, seed: int, epoch: int
) -> None:
    random = np.random.default_rng(seed)
    languages = np.repeat(np.arange(len(counts) + 1), [n_english, *counts])
    # Some translations are of rows whose English sentence is not there.
    rows = np.concatenate([random.permutation(n_english), random.integers(0, n_english + 3, sum(counts))])
    sentences = sentences_of(random.integers(0, 30, len(rows)), rows, languages)
    sampler = BatchSampler(
        sentences,
        tokens_per_batch=budget,
        max_length=20,
        language_temperature=temperature,
        max_translations=max_translations,
        seed=seed,
    )
    plan = sampler.epoch(epoch)
    times = np.zeros(len(sentences), dtype=np.int64)
    for step in range(len(plan)):
        batch = np.concatenate([plan.batch(step, rank=rank, world_size=2) for rank in range(2)])
        times += np.bincount(batch, minlength=len(sentences))
        assert sorted(batch.tolist()) == sorted(plan.batch(step).tolist())
        one_group = np.diff(plan.edges)[plan.steps[step]] == 1
        assert one_group or real_lengths(sentences, 20)[batch].sum() <= budget
    pairs = languages != 0
    assert times[pairs].sum() == pairs.sum()
    assert times[pairs].max(initial=0) <= MAX_REPEATS
    assert (times[~pairs] >= 1).all()
    assert plan.padding >= 1
    if temperature == 1:
        assert (times[pairs] == 1).all()


def test_options_out_of_range_are_named_together() -> None:
    with pytest.raises(UsageError, match=r"tokens_per_batch: 0(.|\n)*max_length: 2(.|\n)*language_temperature: 0\.5"):
        BatchSampler(CORPUS, tokens_per_batch=0, max_length=2, language_temperature=0.5)


def test_sentences_that_make_no_sense() -> None:
    with pytest.raises(DataError, match=r"differ in number: \(2, 3, 3\)"):
        TrainingSet(TokenBags(np.zeros(2, np.int32), np.array([0, 1, 2])), np.arange(3), np.zeros(3, np.int64))
    with pytest.raises(DataError, match="2 English sentences have the target row 5"):
        BatchSampler(sentences_of(np.ones(3, int), np.array([5, 1, 5]), np.zeros(3, int)))
    with pytest.raises(DataError, match="sentence 1 has the target row -4"):
        BatchSampler(sentences_of(np.ones(2, int), np.array([0, -4]), np.array([0, 1])))


def test_steps_and_ranks_that_are_not_there() -> None:
    plan = BatchSampler(CORPUS).epoch(0)
    for step, rank in ((len(plan), 0), (-1, 0), (0, 2)):
        with pytest.raises(UsageError, match=f"no step {step} of {len(plan)} for process {rank} of 2"):
            plan.batch(step, rank=rank, world_size=2)
    with pytest.raises(UsageError, match="no epoch -1"):
        BatchSampler(CORPUS).epoch(-1)
