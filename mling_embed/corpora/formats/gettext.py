"""Reader of gettext PO catalogues: msgid is English, msgstr its translation."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedIOBase

import polib

from mling_embed.corpora.inputs import CorpusInput
from mling_embed.corpora.readers import on_one_line
from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DataError

SIZE_LIMIT = 64 << 20  # polib holds a catalogue whole


def read_po(stream: BufferedIOBase, source: CorpusInput, *, where: str) -> Iterator[Pair | Reject]:
    """Yield the translated entries; the others come with their reason: fuzzy, obsolete or untranslated.

    The language is the input's, else the one that the catalogue's header names. An entry with a plural gives two
    pairs: the singular with the first form, the plural with the last.

    Raises:
        DataError: It is not a PO file, not UTF-8, or larger than 64 MiB.
    """
    data = stream.read(SIZE_LIMIT + 1)
    if len(data) > SIZE_LIMIT:
        raise DataError(f"more than {SIZE_LIMIT:,} bytes, the most of a PO catalogue.", where=where)
    try:
        # The empty line keeps polib from taking a short text for a file's name.
        catalogue = polib.pofile(data.decode("utf-8-sig") + "\n")
    except UnicodeDecodeError:
        raise DataError("not UTF-8.", where=where, next_step="Convert it: msgconv -t UTF-8.") from None
    except (OSError, ValueError) as error:
        raise DataError(f"not a PO catalogue ({error}).", where=where, next_step="Check it: msgfmt -c.") from None
    language = source.language or catalogue.metadata.get("Language") or None
    for entry in catalogue:
        line = max(entry.linenum, 1)
        if reason := _reason(entry):
            yield Reject(reason, f"{entry.msgid}\t{entry.msgstr}", language, line)
        elif entry.msgid_plural:
            forms = [form for _, form in sorted(entry.msgstr_plural.items())]
            yield Pair(on_one_line(entry.msgid), on_one_line(forms[0]), language, line)
            yield Pair(on_one_line(entry.msgid_plural), on_one_line(forms[-1]), language, line)
        else:
            yield Pair(on_one_line(entry.msgid), on_one_line(entry.msgstr), language, line)


def _reason(entry: polib.POEntry) -> Reason | None:
    if entry.obsolete:
        return Reason.OBSOLETE
    if entry.fuzzy:
        return Reason.FUZZY
    return None if entry.translated() else Reason.UNTRANSLATED
