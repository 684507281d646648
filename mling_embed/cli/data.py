"""``data``: list, show, fetch, verify, build and label parallel text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mling_embed.cli.console import progress, say, write_json_line, write_rows
from mling_embed.errors import MlingEmbedError, UsageError
from mling_embed.languages import language_tag

if TYPE_CHECKING:
    from mling_embed.corpora.inputs import CorpusInput
    from mling_embed.corpora.manifests import Manifest, SplitFile
    from mling_embed.corpora.parallel import ParallelCorpus
    from mling_embed.progress import Progress

app = typer.Typer(no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON lines.")]


def _manifests(names: list[str] | None) -> list[Manifest]:
    from mling_embed.corpora.manifests import load_manifest, manifest_names

    return [load_manifest(name) for name in names or manifest_names()]


def _files(manifest: Manifest) -> list[SplitFile]:
    """Return each file once: a manifest lists it anew for each language and split that it holds."""
    return list({file.url or file.path: file for file in manifest.files()}.values())


def _size(manifest: Manifest) -> int | None:
    sizes = [file.bytes for file in _files(manifest)]
    return sum(size for size in sizes if size is not None) if sizes and None not in sizes else None


def _use(manifest: Manifest) -> str:
    use = manifest.commercial_use
    return use if isinstance(use, str) else ("yes" if use else "no")


@app.command("list", short_help="List the manifests.")
def list_manifests(
    role: Annotated[str | None, typer.Option(help="Only sets with a split of this role: train, dev or test.")] = None,
    language: Annotated[str | None, typer.Option(help="Only sets that hold this language.")] = None,
    json: Json = False,
) -> None:
    """List the manifests: name, kind, roles, languages, files, bytes, licence, commercial use, title."""
    from mling_embed.corpora.manifests import Role

    if role is not None and role not in set(Role):
        raise UsageError(f"--role is '{role}', expected one of {', '.join(Role)}.")
    wanted = None if language is None else language_tag(language)
    found = [
        manifest
        for manifest in _manifests(None)
        if (role is None or role in manifest.roles()) and (wanted is None or manifest.holds(wanted))
    ]
    if json:
        for manifest in found:
            write_json_line(_summary(manifest))
        return
    header = ("name", "kind", "roles", "languages", "files", "bytes", "license", "commercial_use", "title")
    rows = [{**_summary(manifest), "languages": len(manifest.languages)} for manifest in found]
    write_rows(([",".join(row[key]) if key == "roles" else row[key] for key in header] for row in rows), header=header)


def _summary(manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "kind": str(manifest.kind),
        "roles": [str(role) for role in manifest.roles()],
        "languages": list(manifest.languages),
        "files": len(_files(manifest)) or None,
        "bytes": _size(manifest),
        "license": manifest.license,
        "commercial_use": _use(manifest),
        "title": manifest.title,
    }


@app.command(short_help="Show a manifest: terms and files.")
def show(
    name: Annotated[str, typer.Argument(help="A manifest's name, or a TOML file.")],
    json: Json = False,
) -> None:
    """Show one manifest: its terms, and each file or hub configuration."""
    manifest = _manifests([name])[0]
    if json:
        write_json_line(manifest.model_dump(mode="json", exclude_defaults=True))
        return
    rows: list[tuple[object, ...]] = [
        (key, getattr(manifest, key)) for key in ("name", "title", "kind", "homepage", "license")
    ]
    rows += [("commercial_use", _use(manifest)), ("citation", manifest.citation)]
    rows += [("languages", " ".join(manifest.languages)), ("notes", manifest.notes)]
    if manifest.hub is not None:
        rows += [("repo", manifest.hub.repo), ("revision", manifest.hub.revision)]
        rows += [("config", config.config, config.language) for config in manifest.hub.configs]
    for split in manifest.splits:
        rows.append(("split", split.name, split.role, split.hub_split))
        rows += [("file", split.name, f.format, f.language, f.bytes, f.url or f.path) for f in split.files]
    rows += [("document", None, f.format, None, f.bytes, f.url or f.path) for f in manifest.documents]
    write_rows(rows)


@app.command(short_help="Fetch the files of manifests.")
def fetch(
    names: Annotated[list[str], typer.Argument(help="Names of manifests, or TOML files.")],
) -> None:
    """Fetch every file of the manifests that neither the cache nor a mirror holds; print their paths."""
    from mling_embed.corpora.fetching import resolve

    failed = 0
    with progress() as report:
        for manifest in _manifests(names):
            if manifest.hub is not None:
                say(f"{manifest.name}: read from the Hugging Face hub when a corpus is built; nothing to fetch.")
            for file in _files(manifest):
                try:
                    write_rows([(manifest.name, resolve(file, progress=report))])
                except MlingEmbedError as error:
                    failed += 1
                    say(f"error: {error}")
    if failed:
        say(f"{failed} file(s) could not be fetched.")
        raise typer.Exit(1)


@app.command(short_help="Check the files that are at hand.")
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of manifests, or TOML files; all by default.")
    ] = None,
    json: Json = False,
) -> None:
    """Check size and SHA-256 of every file in the cache and the mirrors; exit 1 if any is missing or damaged."""
    from mling_embed.corpora.fetching import FileState, examine

    known = _manifests(names)
    manifests = [manifest for manifest in known if manifest.files()]
    total = sum(len(_files(manifest)) for manifest in manifests)
    sums, done = dict.fromkeys(FileState, 0), 0
    rows: list[dict[str, Any]] = []
    with progress() as report:
        for manifest in manifests:
            counts = dict.fromkeys(FileState, 0)
            for file in _files(manifest):
                finding = examine(file)
                counts[finding.state] += 1
                sums[finding.state] += 1
                done += 1
                report("verifying", done, total)
                if finding.state is FileState.DAMAGED:
                    say(f"damaged: {finding.path}: {finding.reason}")
            rows.append({"name": manifest.name, **{str(state): count for state, count in counts.items()}})
    if json:
        for row in rows:
            write_json_line(row)
    else:
        write_rows((list(row.values()) for row in rows), header=("name", *FileState))
    if on_hub := len(known) - len(manifests):
        say(f"{on_hub} manifest(s) of the Hugging Face hub have no files to verify")
    say(", ".join(f"{count} {state}" for state, count in sums.items()))
    if sums[FileState.MISSING] or sums[FileState.DAMAGED]:
        raise typer.Exit(1)


@app.command(short_help="Build a corpus from files and manifests.")
def build(
    out: Annotated[Path, typer.Argument(help="The folder of the corpus.")],
    pairs: Annotated[
        list[str] | None,
        typer.Option(
            help="FILE[:LANGUAGE]: .tsv .csv .jsonl .parquet .tmx .po, compressed or in an archive (A.zip!*.tsv); with "
            ",english=2,other=4 after it to name columns, from 0 or by name; or ENGLISH,OTHER:LANGUAGE for two "
            "line-aligned files. May be repeated."
        ),
    ] = None,
    manifest: Annotated[
        list[str] | None, typer.Option(help="A manifest whose training text is read. May be repeated.")
    ] = None,
    languages: Annotated[
        str | None, typer.Option(help="The languages to keep, separated by commas; pt takes pt-PT and pt-BR.")
    ] = None,
    dev_fraction: Annotated[float, typer.Option(help="The share of English sentences in the dev split.")] = 0.01,
    decontaminate: Annotated[
        bool, typer.Option("--decontaminate/--no-decontaminate", help="Keep out the sentences of all test sets.")
    ] = True,
    json: Json = False,
) -> None:
    """Build a corpus from files and manifests; print the rows kept and rejected, by input and reason."""
    from mling_embed.corpora.build import build_corpus

    wanted = None if languages is None else [language_tag(code) for code in languages.split(",") if code.strip()]
    with progress() as report:
        inputs = _inputs(pairs or [], manifest or [], wanted, report)
        corpus = build_corpus(
            inputs,
            out,
            languages=wanted,
            dev_fraction=dev_fraction,
            decontaminate=decontaminate,
            progress=report,
        )
    _print_corpus(corpus, json=json)


@app.command(short_help="Label a corpus by a teacher, ahead of a run.")
def label(
    corpus: Annotated[Path, typer.Argument(help="A folder that `data build` made.")],
    teacher: Annotated[str, typer.Option(help="A folder, or a name of the Hugging Face hub.")] = "all-MiniLM-L6-v2",
    prompt: Annotated[str | None, typer.Option(help="The run's teacher.prompt. [default: the teacher's own]")] = None,
    engine: Annotated[str | None, typer.Option(help="Where it is done: local, or ray. [default: local]")] = None,
    shard: Annotated[str | None, typer.Option(help="Do the share i/n, as one of n processes of one cache.")] = None,
    json: Json = False,
) -> None:
    """Compute a teacher's vectors of a corpus's English sentences: `distill --corpus` then finds them in the cache."""
    from mling_embed.engines.kinds import engine_of
    from mling_embed.training.labelling import label_corpus

    with progress() as report:
        targets = label_corpus(corpus, teacher, prompt=prompt, engine=engine_of(engine, shard), progress=report)
    facts = {"sentences": len(targets), "computed": targets.computed, "dim": targets.dim}
    if json:
        write_json_line(facts)
    else:
        write_rows([list(facts.values())], header=tuple(facts))


def _inputs(pairs: list[str], names: list[str], languages: list[str] | None, report: Progress) -> list[CorpusInput]:
    from mling_embed.corpora.inputs import guess_input
    from mling_embed.corpora.sources import corpus_inputs

    if not pairs and not names:
        raise UsageError("nothing to build from.", next_step="Give --pairs FILE[:lang] or --manifest NAME.")
    inputs = [guess_input(text) for text in pairs]
    for manifest in _manifests(names) if names else []:
        inputs += corpus_inputs(manifest, languages=languages, progress=report)
    return inputs


def _print_corpus(corpus: ParallelCorpus, *, json: bool) -> None:
    from mling_embed.corpora.rejects import tell_rejects

    info = corpus.info
    if json:
        tell_rejects(corpus, say)
        keys = ("english", "english_dev", "pairs", "read", "kept", "rejected")
        write_json_line({"path": corpus.path, **{key: info[key] for key in keys}})
        return
    counts: Counter[tuple[str, str, str]] = Counter()
    for source in info["inputs"]:
        for language, tally in source["languages"].items():
            outcomes = {"read": tally["read"], "kept": tally["kept"], **tally["rejected"]}
            counts.update({(source["name"], language, outcome): rows for outcome, rows in outcomes.items()})
    rows = [(*place, number) for place, number in counts.items()]
    write_rows(rows, header=("source", "language", "outcome", "rows"))
    tell_rejects(corpus, say)
    rejected = ", ".join(f"{count:,} {reason}" for reason, count in info["rejected"].items()) or "none"
    say(f"read {info['read']:,}, kept {info['kept']:,}; rejected: {rejected}")
    if not info["kept"]:
        say("warning: nothing was kept, so that the corpus is empty. Check the languages, and the reasons above.")
    say(f"{corpus.path}: {info['english']:,} English sentences ({info['english_dev']:,} in dev), {_counted(info)}.")


def _counted(info: Any) -> str:
    return f"{sum(info['pairs'].values()):,} pairs in {len(info['pairs'])} language(s)"
