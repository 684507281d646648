"""Texts cut to a number of tokens, by what any encoder can tell: how many tokens a text has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int
from numpy import ndarray

CountTokens = Callable[[Sequence[str]], Int[ndarray, " n_texts"]]


def shortened(texts: Sequence[str], limit: int, count: CountTokens) -> list[str]:
    """Return the beginning of each text that has at most so many tokens, special tokens and prompt among them.

    The longest such beginning is looked for by halving, all texts at once; one whose first character is too long
    already becomes empty.

    Args:
        texts: The texts.
        limit: Tokens that may stay.
        count: Tells how many tokens each of some texts has.
    """
    fits = np.zeros(len(texts), dtype=np.int64)  # characters that are known to fit
    above = np.asarray([len(text) + 1 for text in texts], dtype=np.int64)  # the fewest that are known not to
    while len(open_ := np.flatnonzero(above - fits > 1)):
        middle = (fits[open_] + above[open_]) // 2
        counts = count([texts[place][:length] for place, length in zip(open_.tolist(), middle.tolist(), strict=True)])
        good = counts <= limit
        fits[open_[good]], above[open_[~good]] = middle[good], middle[~good]
    return [text[:length] for text, length in zip(texts, fits.tolist(), strict=True)]
