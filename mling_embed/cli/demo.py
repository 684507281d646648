"""The verb ``demo``: the whole way on the built-in phrasebook."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from mling_embed.cli import console


def command(
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("mling-embed-demo"),
    seed: Annotated[int, typer.Option(help="Seed of the fit.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON instead of the table.")] = False,
) -> None:
    """Make a multilingual student of the built-in phrasebook, measure it, search with it: offline, in minutes."""
    from mling_embed.demo import demonstrate
    from mling_embed.languages import language_name

    console.say("Teacher: all-MiniLM-L6-v2. Data: the built-in phrasebook, 14 languages.")
    with console.progress() as progress:
        demonstration = demonstrate(out, seed=seed, progress=progress)
    languages = {language: dataclasses.asdict(found) for language, found in demonstration.languages.items()}
    mean = dataclasses.asdict(demonstration.mean)
    if json:
        console.write_json_line(
            {
                "model": demonstration.model,
                "languages": languages,
                "mean": mean,
                "seconds": round(demonstration.seconds, 1),
            }
        )
    else:
        console.write_rows(
            (
                [name, *(f"{value:.2f}" for value in figures.values())]
                for name, figures in {**languages, "mean": mean}.items()
            ),
            header=("language", "before", "after", "shuffled"),
        )
    console.say("\nEnglish sentences indexed with the teacher, searched with the student (no re-indexing):")
    for example in demonstration.searches:
        console.say(f"\n  {language_name(example.language)}: {example.query}")
        for hit in example.hits:
            console.say(f"    {hit.score:.3f}  {hit.text}{'  <- its translation' if hit.relevant else ''}")
    console.say(f"\nModel:  {demonstration.model}\nReport: {demonstration.report}\n{demonstration.seconds:.0f} s")
