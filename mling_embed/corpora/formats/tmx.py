"""Reader of TMX translation memories: each unit is parsed by itself, so that a bad one costs itself alone."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from io import BufferedIOBase
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.formats import Format, OpenFile
from mling_embed.corpora.lines import Decoding, encoding_of, on_one_line
from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DamagedFileError, DataError
from mling_embed.languages import ENGLISH, UNKNOWN_LANGUAGE, is_known, language_code

UNIT_LIMIT = 1 << 22  # characters after which a unit that does not end is given up
_BLOCK = 1 << 18
_SHOWN = 2000
_XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_CODES = frozenset({"bpt", "ept", "ph", "it", "ut"})  # inline elements that hold markup, not text
_DECLARED = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([\w.-]+)["']""")
_ROOT = re.compile(r"<(?![?!])([^\s/>]+)(?=[\s/>])")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_ENTITY = re.compile(r"<!ENTITY")
_MARK = re.compile(r"<!--|<(?:[\w.-]+:)?tu(?=[\s/>])|</(?:[\w.-]+:)?tmx\s*>")
_TU_OR_END = re.compile(r"<(?:[\w.-]+:)?tu(?=[\s/>])|</(?:[\w.-]+:)?tu\s*>")
_PREFIX = re.compile(r"(</?)[\w.-]+:(?=(?:tu|tuv|seg|bpt|ept|ph|it|ut|hi|sub|prop|note)\b)")
_BINDING = re.compile(r"""\sxmlns(?::[\w.-]+)?\s*=\s*(?:"[^"]*"|'[^']*')""")


def read_tmx(files: Sequence[OpenFile], source: CorpusInput, decoding: Decoding) -> Iterator[Pair | Reject]:
    """Yield the English segment of each unit with each of its translations.

    The line is the unit's number, from 1. A unit that is not well-formed, as with a character or an entity that XML
    does not know, is `Reason.MALFORMED`; one without English, or with English alone, says so; a language that cannot
    be read is `Reason.UNKNOWN_LANGUAGE`. A segment without any language is in the input's.

    Raises:
        DataError: It is not TMX, or it defines entities.
        DamagedFileError: It ends before its end.
    """
    (file,) = files
    for number, text in enumerate(_units(file), 1):
        try:
            unit = fromstring(_PREFIX.sub(r"\1", _BINDING.sub("", text)), forbid_dtd=True)
        except (ParseError, DefusedXmlException, ValueError):
            yield Reject(Reason.MALFORMED, on_one_line(text[:_SHOWN]), source.assumed, number)
            continue
        yield from _pairs_of(unit, source.assumed, number)


def _units(file: OpenFile) -> Iterator[str]:
    """Yield the text of each unit, with its tags."""
    blocks = _texts(file.stream)
    text, begun = "", False
    for block in blocks:
        text += block
        if _root_of(text) is not None or len(text) > UNIT_LIMIT:
            break
    _check_start(text, file.where)
    for more in _chained(blocks):
        place = 0
        while (mark := _MARK.search(text, place)) is not None:
            found = mark.group()
            if found == "<!--":
                stop = text.find("-->", mark.end()) + 3
                if stop < 3:  # one that is not closed hides nothing
                    stop = mark.end() if more is None or len(text) - mark.end() > UNIT_LIMIT else -1
            elif found.startswith("</"):
                return
            else:
                stop = _end_of_unit(text, mark.end(), last=more is None)
                if stop >= 0:
                    begun = True
                    yield text[mark.start() : stop]
            if stop < 0:
                place = mark.start()
                break
            place = stop
        else:
            place = max(place, len(text) - 64) if more is not None else len(text)  # a tag may go on in the next block
        text = text[place:] + (more or "")
    what = "it ends in the midst of its units" if begun else "it ends before any unit"
    raise DamagedFileError(f"{what}: </tmx> is missing.", where=file.where, next_step="Export or fetch it again.")


def _chained(blocks: Iterator[str]) -> Iterator[str | None]:
    yield from blocks
    yield None


def _end_of_unit(text: str, start: int, *, last: bool) -> int:
    """Return where a unit ends: behind its end tag, or before the next unit if it has none; -1 if more must be read."""
    tag_end = text.find(">", start)
    if tag_end > 0 and text[tag_end - 1] == "/":
        return tag_end + 1
    mark = _TU_OR_END.search(text, start)
    if mark is not None:
        return mark.end() if mark.group().startswith("</") else mark.start()
    return len(text) if len(text) - start > UNIT_LIMIT and not last else -1


def _texts(stream: BufferedIOBase) -> Iterator[str]:
    """Yield the text in blocks, decoded as its mark or its declaration says; what cannot be decoded is U+FFFD."""
    start = stream.read(_BLOCK)
    declared = _DECLARED.search(start[:512])
    name = encoding_of(start) or (declared.group(1).decode() if declared else "utf-8")
    try:
        decoder = codecs.getincrementaldecoder("utf-8-sig" if name.lower() in ("utf-8", "utf8") else name)("replace")
    except LookupError:
        decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    while start:
        yield decoder.decode(start)
        start = stream.read(_BLOCK)
    yield decoder.decode(b"", final=True)


def _check_start(text: str, where: str) -> None:
    root = _root_of(text)
    if _ENTITY.search(text[: text.find("<tu")] if "<tu" in text else text):
        what = "it defines or asks for entities, which a TMX has no use for."
        raise DataError(what, where=where, next_step="Export it again without them.")
    if root is None:
        found = "not XML" if text.strip() else "an empty file"
        raise DataError(f"{found}, expected <tmx>.", where=where, next_step="Export it again.")
    if root.rpartition(":")[2] != "tmx":
        raise DataError(f"the root element is <{root}>, expected <tmx>.", where=where)


def _root_of(text: str) -> str | None:
    found = _ROOT.search(_COMMENT.sub("", text))
    return None if found is None else found.group(1)


def _pairs_of(unit: Element, asked: str | None, number: int) -> Iterator[Pair | Reject]:
    english, others = None, list[tuple[str, str]]()
    for variant in unit.iter("tuv"):
        name = (variant.get(_XML_LANGUAGE) or variant.get("lang") or "").strip()
        segment = variant.find("seg")
        text = "" if segment is None else on_one_line(_text_of(segment))
        if not is_known(name) or language_code(name) != ENGLISH:
            others.append((name, text))
        elif english is None:
            english = text
    shown = "\t".join([english or "", *(text for _, text in others)])
    if english is None:
        yield Reject(Reason.NO_ENGLISH, shown, asked, number)
    elif not others:
        yield Reject(Reason.UNTRANSLATED, shown, asked, number)
    else:
        for name, text in others:
            if name or asked:
                yield Pair(english, text, name or asked, number)
            else:
                yield Reject(Reason.UNKNOWN_LANGUAGE, f"{english}\t{text}", UNKNOWN_LANGUAGE, number)


def _text_of(element: Element) -> str:
    parts = [element.text or ""]
    for child in element:
        if child.tag not in _CODES:
            parts.append(_text_of(child))
        parts.append(child.tail or "")
    return "".join(parts)


FORMAT = Format("tmx", read_tmx, suffixes=(".tmx",))
