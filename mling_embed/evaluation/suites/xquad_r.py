"""XQuAD-R (LAReQA): questions in 11 languages, searched among the answer sentences of all 11 in one pool."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mling_embed.corpora.manifests import MULTILINGUAL, load_manifest
from mling_embed.evaluation.suites.manifest_files import files_by_language, revision_of
from mling_embed.evaluation.suites.xquad_files import paragraphs
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.pooled_retrieval import PooledRetrievalTask


def tasks(languages: Collection[str] | None = None) -> Iterator[PooledRetrievalTask]:
    """Yield a task for each language of the questions; the pool holds the sentences of all wanted languages."""
    manifest = load_manifest("xquad-r")
    passages: dict[str, str] = {}
    passage_languages: dict[str, str] = {}
    questions: dict[str, dict[str, str]] = {}
    right: dict[str, list[str]] = {}
    for language, file in sorted(files_by_language(manifest, "test", languages).items()):
        asked = questions.setdefault(language, {})
        for number, paragraph in enumerate(paragraphs(file)):
            names = [f"{language}-{number}-{place}" for place in range(len(paragraph.sentences))]
            passages |= dict(zip(names, paragraph.sentences, strict=True))
            passage_languages |= dict.fromkeys(names, language)
            for question, (text, answer) in paragraph.questions.items():
                asked[question] = text
                right.setdefault(question, []).append(names[answer])
    revision = revision_of(manifest)
    for language, queries in questions.items():
        label = TaskLabel(manifest.name, f"{language}-{MULTILINGUAL}", (language, MULTILINGUAL), revision=revision)
        yield PooledRetrievalTask(label, passages, passage_languages, queries, right)
