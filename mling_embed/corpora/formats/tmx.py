"""Reader of TMX translation memories: one unit at a time, entities refused."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedIOBase
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from mling_embed.corpora.inputs import CorpusInput
from mling_embed.corpora.readers import on_one_line
from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DataError, UsageError
from mling_embed.languages import ENGLISH, language_code

_XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_CODES = frozenset({"bpt", "ept", "ph", "it", "ut"})  # inline elements that hold markup, not text


def read_tmx(stream: BufferedIOBase, source: CorpusInput, *, where: str) -> Iterator[Pair | Reject]:
    """Yield the English segment of each unit with each of its translations, or with that into the input's language.

    The line is the unit's number, from 1. A unit without English or without a translation is `Reason.MALFORMED`.

    Raises:
        DataError: It is not well-formed XML, or it defines entities.
    """
    number, root = 0, None
    try:
        for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=False):
            if root is None:
                root = element
                if root.tag != "tmx":
                    raise DataError(f"the root element is <{root.tag}>, expected <tmx>.", where=where)
            if event == "end" and element.tag == "tu":
                number += 1
                yield from _pairs_of(element, source.language, number)
                element.clear()
            elif event == "start" and element.tag == "tu":
                for parent in root.findall("body"):
                    del parent[:-1]
    except ParseError as error:
        raise DataError(f"not well-formed XML ({error}).", where=where, next_step="Export it again.") from None
    except DefusedXmlException as error:
        raise DataError(
            f"it defines or asks for entities ({error}), which a TMX has no use for.", where=where
        ) from None
    if root is None:
        raise DataError("an empty file, expected <tmx>.", where=where)


def _pairs_of(unit: Element, wanted: str | None, number: int) -> Iterator[Pair | Reject]:
    english, others = None, []
    for variant in unit.iter("tuv"):
        name = variant.get(_XML_LANGUAGE) or variant.get("lang") or ""
        segment = variant.find("seg")
        text = "" if segment is None else on_one_line(_text_of(segment))
        code = _code_of(name)
        if code is not None and code.split("-")[0] == ENGLISH and english is None:
            english = text
        elif code is None or wanted is None or code == wanted or code.split("-")[0] == wanted:
            others.append((wanted or name, text))
    if english is None or not others:
        shown = "\t".join([english or "", *(text for _, text in others)])
        yield Reject(Reason.MALFORMED, shown, wanted, number)
        return
    for name, text in others:
        yield Pair(english, text, name, number)


def _code_of(name: str) -> str | None:
    try:
        return language_code(name)
    except UsageError:
        return None


def _text_of(element: Element) -> str:
    parts = [element.text or ""]
    for child in element:
        if child.tag not in _CODES:
            parts.append(_text_of(child))
        parts.append(child.tail or "")
    return "".join(parts)
