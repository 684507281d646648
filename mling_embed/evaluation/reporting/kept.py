"""What a report printed, kept as a file: it is shown again without measuring again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mling_embed.errors import DamagedFileError
from mling_embed.evaluation.reporting.tables import Table
from mling_embed.files import read_json, write_json


@dataclass(frozen=True, slots=True)
class KeptReport:
    """Hold what is printed of an evaluation.

    Attributes:
        records: For ``--json``: one for each result, mean and worst.
        tables: For people.
        warnings: What is said beside them.
    """

    records: Sequence[dict[str, Any]]
    tables: Sequence[Table]
    warnings: Sequence[str] = ()

    def write(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        tables = [{**asdict(table), "few": sorted(table.few)} for table in self.tables]
        write_json(path, {"records": list(self.records), "tables": tables, "warnings": list(self.warnings)})

    @classmethod
    def read(cls, path: Path) -> KeptReport | None:
        """Return what was written, or `None` where there is no such file.

        Raises:
            DamagedFileError: The file is something else.
        """
        if not path.exists():
            return None
        try:
            kept = read_json(path)
            tables = [_table(each) for each in kept["tables"]]
            return cls(kept["records"], tables, kept["warnings"])
        except (TypeError, KeyError) as error:
            raise DamagedFileError(f"no kept report ({error!r}).", where=path, next_step="Delete it.") from error


def _table(values: dict[str, Any]) -> Table:
    return Table(
        title=values["title"],
        header=tuple(values["header"]),
        rows=tuple(tuple(row) for row in values["rows"]),
        n_summary=values["n_summary"],
        few=frozenset(values["few"]),
        enough=values["enough"],
    )
