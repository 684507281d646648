"""The README.md of an export, and of a router."""

from __future__ import annotations

from mling_embed import __version__
from mling_embed.encoders.exports.record import ExportRecord, Runtime

_NAMES = {Runtime.ONNX: "ONNX Runtime", Runtime.OPENVINO: "OpenVINO"}


def export_card(record: ExportRecord) -> str:
    """Return the card: what was exported, how near it comes to its source, how it is used."""
    figures = record.parity
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- {record.runtime.value}
---

# {record.source_name}, for {_NAMES[record.runtime]} in {record.precision.value}

```python
import mling_embed as me

model = me.load("path/to/this/folder")
vectors = model.encode(["Wo ist der Bahnhof?", "Where is the station?"])
```

An index that was made with the source takes queries from this export. The folder is laid out as
`SentenceTransformer(path, backend="{record.runtime.value}")` expects it.

| | |
|---|---|
| made with | mling_embed {__version__} |
| source | {record.source_name}, fingerprint `{record.source[:16]}` |
| matrix products | {record.precision.value} |
| dimensions | {record.dim} |

Beside its source, on {figures["n"]:,} sentences:

| figure | |
|---|---:|
| mean cosine of a sentence's two vectors | {figures["mean_cosine"]:.4f} |
| least cosine | {figures["least_cosine"]:.4f} |
| Spearman's correlation of the cosines of pairs | {figures["spearman"]:.4f} |
| the same nearest sentence | {figures["top1"]:.3f} |
"""


def router_card(teacher: str, student: str, *, found: float, n: int) -> str:
    """Return the card of a router of a teacher and its student."""
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- asymmetric
---

# Queries by {student}, documents by {teacher}

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder", device="cpu")
queries = model.encode_query(["Wo ist der Bahnhof?"])
documents = model.encode_document(["The station is behind the old market."])
```

The student lives in its teacher's space: of {n:,} English sentences it finds {found:.3f} among the teacher's vectors of
them. Made with mling_embed {__version__}.
"""
