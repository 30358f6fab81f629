"""The queries of docs/export.md, asked of a trace whose tables are laid out as the viewer's are."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest
from helpers.exportrun import Folder
from helpers.traceread import read_trace

from reports.export import export

PAGE = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
QUERIES = [q.strip() for block in re.findall(r"```sql\n(.*?)```", PAGE, re.S) for q in block.split(";") if q.strip()]
BOOKS = {"running": 1, "waiting": 0, "full": [6, 0, 0, 1, 2], "session": "a"}
VERDICT = {"verdict": "leak", "pool": "full", "size": -1, "event": 2, "detected_by": "busy check", "detected_event": 3}
CAUSE = {"what": "row 1 was overwritten", "event": 2, "op": "step"}
RUN = Folder(
    events=[
        BOOKS | {"event": 1, "t": 0.0, "it": 0, "kind": "submit", "full": [9, 0, 0, 0, 0]},
        BOOKS | {"event": 2, "t": 0.0, "it": 1, "kind": "prefill", "batch": 1, "tokens": 2, "delta": -1, "lost": 1},
        BOOKS | {"event": 3, "t": 0.5, "it": 2, "kind": "decode", "batch": 1},
    ],
    lives=[{"event": 1, "t": 0.0, "request": "r", "state": "queued"}],
    verdicts=[VERDICT | {"cause": CAUSE}],
    end=0.5,
)
WANTED = [
    [(1, 499.999999, "prefill", 1, 2), (500_000_000, 1e-06, "decode", 1, 0)],
    [("leak", "row 1 was overwritten", "busy check", 499.999999)],
    [("full sum − total", 0, 0), ("full sum − total", 1, -1), ("full sum − total", 500_000_000, 0)],
    [("r", "queued", 500.000001)],
    [(1, "leak", 1)],
]
SCHEMA = """
CREATE TABLE track (id INTEGER, name TEXT);
CREATE TABLE counter_track (id INTEGER, name TEXT);
CREATE TABLE slice (id INTEGER, ts INTEGER, dur INTEGER, category TEXT, name TEXT, track_id INTEGER, arg_set_id TEXT);
CREATE TABLE counter (ts INTEGER, value REAL, track_id INTEGER);
CREATE TABLE flow (slice_out INTEGER, slice_in INTEGER);
"""


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    (path,) = export(RUN.write(tmp_path_factory.mktemp("s") / "v"), "perfetto", None, print)
    read = read_trace(path)
    database = sqlite3.connect(":memory:")
    database.create_function("EXTRACT_ARG", 2, lambda notes, key: json.loads(notes).get(key.removeprefix("debug.")))
    database.executescript(SCHEMA)
    flows: dict[int, list[int]] = {}
    names = {path: n for n, path in enumerate({*read.slices, *read.instants, *read.counters})}
    for path, n in names.items():
        table = "counter_track" if path in read.counters else "track"
        database.execute(f"INSERT INTO {table} VALUES (?, ?)", (n, path[-1]))
        for mark in (*read.slices.get(path, ()), *read.instants.get(path, ())):
            row = (mark.start, mark.end - mark.start, mark.category, mark.name, n, json.dumps(mark.notes))
            number = database.execute("SELECT count(*) FROM slice").fetchone()[0]
            database.execute("INSERT INTO slice VALUES (?, ?, ?, ?, ?, ?, ?)", (number, *row))
            for flow in mark.flows:
                flows.setdefault(flow, []).insert(0, number)
            for flow in mark.ended_flows:
                flows.setdefault(flow, []).append(number)
        database.executemany("INSERT INTO counter VALUES (?, ?, ?)", ((*p, n) for p in read.counters.get(path, ())))
    database.executemany("INSERT INTO flow VALUES (?, ?)", flows.values())
    return database


@pytest.mark.parametrize(("query", "rows"), list(zip(QUERIES, WANTED, strict=True)))
def test_a_query_of_the_page_answers_its_question(tables, query, rows):
    assert tables.execute(query).fetchall() == rows
