"""Batches of one token budget: English beside its translations, alike in length, languages balanced.

A plan of an epoch is a pure function of the seed and the epoch; which part of a batch a process gets is one of rank
and world size. Nothing is drawn while training, so any step of any epoch is reached at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from mling_embed.errors import DataError, UsageError, report_together
from mling_embed.training.training_set import ENGLISH_NUMBER, TrainingSet

MAX_REPEATS = 10
"""Most visits of one pair in an epoch, however rare its language."""
SPECIAL_TOKENS = 2

_NONE = -1
_GOLDEN = (5**0.5 - 1) / 2
_ORDER, _SHUFFLE = 0, 1  # what a random stream is for


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """All batches of an epoch.

    A group is an English sentence and translations of it; a batch is a run of `order`.

    Attributes:
        members: Sentences of all groups, the English one first in each. Shape: (n_members,).
        starts: Where each group starts in `members`, and the end of the last. Shape: (n_groups + 1,).
        tokens: Real tokens of each group, truncated, with special tokens. Shape: (n_groups,).
        order: Groups by batch. Shape: (n_groups,).
        edges: Where each batch starts in `order`, and the end of the last. Shape: (n_batches + 1,).
        steps: Batch number of each step. Shape: (n_batches,).
        padding: Tokens when each batch is padded to its longest sentence, over real ones; slices of a batch that are
            padded on their own need less.
    """

    members: Int[ndarray, " n_members"]
    starts: Int[ndarray, " n_starts"]
    tokens: Int[ndarray, " n_groups"]
    order: Int[ndarray, " n_groups"]
    edges: Int[ndarray, " n_edges"]
    steps: Int[ndarray, " n_batches"]
    padding: float

    def __len__(self) -> int:
        """Return the number of batches over all processes, which is the number of steps."""
        return len(self.steps)

    @property
    def n_sentences(self) -> int:
        """Return how many sentences are forwarded, repeats counted."""
        return len(self.members)

    @property
    def n_tokens(self) -> int:
        """Return how many real tokens are forwarded: truncated, special ones included."""
        return int(self.tokens.sum())

    def batch(self, step: int, *, rank: int = 0, world_size: int = 1) -> Int[ndarray, " n"]:
        """Return the sentences of one process's part of a batch, group by group, English first in each.

        Whole groups are dealt in turn, those with the most tokens first: together the processes have what one process
        alone would have. A process has no sentence where the batch has fewer groups than there are processes.

        Args:
            step: Which batch.
            rank: Number of the process.
            world_size: Number of processes.

        Raises:
            UsageError: There is no such step or rank.
        """
        if not 0 <= step < len(self) or not 0 <= rank < world_size:
            raise UsageError(f"no step {step} of {len(self)} for process {rank} of {world_size}.")
        batch = self.steps[step]
        groups = self.order[self.edges[batch] : self.edges[batch + 1]]
        groups = groups[np.argsort(-self.tokens[groups], kind="stable")][rank::world_size]
        first = self.starts[groups]
        sizes = self.starts[groups + 1] - first
        before = np.cumsum(sizes) - sizes
        numbers: Int[ndarray, " n"] = self.members[np.repeat(first - before, sizes) + np.arange(sizes.sum())]
        return numbers


class BatchSampler:
    """Plan epochs of grouped, length-bucketed, language-balanced batches.

    An English sentence stands beside the translations of it that the epoch visits, once for up to `max_translations` of
    them; one without any is a group of its own. A language with n pairs gets visits in proportion to
    ``n ** (1 / language_temperature)``, as many in all as there are pairs and at most `MAX_REPEATS` of a pair. The
    pairs of a language take turns over the epochs: at any time their numbers of visits differ by one at most.

    Groups are shuffled, sorted by length within windows, and filled into batches up to the budget; then the batches are
    shuffled. The budget is held before all else: a group beyond it is a batch of its own, and long groups stand in
    batches of few. Only the remainder at the end is evened out with the batch before it. Repeats of a pair are spread
    over the epoch, so they share a batch only where an epoch has fewer batches than about three times the repeats.

    Args:
        sentences: What is trained on.
        tokens_per_batch: Most real tokens in a batch of all processes together, special ones included.
        max_length: Tokens to which a sentence is truncated, special ones included.
        language_temperature: 1 visits each pair once an epoch; more brings languages nearer to equal shares.
        max_translations: Most translations in a group.
        english_share: Share of the groups with translations that hold their English sentence too; a student that starts
            from the teacher knows English already.
        window: Batches over which groups are sorted by length.
        seed: Of all that is drawn.

    Raises:
        UsageError: An option is out of range.
        DataError: Two English sentences have the same target row, or a row is negative.
    """

    def __init__(
        self,
        sentences: TrainingSet,
        *,
        tokens_per_batch: int = 4096,
        max_length: int = 128,
        language_temperature: float = 1.0,
        max_translations: int = 8,
        english_share: float = 1.0,
        window: int = 64,
        seed: int = 0,
    ) -> None:
        if not 0 <= english_share <= 1:
            raise UsageError(f"english_share: {english_share}; expected 0 to 1.")
        _check_options(tokens_per_batch, max_length, language_temperature, max_translations, window, seed)
        self.sentences = sentences
        self.tokens_per_batch, self.max_length = tokens_per_batch, max_length
        self.max_translations, self.english_share = max_translations, english_share
        self.window, self.seed = window, seed
        self._lengths = np.minimum(np.diff(sentences.bags.starts) + SPECIAL_TOKENS, max_length).astype(np.int64)
        self._english_of_row = _english_of_row(sentences)
        # Each language's pairs in an order drawn once: epochs take turns along it.
        pairs = np.flatnonzero(sentences.languages != ENGLISH_NUMBER)
        pairs = self._random(_ORDER).permutation(pairs)
        pairs = pairs[np.argsort(sentences.languages[pairs], kind="stable")]
        self._pairs = pairs
        _, self._counts = np.unique(sentences.languages[pairs], return_counts=True)
        self._quotas = visit_quotas(self._counts, language_temperature)

    def epoch(self, epoch: int) -> EpochPlan:
        """Return the plan of an epoch, the first being 0."""
        if epoch < 0:
            raise UsageError(f"no epoch {epoch}.")
        random = self._random(_SHUFFLE, epoch)
        visited, copies = self._visited(epoch)
        groups = self._grouped(visited, copies, random)
        n_copies = int(copies.max(initial=0)) + 1
        order = self._arranged(groups, n_copies)
        tokens = groups.tokens[order]
        edges = _filled(tokens, self.tokens_per_batch)
        padding = 1.0
        if len(order):
            longest = np.maximum.reduceat(groups.longest[order], edges[:-1])
            sizes = np.add.reduceat(np.diff(groups.starts)[order], edges[:-1])
            padding = float((longest * sizes).sum() / tokens.sum())
        steps = random.permutation(len(edges) - 1)
        return EpochPlan(groups.members, groups.starts, groups.tokens, order, edges, steps, padding)

    def _random(self, purpose: int, epoch: int = 0) -> np.random.Generator:
        return np.random.default_rng([self.seed, purpose, epoch])

    def _visited(self, epoch: int) -> tuple[Int[ndarray, " n_visits"], Int[ndarray, " n_visits"]]:
        """Return the pairs that an epoch visits, and for each visit how many the pair had before in this epoch."""
        counts = self._counts
        before = _visits(self._quotas, np.arange(epoch)).sum(axis=0)
        visits = _visits(self._quotas, np.array([epoch]))[0]
        language = np.repeat(np.arange(len(counts)), visits)
        place = np.arange(len(language)) - np.repeat(np.cumsum(visits) - visits, visits)
        starts = np.cumsum(counts) - counts
        turn = (before[language] + place) % counts[language]
        return self._pairs[starts[language] + turn], place // counts[language]

    def _grouped(
        self, visited: Int[ndarray, " n_visits"], copies: Int[ndarray, " n_visits"], random: np.random.Generator
    ) -> _Groups:
        """Put each visited pair beside its English sentence."""
        shuffled = random.permutation(len(visited))
        visited, copies = visited[shuffled], copies[shuffled]
        row_of = self.sentences.target_rows
        code = row_of[visited].astype(np.int64) * (MAX_REPEATS + 1) + copies
        by_code = np.argsort(code, kind="stable")
        visited, code = visited[by_code], code[by_code]
        # A row's k-th visits are together, in as many parts as max_translations asks for.
        firsts = _firsts(code)
        sizes = np.diff(np.append(firsts, len(code)))
        parts = -(-sizes // self.max_translations)
        rank = np.arange(len(code)) - np.repeat(firsts, sizes)
        part = rank * np.repeat(parts, sizes) // np.repeat(sizes, sizes)
        group_of = np.repeat(np.cumsum(parts) - parts, sizes) + part
        rows, copy = np.divmod(code[firsts], MAX_REPEATS + 1)
        n_copies = np.bincount(rows, minlength=len(self._english_of_row))

        start = random.random(len(self._english_of_row))
        later = (np.repeat(copy, parts) + part[_firsts(group_of)] / np.repeat(parts, parts)) / np.repeat(
            n_copies[rows], parts
        )
        group_rows = np.repeat(rows, parts)
        alone = np.flatnonzero((n_copies == 0) & (self._english_of_row != _NONE))
        places = np.concatenate([(start[group_rows] + later) % 1, start[alone]])
        english = self._english_of_row[np.concatenate([group_rows, alone])]
        left_out = random.random(len(group_rows)) >= self.english_share
        english[: len(group_rows)][left_out] = _NONE
        return _Groups.of(visited, group_of, english, places, self._lengths)

    def _arranged(self, groups: _Groups, n_copies: int) -> Int[ndarray, " n_groups"]:
        """Return the groups in shuffled order, sorted by length within windows: up in one window, down in the next."""
        shuffled = np.argsort(groups.places)
        tokens = groups.tokens[shuffled]
        total = int(tokens.sum())
        # Copies of a row are 1 / n_copies of the epoch apart: three windows, so never in neighbouring ones.
        n_windows = max(1, total // (self.window * self.tokens_per_batch), 3 * n_copies if n_copies > 1 else 1)
        window = (np.cumsum(tokens) - tokens) * n_windows // max(1, total)
        longest = groups.longest[shuffled]
        key = window * (self.max_length + 1) + np.where(window % 2, self.max_length - longest, longest)
        return shuffled[np.argsort(key, kind="stable")]


def visit_quotas(counts: Int[ndarray, " n_languages"], temperature: float) -> Float[ndarray, " n_languages"]:
    """Return how many visits the pairs of each language get in an epoch, on average.

    In proportion to ``counts ** (1 / temperature)``, in all as many as there are pairs; what `MAX_REPEATS` takes from
    a rare language goes to the others in the same proportion.

    Args:
        counts: Pairs of each language. Shape: (n_languages,).
        temperature: 1 or more.
    """
    shares = counts ** (1 / temperature)
    limits = MAX_REPEATS * counts.astype(np.float64)
    quotas, capped = np.zeros(len(counts)), np.zeros(len(counts), dtype=bool)
    while len(counts):
        free = counts.sum() - limits[capped].sum()
        quotas = np.where(capped, limits, shares * free / shares[~capped].sum())
        over = quotas > limits * (1 + 1e-9)
        if not over.any():
            break
        capped |= over
    # Whole numbers must be whole: at temperature 1 nothing is left to chance.
    return np.round(quotas, 6)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Groups in no order: members, where each starts, real tokens, longest sentence, place in the shuffled epoch."""

    members: Int[ndarray, " n_members"]
    starts: Int[ndarray, " n_starts"]
    tokens: Int[ndarray, " n_groups"]
    longest: Int[ndarray, " n_groups"]
    places: Float[ndarray, " n_groups"]

    @classmethod
    def of(
        cls,
        visited: Int[ndarray, " n_visits"],
        group_of: Int[ndarray, " n_visits"],
        english: Int[ndarray, " n_groups"],
        places: Float[ndarray, " n_groups"],
        lengths: Int[ndarray, " n"],
    ) -> _Groups:
        """Join visits, sorted by group, and the English sentence of each group; groups without visits come last."""
        has_english: Bool[ndarray, " n_groups"] = english != _NONE
        n_visits = np.bincount(group_of, minlength=len(english))
        sizes = n_visits + has_english
        starts = np.concatenate([[0], np.cumsum(sizes)])
        members = np.empty(starts[-1], dtype=np.int64)
        members[starts[:-1][has_english]] = english[has_english]
        # Before a visit stand all visits before it and the English sentences of all groups up to its own.
        members[np.arange(len(visited)) + np.cumsum(has_english)[group_of]] = visited
        if not len(members):
            return cls(members, starts, sizes, sizes, places)
        of_members = lengths[members]
        tokens = np.add.reduceat(of_members, starts[:-1])
        return cls(members, starts, tokens, np.maximum.reduceat(of_members, starts[:-1]), places)


def _check_options(
    tokens_per_batch: int, max_length: int, temperature: float, max_translations: int, window: int, seed: int
) -> None:
    least = {"tokens_per_batch": 1, "max_length": SPECIAL_TOKENS + 1, "max_translations": 1, "window": 1, "seed": 0}
    found = {
        "tokens_per_batch": tokens_per_batch,
        "max_length": max_length,
        "max_translations": max_translations,
        "window": window,
        "seed": seed,
    }
    problems = [f"{name}: {found[name]}; expected {low} or more." for name, low in least.items() if found[name] < low]
    if not 1 <= temperature < float("inf"):
        problems.append(f"language_temperature: {temperature}; expected 1 or more.")
    report_together(problems, heading="the sampler's options have problems:")


def _english_of_row(sentences: TrainingSet) -> Int[ndarray, " n_rows"]:
    """Return the English sentence with each target row, or -1."""
    rows = sentences.target_rows
    if rows.min(initial=0) < 0:
        raise DataError(f"sentence {int(rows.argmin())} has the target row {int(rows.min())}; expected 0 or more.")
    english = np.flatnonzero(sentences.languages == ENGLISH_NUMBER)
    found, counts = np.unique(rows[english], return_counts=True)
    if counts.max(initial=0) > 1:
        row = int(found[counts.argmax()])
        raise DataError(f"{int(counts.max())} English sentences have the target row {row}; expected one.")
    out = np.full(int(rows.max(initial=-1)) + 1, _NONE, dtype=np.int64)
    out[rows[english]] = english
    return out


def _visits(quotas: Float[ndarray, " n_languages"], epochs: Int[ndarray, " n_epochs"]) -> Int[ndarray, "n_epochs _"]:
    """Return whole numbers of visits: in each epoch quotas rounded up or down, with the sum that the quotas have."""
    whole = np.floor(quotas)
    edges = np.concatenate([[0.0], np.cumsum(quotas - whole)])
    edges = np.where(np.abs(edges - np.round(edges)) < 1e-4, np.round(edges), edges)
    # Systematic sampling, at a place that moves by the golden ratio: over epochs each quota is met evenly.
    moved = np.floor(edges + ((0.5 + epochs * _GOLDEN) % 1)[:, None])
    visits: Int[ndarray, "n_epochs _"] = (whole + np.diff(moved, axis=1)).astype(np.int64)
    return visits


def _firsts(values: Int[ndarray, " n"]) -> Int[ndarray, " _"]:
    """Return where each run of equal values starts."""
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))


def _filled(tokens: Int[ndarray, " n_groups"], budget: int) -> Int[ndarray, " n_edges"]:
    """Return where each batch starts when groups are taken in order up to the budget, and the end of the last."""
    ends = np.cumsum(tokens)
    edges = [0]
    while edges[-1] < len(tokens):
        start = edges[-1]
        before = int(ends[start - 1]) if start else 0
        edges.append(max(start + 1, int(np.searchsorted(ends, before + budget, side="right"))))
    if len(edges) > 2:
        # The last batch is what remained: share evenly with the one before.
        before = int(ends[edges[-3] - 1]) if edges[-3] else 0
        middle = int(np.searchsorted(ends, (before + int(ends[-1])) / 2)) + 1
        edges[-2] = max(edges[-3] + 1, min(edges[-2], middle))
    return np.array(edges, dtype=np.int64)
