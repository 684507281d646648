"""The README.md of a student: what it is, where it comes from, how it is used."""

from __future__ import annotations

import jinja2

from mling_embed import __version__
from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.distillation.config import DistillConfig
from mling_embed.encoders.static import StaticEncoder
from mling_embed.encoders.teacher import Teacher

_TEMPLATE = """\
---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
base_model: {{ config.teacher.name }}
language: [{{ (["en"] + languages) | join(", ") }}]
tags: [sentence-transformers, static-embeddings, multilingual, knowledge-distillation]
---

# A multilingual static student of {{ config.teacher.name }}

Its vectors live in the teacher's space ({{ student.dim }} dimensions, unit norm): what the teacher indexed in English
is found by queries in {{ languages | length }} more languages.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder", device="cpu")
vectors = model.encode(["Wo ist der Bahnhof?", "Where is the station?"])
```

| | |
|---|---|
| made with | mling_embed {{ version }}, knowledge distillation (Reimers & Gurevych 2020) |
| teacher | {{ config.teacher.name }}, fingerprint `{{ teacher.fingerprint[:16] }}` |
| vocabulary | {{ "{:,}".format(student.table.shape[0]) }} Unigram pieces |
| English sentences | {{ "{:,}".format(corpus.n_english) }} |
| translations | {{ "{:,}".format(corpus.n_pairs) }} |
| corpus | fingerprint `{{ corpus.fingerprint[:16] }}` |
| sources | {{ corpus.sources | join(", ") }} |
| languages | {{ pairs_of_languages }} |

The licence of the weights follows from the licences of the sources.
"""


def model_card(config: DistillConfig, corpus: ParallelCorpus, teacher: Teacher, student: StaticEncoder) -> str:
    """Return the model card of a student as Markdown."""
    template = jinja2.Template(_TEMPLATE, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    text: str = template.render(
        config=config,
        corpus=corpus,
        teacher=teacher,
        student=student,
        languages=list(corpus.languages),
        pairs_of_languages=", ".join(f"{language} ({n:,})" for language, n in sorted(corpus.info["pairs"].items())),
        version=__version__,
    )
    return text
