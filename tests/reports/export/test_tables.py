"""Tables read back say what the run's files say, whatever the names are."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.exportrun import LISTS, Folder, folders
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reports.export import export
from reports.export import parquet as parquet_module
from reports.export.csvs import harmless
from reports.series import TERMS

FIGURES = (*TERMS, "total", "delta", "lost", "extra")
CAUSE = ("what", "event", "iteration", "time", "op", "request", "session", "count", "slots")


def wanted_events(folder):
    rows = []
    pools = [p for p in ("full", "swa", "mamba") if folder.events and p in folder.events[0]]
    for event in folder.events:
        row = {"event": event["event"], "t": event["t"], "iteration": event["it"], "kind": event["kind"]}
        row |= {"request": event.get("request"), "session": event.get("session")}
        row |= {"batch": event.get("batch", 0), "tokens": event.get("tokens", 0)}
        for pool in pools:
            prefix = "" if pool == "full" else f"{pool}_"
            delta, lost, extra = (event.get(f"{prefix}{name}", 0) for name in ("delta", "lost", "extra"))
            figures = (*event[pool], sum(event[pool]) - delta, delta, lost, extra)
            row |= {f"{pool}_{name}": figure for name, figure in zip(FIGURES, figures, strict=True)}
        row |= {"running": event["running"], "waiting": event["waiting"], "check": event.get("check")}
        row |= {name: event.get(name, []) for name in (*LISTS, "verdicts")}
        rows.append(row)
    return rows


def wanted_verdicts(folder):
    rows = []
    for index, verdict in enumerate(folder.verdicts):
        cause = verdict["cause"] or {}
        row = {"index": index} | {k: v for k, v in verdict.items() if k != "cause"}
        rows.append(row | {f"cause_{name}": cause.get(name) for name in CAUSE})
    return rows


def wanted(folder):
    tables = {"events": wanted_events(folder)}
    if folder.verdicts is not None:
        tables["verdicts"] = wanted_verdicts(folder)
    if folder.lives is not None:
        keys = ("event", "t", "request", "session", "state")
        tables["lives"] = [{key: life.get(key) for key in keys} for life in folder.lives]
    return tables


def exported(folder, to, where):
    run = folder.write(Path(where) / "s" / "v")
    paths = list(export(run, to, None, lambda _: None))
    assert [p.parent for p in paths] == [run / "tables"] * len(paths)
    return {path.stem: path for path in paths}


def as_text(value):
    """A cell as a reader of CSV gets it back, the apostrophe taken off."""
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else ""
    return "" if value is None else str(value)


@settings(max_examples=60, deadline=None)
@given(folders())
def test_csv_reads_back_as_the_files_are(folder):
    with TemporaryDirectory() as where:
        paths = exported(folder, "csv", where)
        read = {}
        for name, path in paths.items():
            with path.open(encoding="utf-8", newline="") as file:
                rows = csv.DictReader(file, strict=True)
                read[name] = [{k: v.removeprefix("'") for k, v in row.items()} for row in rows]
    tables = wanted(folder)
    assert set(read) == set(tables)
    for name, rows in tables.items():
        assert [{key: row[key] for key in rows[0]} for row in read[name]] == [
            {key: as_text(value) for key, value in row.items()} for row in rows
        ]


@settings(max_examples=40, deadline=None)
@given(folders())
def test_parquet_reads_back_as_the_files_are(folder):
    with TemporaryDirectory() as where:
        read = {name: pq.read_table(path).to_pylist() for name, path in exported(folder, "parquet", where).items()}
    tables = wanted(folder)
    assert set(read) == set(tables)
    for name, rows in tables.items():
        assert [{key: row[key] for key in rows[0]} for row in read[name]] == rows


EVENT = {"event": 1, "t": 0.5, "it": 0, "kind": "abort", "request": "=cmd", "full": [9, 0, 0, 0, 0]}
ONE = Folder([EVENT | {"running": 0, "waiting": 0}], verdicts=[])


def test_a_table_has_real_types(tmp_path):
    schema = pq.read_schema(exported(ONE, "parquet", tmp_path)["events"])
    types = {name: schema.field(name).type for name in ("event", "t", "kind", "full_delta", "closed", "verdicts")}
    assert types == {
        "event": pa.int64(),
        "t": pa.float64(),
        "kind": pa.string(),
        "full_delta": pa.int64(),
        "closed": pa.list_(pa.string()),
        "verdicts": pa.list_(pa.int64()),
    }


def test_a_long_table_has_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_module, "_GROUP", 4)
    events = [ONE.events[0] | {"event": n} for n in range(1, 11)]
    file = pq.ParquetFile(exported(Folder(events), "parquet", tmp_path)["events"])
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [4, 4, 2]
    assert file.read().column("event").to_pylist() == list(range(1, 11))


def test_lines_end_as_the_standard_says_and_a_formula_is_text(tmp_path):
    text = exported(ONE, "csv", tmp_path)["events"].read_bytes().decode()
    head, row, rest = text.split("\r\n")
    assert head.startswith("event,t,iteration,kind,request,session,batch,tokens,full_available,")
    assert row.startswith("1,0.5,0,abort,'=cmd,,0,0,9,")
    assert rest == ""


@given(st.text())
@example("=1+1")
@example("\u00a0=1")
@example("\t-1")
@example("''")
def test_no_text_is_a_formula_and_each_can_be_had_back(text):
    cell = harmless(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r"))
    assert not cell.startswith(("\t", "\r", "\n"))
    assert cell.removeprefix("'") == text


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_a_run_without_events_has_empty_tables(tmp_path, to):
    paths = exported(Folder([], lives=[], verdicts=[]), to, tmp_path)
    assert set(paths) == {"events", "verdicts", "lives"}
    assert exported(Folder([], lives=[], verdicts=[]), to, tmp_path / "again")["events"].read_bytes() == paths[
        "events"
    ].read_bytes()
