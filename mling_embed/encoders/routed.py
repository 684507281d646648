"""Two encoders of one space as one: queries by a small student, passages by its teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray

from mling_embed.encoders.contract import BatchDone, Encoder, PromptRole
from mling_embed.encoders.fingerprint import model_fingerprint
from mling_embed.encoders.model_folder import write_model
from mling_embed.encoders.precision import Precision
from mling_embed.errors import DataError, UsageError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# The names of sentence-transformers' routes and prompts.
ROUTES = {PromptRole.QUERY: "query", PromptRole.PASSAGE: "document"}


class RoutedEncoder:
    """Encode queries by one encoder and passages by another; a text without a role is a passage.

    Args:
        model: The sentence-transformers model that starts with their `Router`.
        query: What encodes queries.
        passage: What encodes passages.
    """

    def __init__(self, model: SentenceTransformer, *, query: Encoder, passage: Encoder) -> None:
        self.model, self.query, self.passage = model, query, passage

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self.passage.dim

    @property
    def device(self) -> str:
        """Where passages are encoded."""
        return self.passage.device

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all that a vector of either way depends on."""
        return model_fingerprint(self.model)

    @property
    def precision(self) -> Precision:
        """Number format of the products for passages."""
        return self.passage.precision

    @property
    def max_seq_length(self) -> int | None:
        """Tokens after which a passage is cut off."""
        return self.passage.max_seq_length

    @property
    def prompts(self) -> Mapping[PromptRole, str]:
        """What each of the two puts before its texts."""
        return {role: self.model.prompts.get(route) or "" for role, route in ROUTES.items()}

    def encode(
        self, texts: str | Sequence[str], *, role: PromptRole | None = None, done: BatchDone | None = None
    ) -> Float32[ndarray, "*n dim"]:
        """Encode queries by the one, all other texts by the other. Shape: (dim,) or (n_texts, dim)."""
        return self._of(role).encode(texts, role=role, done=done)

    def token_counts(self, texts: Sequence[str], *, role: PromptRole | None = None) -> Int[ndarray, " n_texts"]:
        """Return the tokens of each text by the encoder of its role. Shape: (n_texts,)."""
        return self._of(role).token_counts(texts, role=role)

    def save(self, folder: Path, *, model_card: str = "") -> None:
        """Write a folder that plain sentence-transformers loads; it appears when it is whole."""
        write_model(self.model, folder, model_card=model_card)

    def _of(self, role: PromptRole | None) -> Encoder:
        return self.query if role is PromptRole.QUERY else self.passage


def is_router(model: SentenceTransformer) -> bool:
    """Say whether a model is a `Router` of queries and documents, and nothing behind it."""
    from sentence_transformers.base.modules import Router

    return len(model) == 1 and isinstance(model[0], Router) and set(model[0].sub_modules) == set(ROUTES.values())


def ways(model: SentenceTransformer) -> dict[PromptRole, SentenceTransformer]:
    """Return the model of each way of a router, with the prompt that the router has for it; weights are shared."""
    from sentence_transformers import SentenceTransformer

    router: Any = model[0]
    found = {}
    for role, route in ROUTES.items():
        prompt = model.prompts.get(route) or ""
        found[role] = SentenceTransformer(
            modules=list(router.sub_modules[route]),
            device=str(model.device),
            prompts={name: prompt for name in ROUTES.values() if prompt},
            default_prompt_name=route if prompt else None,
            similarity_fn_name=model.similarity_fn_name,
        )
    return found


def router_of(teacher: SentenceTransformer, student: SentenceTransformer) -> SentenceTransformer:
    """Return a model that encodes queries by a student and documents by its teacher; it shares their weights.

    Args:
        teacher: Its prompt for documents, or else its default one, is kept.
        student: Its prompt for queries, or else its default one, is kept.

    Raises:
        UsageError: Their vectors are of different widths, or one of them cuts its vectors off.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router

    widths = [int(model.get_embedding_dimension() or 0) for model in (teacher, student)]
    if widths[0] != widths[1]:
        raise UsageError(
            f"the teacher's vectors have {widths[0]} dimensions, the student's {widths[1]}: they share no space.",
            next_step="Give the teacher that the student was made of; a rotated one is in the run's folder teacher.",
        )
    if teacher.truncate_dim or student.truncate_dim:
        raise UsageError("a router cuts no vectors off, as one of its two models does.")
    prompts = {"query": _prompt(student, "query"), "document": _prompt(teacher, "document", "passage", "corpus")}
    router = Router.for_query_document(query_modules=[*student], document_modules=[*teacher])
    model = SentenceTransformer(modules=[router], device="cpu", prompts=prompts, similarity_fn_name="cosine")
    return model.eval()


def shared_space(
    teacher: Float32[ndarray, "n dim"], student: Float32[ndarray, "n dim"], *, least: float = 0.5
) -> float:
    """Return the share of texts whose nearest of the teacher's vectors, from the student's, is their own.

    Args:
        teacher: Its vectors of some English texts. Shape: (n, dim).
        student: Its vectors of the same texts. Shape: (n, dim).
        least: The share from which they are taken to share a space.

    Raises:
        DataError: It is less.
    """
    found = float(((student @ teacher.T).argmax(axis=1) == np.arange(len(teacher))).mean())
    if found < least:
        raise DataError(
            f"the student finds {found:.0%} of English sentences among the teacher's vectors of them; "
            f"expected {least:.0%} or more: they share no space.",
            next_step="Give the teacher that the student was made of.",
        )
    return found


def _prompt(model: SentenceTransformer, *names: str) -> str:
    own = [model.prompts.get(name) for name in (*names, model.default_prompt_name or "")]
    return next((prompt for prompt in own if prompt), "")
