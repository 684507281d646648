"""Reader of gettext PO catalogues: msgid is English, msgstr its translation."""

from __future__ import annotations

import gettext
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath

import polib

from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.file_names import language_in_name
from mling_embed.corpora.formats import Format, OpenFile
from mling_embed.corpora.lines import Decoding, encoding_of, on_one_line
from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DataError
from mling_embed.languages import UNKNOWN_LANGUAGE, is_known

SIZE_LIMIT = 64 << 20  # polib holds a catalogue whole
_CHARSET = re.compile(rb"charset=([\w.-]+)")
_PLURALS = re.compile(r"nplurals\s*=\s*(\d+)\s*;\s*plural\s*=\s*([^;]+)")
_BLANK = re.compile(r"\n[ \t\r]*\n")
_COUNTS = range(2, 200)  # numbers that say which plural form is the usual one


def read_po(files: Sequence[OpenFile], source: CorpusInput, decoding: Decoding) -> Iterator[Pair | Reject]:
    """Yield the translated entries; the others come with their reason: fuzzy, obsolete, untranslated or malformed.

    The language is the input's, else the one that the catalogue's header names, else that of the file's name or
    folder. An entry with a plural gives two pairs: the singular with the form for one, the plural with the form that
    most numbers take, both by the header's rule.

    Raises:
        DataError: It is not a PO file, or larger than 64 MiB.
    """
    (file,) = files
    data = file.stream.read(SIZE_LIMIT + 1)
    if len(data) > SIZE_LIMIT:
        raise DataError(f"more than {SIZE_LIMIT:,} bytes, the most of a PO catalogue.", where=file.where)
    text = _decoded(data)
    metadata, entries, bad = _entries(text, file.where)
    language = source.language or _language(metadata, file.where)
    forms = _plural_forms(metadata.get("Plural-Forms", ""))
    for shown, line in bad:
        yield Reject(Reason.MALFORMED, on_one_line(shown), language, line)
    for entry, line in entries:
        yield from _pairs_of(entry, line, language, forms)


def _pairs_of(
    entry: polib.POEntry, line: int, language: str | None, forms: tuple[int, int] | None
) -> Iterator[Pair | Reject]:
    shown = f"{entry.msgid}\t{entry.msgstr}"
    if any("\udc80" <= character <= "\udcff" for character in f"{shown}{entry.msgstr_plural}"):
        yield Reject(Reason.UNDECODABLE, shown.encode("utf-8", "replace").decode(), language, line)
    elif reason := _reason(entry):
        yield Reject(reason, shown, language, line)
    elif language is None:
        yield Reject(Reason.UNKNOWN_LANGUAGE, shown, UNKNOWN_LANGUAGE, line)
    elif entry.msgid_plural:
        said = {int(place): form for place, form in entry.msgstr_plural.items()}
        one, many = forms if forms is not None and set(forms) <= said.keys() else (min(said), max(said))
        yield Pair(on_one_line(entry.msgid), on_one_line(said[one]), language, line)
        yield Pair(on_one_line(entry.msgid_plural), on_one_line(said[many]), language, line)
    else:
        yield Pair(on_one_line(entry.msgid), on_one_line(entry.msgstr), language, line)


def _reason(entry: polib.POEntry) -> Reason | None:
    if entry.obsolete:
        return Reason.OBSOLETE
    if entry.fuzzy:
        return Reason.FUZZY
    return None if entry.translated() else Reason.UNTRANSLATED


def _decoded(data: bytes) -> str:
    """Return the text as UTF-8, else as the header's charset; a byte that is neither comes as a surrogate."""
    if codec := encoding_of(data):
        return data.decode(codec, "replace")
    charset = _CHARSET.search(data[: 1 << 14])
    for name in ("utf-8-sig", charset.group(1).decode() if charset else "utf-8"):
        try:
            return data.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("utf-8-sig", "surrogateescape")


class _Lines(str):
    """Be a text whose lines end at LF alone: polib would end them at U+2028, NEL and form feeds too."""

    __slots__ = ()

    def splitlines(self, keepends: bool = False) -> list[str]:
        """Return the lines."""
        return self.split("\n")


def _parsed(text: str) -> polib.POFile:
    # The empty line keeps polib from taking a short text for a file's name.
    return polib.pofile(_Lines(text + "\n\n"))


def _entries(text: str, where: str) -> tuple[Mapping[str, str], list[tuple[polib.POEntry, int]], list[tuple[str, int]]]:
    """Return the header, the entries and what is none, with their lines; entry by entry if the whole cannot be read."""
    try:
        catalogue = _parsed(text)
        return catalogue.metadata, [(entry, max(entry.linenum, 1)) for entry in catalogue], []
    except (OSError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        failure = error
    metadata: dict[str, str] = {}
    entries, bad, line, place = list[tuple[polib.POEntry, int]](), list[tuple[str, int]](), 1, 0
    for mark in (*_BLANK.finditer(text), None):
        block = text[place : mark.start() if mark else len(text)]
        try:
            catalogue = _parsed(block)
            metadata = metadata or dict(catalogue.metadata)
            entries += [(entry, line + max(entry.linenum, 1) - 1) for entry in catalogue]
        except (OSError, ValueError, KeyError, IndexError, AttributeError, TypeError):
            bad.append((block.strip(), line + len(block) - len(block.lstrip("\n"))))
        if mark:
            line, place = line + block.count("\n") + mark.group().count("\n"), mark.end()
    if not entries and not metadata:
        raise DataError(f"not a PO catalogue ({failure}).", where=where, next_step="Check it: msgfmt -c.") from failure
    return metadata, entries, bad


def _language(metadata: Mapping[str, str], where: str) -> str | None:
    """Return the language of a catalogue: of its header, of its name, or of its folder (``de/LC_MESSAGES/x.po``).

    What the header says is returned even if it cannot be read, so that it is rejected by that name.
    """
    said = (metadata.get("Language") or metadata.get("X-Language") or "").strip()
    if is_known(said):
        return said
    if named := language_in_name(where):
        return named
    for part in reversed(PurePath(where.replace("!", "/")).parts[:-1]):
        if len(part) >= 2 and part not in ("LC_MESSAGES", "po", "locale", "locales") and is_known(part):
            return part
        if part != "LC_MESSAGES":
            break
    return said or None


def _plural_forms(rule: str) -> tuple[int, int] | None:
    """Return which form is for one and which is the usual one for more, by a header's rule; `None` without one.

    >>> _plural_forms("nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n != 0 ? 1 : 2);")
    (0, 1)
    """
    found = _PLURALS.search(rule)
    if found is None:
        return None
    try:
        form: Callable[[int], int] = gettext.c2py(found.group(2).strip())
        usual = Counter(form(count) for count in _COUNTS).most_common(1)[0][0]
        return form(1), usual
    except (ValueError, ArithmeticError, RecursionError, SyntaxError):
        return None


FORMAT = Format("po", read_po, suffixes=(".po",))
