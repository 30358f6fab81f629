"""The tables of the import boundary, one per release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sim.engines.sglang.tables import v0510, v0511, v0512
from sim.engines.sglang.tables.table import Table

if TYPE_CHECKING:
    from sim.engines.sglang.source import Source

TABLES: tuple[Table, ...] = (v0510.TABLE, v0511.TABLE, v0512.TABLE)


def table_for(source: Source) -> Table:
    """The table of this version or the newest older one; without a version the newest whose marker files are there."""
    from sim.engines.sglang.source import UNKNOWN, by_number

    if source.version == UNKNOWN:
        fitting = [table for table in TABLES if _marked(table, source.path)]
        return fitting[-1] if fitting else TABLES[-1]
    number = by_number(source.version)
    fitting = [table for table in TABLES if by_number(table.version) <= number]
    return fitting[-1] if fitting else TABLES[0]


def _marked(table: Table, root: Path) -> bool:
    return all(root.joinpath(*marker.split(".")).with_suffix(".py").is_file() for marker in table.markers)
