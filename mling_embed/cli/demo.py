"""The verb ``demo``: the whole way on the built-in phrasebook."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mling_embed.cli import console

if TYPE_CHECKING:
    from mling_embed.demo import Accuracy, Demonstration

NONE = "none"


def command(
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("mling-embed-demo"),
    encoder: Annotated[
        str | None,
        typer.Option(
            help="A multilingual encoder for the second student: a folder, a name of the hub, or none. "
            "[default: the one of the extra offline, if it is installed]",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the fit.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON instead of the table.")] = False,
) -> None:
    """Make multilingual students of the built-in phrasebook, measure them, search with them: offline, in minutes."""
    from mling_embed.demo import demonstrate, demonstration_encoder

    console.say("Teacher: all-MiniLM-L6-v2. Data: the built-in phrasebook, 14 languages.")
    chosen = demonstration_encoder() if encoder is None else encoder
    if chosen is None:
        console.say("No multilingual encoder is at hand: pip install 'mling-embed[offline]', or --encoder NAME.")
    with console.progress() as progress:
        reached = demonstrate(out, encoder=None if chosen == NONE else chosen, seed=seed, progress=progress)
    _show(reached, json=json)


def _show(reached: Demonstration, *, json: bool) -> None:
    """Print the table, and what the searches found."""
    from mling_embed.languages import language_name

    rows = {name: _figures(found) for name, found in {**reached.languages, "mean": reached.mean}.items()}
    if json:
        mean, seconds = rows.pop("mean"), {name: round(value, 1) for name, value in reached.seconds.items()}
        console.write_json_line({"models": reached.models, "languages": rows, "mean": mean, "seconds": seconds})
    else:
        table = ([name, *(f"{value:.2f}" for value in figures.values())] for name, figures in rows.items())
        console.write_rows(table, header=("language", *rows["mean"]))
    console.say("\nEnglish sentences indexed with the teacher, searched with the students (no re-indexing):")
    asked = ""
    for example in reached.searches:
        if example.query != asked:
            asked = example.query
            console.say(f"\n  {language_name(example.language)}: {example.query}")
        console.say(f"    by the student {example.student}:")
        for hit in example.hits:
            console.say(f"      {hit.score:.3f}  {hit.text}{'  <- its translation' if hit.relevant else ''}")
    models = "".join(f"Model:  {model}\n" for model in reached.models)
    console.say(f"\n{models}Report: {reached.report}\n{reached.seconds['all']:.0f} s")


def _figures(found: Accuracy) -> dict[str, float]:
    """Return a language's figures, without what was not measured."""
    return {name: value for name, value in dataclasses.asdict(found).items() if value is not None}
