"""The README.md of a student: what it is, where it comes from, how it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jinja2

from mling_embed import __version__
from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.distillation.config import DistillConfig, StudentKind
from mling_embed.encoders.anatomy import token_embedding
from mling_embed.encoders.static import StaticEncoder
from mling_embed.encoders.teacher import Teacher

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_TEMPLATE = """\
---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
base_model: {{ config.student.name or config.teacher.name }}
language: [{{ (["en"] + languages) | join(", ") }}]
tags: [sentence-transformers, {{ tag }}, multilingual, knowledge-distillation]
---

# A multilingual {{ what }} of {{ config.teacher.name }}

Its vectors live in the teacher's space ({{ teacher.facts.dim }} dimensions): what the teacher indexed in English is
found by queries in {{ languages | length }} more languages.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder", device="cpu")
vectors = model.encode(["Wo ist der Bahnhof?", "Where is the station?"])
```

| | |
|---|---|
| made with | mling_embed {{ version }}, knowledge distillation (Reimers & Gurevych 2020) |
| teacher | {{ config.teacher.name }}, fingerprint `{{ teacher.fingerprint[:16] }}` |
{%- if config.student.name %}
| started from | {{ config.student.name }} |
{%- endif %}
{%- if config.student.new_languages %}
| new languages | {{ config.student.new_languages | join(", ") }}; the others were replayed |
{%- endif %}
| vocabulary | {{ "{:,}".format(n_tokens) }} tokens |
| English sentences | {{ "{:,}".format(corpus.n_english) }} |
| translations | {{ "{:,}".format(corpus.n_pairs) }} |
| corpus | fingerprint `{{ corpus.fingerprint[:16] }}` |
| sources | {{ corpus.sources | unique | join(", ") }} |
| languages | {{ pairs_of_languages }} |

The licence of the weights follows from the licences of the sources.
"""

_NAMES = {
    StudentKind.STATIC: ("static student", "static-embeddings"),
    StudentKind.TRANSPLANT: ("transformer student", "feature-extraction"),
    StudentKind.PRETRAINED: ("transformer student", "feature-extraction"),
    StudentKind.EXTENDED: ("transformer student", "feature-extraction"),
}


def model_card(
    config: DistillConfig, corpus: ParallelCorpus, teacher: Teacher, student: StaticEncoder | SentenceTransformer
) -> str:
    """Return the model card of a student as Markdown."""
    what, tag = _NAMES[config.student.kind]
    template = jinja2.Template(_TEMPLATE, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    text: str = template.render(
        config=config,
        corpus=corpus,
        teacher=teacher,
        what=what,
        tag=tag,
        n_tokens=len(student.table if isinstance(student, StaticEncoder) else token_embedding(student).weight),
        languages=list(corpus.languages),
        pairs_of_languages=", ".join(f"{language} ({n:,})" for language, n in sorted(corpus.info["pairs"].items())),
        version=__version__,
    )
    return text


def teacher_card(config: DistillConfig) -> str:
    """Return the model card of a rotated teacher as Markdown."""
    return (
        f"# {config.teacher.name}, rotated\n\nIts vectors are those of {config.teacher.name} by their principal axes, "
        "the most important one first. Index with it what the student beside it is to find.\n"
    )
