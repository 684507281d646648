"""What clients send: the bodies of requests, and the checks that need no model."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from mling_embed.encoders.contract import PromptRole
from mling_embed.serving.refusals import Refusal
from mling_embed.serving.settings import Limits

MOST_HITS = 1_000
MOST_DOCUMENTS = 10_000
_MOST_NAMES = 1_000
_LONGEST_NAME = 1_024
Name = Annotated[StrictStr, Field(min_length=1, max_length=_LONGEST_NAME)]
TOKEN_ARRAYS = (
    "the input is an array of tokens; only the client's own tokenizer knows what they mean. Send texts: "
    "OpenAIEmbeddings of LangChain does with check_embedding_ctx_length=False."
)


class EncodingFormat(StrEnum):
    """Name how a vector is written: a list of numbers, or base64 of little-endian float32."""

    FLOAT = "float"
    BASE64 = "base64"


class InputType(StrEnum):
    """Name what a text is to a search, and so which of the model's prompts is put before it."""

    QUERY = "query"
    PASSAGE = "passage"
    DOCUMENT = "document"

    @property
    def role(self) -> PromptRole:
        """The role that it is to an encoder."""
        return PromptRole.QUERY if self is InputType.QUERY else PromptRole.PASSAGE


class EmbeddingsRequest(BaseModel):
    """Ask for vectors, as OpenAI defines it; what else a client sends is passed over.

    Attributes:
        input: One text, or a list; larger lists than OpenAI's 2,048 are encoded a batch at a time.
        model: The name of the model that is served.
        encoding_format: How vectors are written.
        dimensions: Numbers of each vector to keep, of a model that is made for it.
        truncate_prompt_tokens: Tokens after which texts are cut off; -1 for as many as the model reads.
        input_type: What the texts are to a search; the model's own default prompt is used without it.
        user: Passed over.
    """

    model_config = ConfigDict(title="EmbeddingsRequest")

    input: StrictStr | list[StrictStr] | list[StrictInt] | list[list[StrictInt]]
    model: StrictStr | None = None
    encoding_format: EncodingFormat = EncodingFormat.FLOAT
    dimensions: Annotated[StrictInt, Field(ge=1)] | None = None
    truncate_prompt_tokens: Annotated[StrictInt, Field(ge=-1)] | None = None
    input_type: InputType | None = None
    user: Any = None

    def texts(self, limits: Limits) -> list[str]:
        """Return the texts.

        Raises:
            Refusal: There are none, or too many, or one cannot be encoded.
        """
        texts = [self.input] if isinstance(self.input, str) else self.input
        if not texts:
            raise Refusal(400, "the input is empty.", code="invalid_value", param="input")
        if not all(isinstance(text, str) for text in texts):
            raise Refusal(400, TOKEN_ARRAYS, code="token_arrays", param="input")
        words = [text for text in texts if isinstance(text, str)]
        if len(words) > limits.inputs:
            raise Refusal(
                413,
                f"{len(words):,} texts in one request; this server takes {limits.inputs:,}.",
                code="array_above_max_length",
                param="input",
                next_step="Send fewer at a time.",
            )
        for place, text in enumerate(words):
            require_text(text, limits, param="input" if isinstance(self.input, str) else f"input[{place}]")
        return words


class OurRequest(BaseModel):
    """Refuse the names that are not known: a word misspelt would otherwise change an answer unseen."""

    model_config = ConfigDict(extra="forbid")


class SearchRequest(OurRequest):
    """Ask for texts that mean what a query means.

    Attributes:
        query: In any language.
        k: Hits wanted; with `group`, groups.
        languages: Languages that hits may have.
        where: A value, or a list of values, for fields of the metadata.
        balance: Whether every language gets the same share of the hits.
        hybrid: Whether the words of the query count beside its meaning.
        group: Whether translations of one text are put together.
        query_language: The query's language, for a harmonized index; guessed by default.
    """

    query: StrictStr
    k: Annotated[StrictInt, Field(ge=1, le=MOST_HITS)] = 10
    languages: Annotated[list[Name], Field(max_length=_MOST_NAMES)] | None = None
    where: dict[Name, Any] | None = None
    balance: StrictBool = False
    hybrid: StrictBool = False
    group: StrictBool = False
    query_language: Name | None = None


class Document(OurRequest):
    """Put in one text.

    Attributes:
        id: Its name.
        text: The text.
        language: Its language's code; ``und`` by default.
        metadata: What else is known of it.
    """

    id: Name
    text: StrictStr
    language: Name | None = None
    metadata: dict[Name, Any] = Field(default_factory=dict)


class DocumentsRequest(OurRequest):
    """Put texts in.

    Attributes:
        documents: The texts.
        upsert: Whether they take the place of others of the same ids.
    """

    documents: Annotated[list[Document], Field(min_length=1, max_length=MOST_DOCUMENTS)]
    upsert: StrictBool = False


def require_text(text: str, limits: Limits, *, param: str) -> None:
    """Refuse a text that cannot be encoded, before any tokenizer sees it.

    Raises:
        Refusal: It is empty, too long, or no text at all.
    """
    if not text.strip():
        raise Refusal(400, f"{param} is an empty text, which has no meaning.", code="empty_text", param=param)
    if len(text) > limits.text_characters:
        raise Refusal(
            413,
            f"{param} has {len(text):,} characters; this server takes {limits.text_characters:,}.",
            code="string_above_max_length",
            param=param,
            next_step="Split it, for instance into sentences.",
        )
    require_unicode([text], param=param)


def require_unicode(texts: Sequence[str], *, param: str) -> None:
    r"""Refuse lone surrogates, which JSON can write (``"\ud800"``) and UTF-8 cannot.

    Raises:
        Refusal: There is one.
    """
    try:
        for text in texts:
            text.encode()
    except UnicodeEncodeError:
        raise Refusal(422, f"{param} holds a lone surrogate.", code="invalid_unicode", param=param) from None
