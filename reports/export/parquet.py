"""Tables as Parquet, with real types, a row group at a time."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from reports.export.tables import Kind, Table
from reports.export.whole import optional, whole

_GROUP = 1 << 15
"""Rows that are in memory together."""


def write_parquet(table: Table, folder: Path) -> Path:
    """Write one table; return its path."""
    arrow, parquet = optional("pyarrow"), optional("pyarrow.parquet")
    types = _types(arrow)
    schema = arrow.schema([(name, types[kind]) for name, kind in table.columns.items()])
    path = folder / f"{table.name}.parquet"
    rows = iter(table.rows)
    with whole(path) as file, parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while group := list(islice(rows, _GROUP)):
            columns = zip(*group, strict=True)
            arrays = [arrow.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
    return path


def _types(arrow: Any) -> dict[Kind, Any]:
    return {
        "whole": arrow.int64(),
        "time": arrow.float64(),
        "text": arrow.string(),
        "texts": arrow.list_(arrow.string()),
        "wholes": arrow.list_(arrow.int64()),
    }
