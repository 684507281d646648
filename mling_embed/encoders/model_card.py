"""The README.md of a model folder: what the model is, where it comes from, how it is used."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2

from mling_embed import __version__

_TEMPLATE = """\
---
{{ metadata }}
---

# A multilingual {{ card.what }} of {{ card.teacher }}

Its vectors live in the teacher's space ({{ card.dim }} dimensions): what the teacher indexed in English is
found by queries in {{ card.pairs | length }} more languages.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder", device="cpu")
vectors = model.encode(["Wo ist der Bahnhof?", "Where is the station?"])
```

| | |
|---|---|
| made with | mling_embed {{ version }}, knowledge distillation (Reimers & Gurevych 2020) |
| teacher | {{ card.teacher }}, fingerprint `{{ card.teacher_fingerprint[:16] }}` |
{%- if card.started_from %}
| started from | {{ card.started_from }} |
{%- endif %}
{%- if card.new_languages %}
| new languages | {{ card.new_languages | join(", ") }}; the others were replayed |
{%- endif %}
| vocabulary | {{ "{:,}".format(card.n_tokens) }} tokens |
| English sentences | {{ "{:,}".format(card.n_english) }} |
{%- if card.n_monolingual %}
| sentences without translations | {{ "{:,}".format(card.n_monolingual) }} |
{%- endif %}
| translations | {{ "{:,}".format(card.pairs.values() | sum) }} |
| corpus | fingerprint `{{ card.corpus_fingerprint[:16] }}` |
| sources | {{ card.sources | unique | join(", ") }} |
| languages | {{ languages }} |

The licence of the weights follows from the licences of the sources
{%- if card.licenses %}: {{ terms }}{% endif %}.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentCard:
    """What the card of a student says.

    Attributes:
        what: ``static student`` or ``transformer student``.
        tags: Further tags of the hub.
        teacher: Its name, or its folder.
        teacher_fingerprint: Which one it is.
        started_from: Name or folder of the encoder that the student began as; empty without one.
        new_languages: Of an extended student.
        dim: Width of its vectors.
        n_tokens: Entries of its vocabulary.
        n_english: English sentences learned from.
        n_monolingual: Sentences without translations learned from.
        pairs: Language -> translations learned from.
        corpus_fingerprint: Which corpus that was.
        sources: Names of its inputs.
        licenses: Name of a source -> its licence, where that is known.
    """

    what: str
    tags: Sequence[str] = ()
    teacher: str
    teacher_fingerprint: str
    started_from: str = ""
    new_languages: Sequence[str] = ()
    dim: int
    n_tokens: int
    n_english: int
    n_monolingual: int = 0
    pairs: Mapping[str, int]
    corpus_fingerprint: str
    sources: Sequence[str]
    licenses: Mapping[str, str] = field(default_factory=dict)

    def markdown(self) -> str:
        """Return the card, with the metadata that the hub reads before it."""
        template = jinja2.Template(_TEMPLATE, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
        text: str = template.render(
            card=self,
            metadata=self._metadata(),
            version=__version__,
            languages=", ".join(f"{language} ({n:,})" for language, n in sorted(self.pairs.items())),
            terms=", ".join(f"{name}: {license_}" for name, license_ in sorted(self.licenses.items())),
        )
        return text

    def _metadata(self) -> str:
        from huggingface_hub import ModelCardData

        terms = set(self.licenses.values())
        data = ModelCardData(
            language=["en", *sorted(self.pairs)],
            library_name="sentence-transformers",
            pipeline_tag="sentence-similarity",
            base_model=_hub_name(self.started_from or self.teacher),
            datasets=sorted(self.licenses) or None,
            license=terms.pop().lower() if len(terms) == 1 and set(self.sources) <= set(self.licenses) else None,
            tags=["sentence-transformers", *self.tags, "multilingual", "knowledge-distillation"],
        )
        return str(data.to_yaml())


def rotated_teacher_card(teacher: str) -> str:
    """Return the card of a teacher behind a rotation."""
    return (
        f"# {teacher}, rotated\n\nIts vectors are those of {teacher} by their principal axes, "
        "the most important one first. Index with it what the student beside it is to find.\n"
    )


def _hub_name(name: str) -> str | None:
    """Return a name if it is one of the hub, and no folder."""
    return name if re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) and not Path(name).exists() else None
