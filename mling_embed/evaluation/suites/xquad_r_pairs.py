"""Question answering: XQuAD-R's questions in each of 11 languages over the answer sentences of each, 121 pairs."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mling_embed.corpora.manifests import load_manifest
from mling_embed.evaluation.suites.manifest_files import files_by_language, revision_of
from mling_embed.evaluation.suites.xquad_files import paragraphs
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.retrieval import RetrievalTask


def tasks(languages: Collection[str] | None = None) -> Iterator[RetrievalTask]:
    """Yield a task for each language of the questions and each of the sentences, all wanted ones with each other."""
    manifest = load_manifest("xquad-r")
    passages: dict[str, dict[str, str]] = {}
    questions: dict[str, dict[str, str]] = {}
    qrels: dict[str, dict[str, dict[str, int]]] = {}
    for language, file in files_by_language(manifest, "test", languages).items():
        found, asked = passages.setdefault(language, {}), questions.setdefault(language, {})
        right = qrels.setdefault(language, {})
        for number, paragraph in enumerate(paragraphs(file)):
            names = [f"{number}-{place}" for place in range(len(paragraph.sentences))]
            found |= dict(zip(names, paragraph.sentences, strict=True))
            for question, (text, answer) in paragraph.questions.items():
                asked[question] = text
                right[question] = {names[answer]: 1}
    revision = revision_of(manifest)
    for query_language, queries in questions.items():
        for passage_language, texts in passages.items():
            languages_of_both = (query_language, passage_language)
            label = TaskLabel("xquad-r-pairs", "-".join(languages_of_both), languages_of_both, revision=revision)
            yield RetrievalTask(label, texts, queries, qrels[passage_language])
