"""Where an export lies, what it needs, and what is left when it fails."""

from __future__ import annotations

import sys

import pytest
from helpers.exportrun import Folder

from reports import ReportError
from reports.export import export

EVENT = {"event": 1, "t": 0.0, "it": 0, "kind": "open", "session": "a", "running": 0, "waiting": 0}
RUN = Folder([EVENT], lives=[], verdicts=[])


@pytest.fixture
def out(tmp_path):
    """Two scenarios, one of them with two variants."""
    for place in ("one/default", "two/before", "two/after"):
        scenario, _, variant = place.partition("/")
        RUN.write(tmp_path / "out" / scenario / variant, scenario)
    return tmp_path / "out"


def written(path, to, out=None, relative=None):
    return [str(p.relative_to(relative or path)) for p in export(path, to, out, print)]


def test_a_trace_lies_beside_its_run_or_its_variants(out):
    assert written(out, "perfetto") == ["one/trace.perfetto-trace", "two/trace.perfetto-trace"]
    assert written(out / "two", "perfetto") == ["trace.perfetto-trace"]
    assert written(out / "two" / "after", "perfetto") == ["trace.perfetto-trace"]


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_tables_lie_in_the_folder_of_their_run(out, to):
    names = [f"tables/{name}.{to}" for name in ("events", "verdicts", "lives")]
    assert written(out / "two" / "after", to) == names
    assert written(out / "two", to) == [f"{variant}/{name}" for variant in ("before", "after") for name in names]


def test_elsewhere_it_lies_as_the_runs_do(out, tmp_path):
    there = tmp_path / "there"
    assert written(out, "perfetto", there, there) == ["one/trace.perfetto-trace", "two/trace.perfetto-trace"]
    assert written(out / "two", "perfetto", there, there) == ["trace.perfetto-trace"]
    assert written(out / "two", "csv", there, there)[::3] == ["before/events.csv", "after/events.csv"]
    assert written(out / "two" / "after", "parquet", there, there)[0] == "events.parquet"


def test_one_trace_may_be_given_its_name(out, tmp_path):
    for name in ("x.pftrace", "y.perfetto-trace"):
        assert list(export(out / "two", "perfetto", tmp_path / name, print)) == [tmp_path / name]
        assert (tmp_path / name).is_file()


def test_a_damaged_run_leaves_what_was_there_and_nothing_half(out):
    run = out / "one" / "default"
    (path,) = export(run, "perfetto", None, print)
    before = path.read_bytes()
    (run / "events.jsonl").write_text('{"event":1}\n')
    for to in ("perfetto", "csv", "parquet"):
        with pytest.raises(ReportError, match=r"events\.jsonl:1:1: t is missing"):
            list(export(run, to, None, print))
    assert path.read_bytes() == before
    assert not list(run.rglob("*.part")) + list(run.rglob("events.csv"))


def test_a_run_that_was_interrupted_is_exported_without_verdicts(out):
    run = out / "one" / "default"
    (run / "verdicts.json").unlink()
    said: list[str] = []
    paths = list(export(run, "csv", None, said.append))
    assert [p.name for p in paths] == ["events.csv", "lives.csv"]
    assert said == [f"{run}: there is no verdicts.json, the run was interrupted; exported without verdicts"]


@pytest.mark.parametrize("to", ["perfetto", "csv"])
def test_a_variant_without_its_log_is_told(out, to):
    lacks = out / "two" / "before"
    (lacks / "series.npz").touch()
    (lacks / "events.jsonl").unlink()
    said: list[str] = []
    assert list(export(out / "two", to, None, said.append))
    assert said == [f"{lacks}: there is no events.jsonl; not exported"]


@pytest.mark.parametrize(
    ("to", "module", "package"),
    [("perfetto", "perfetto", "perfetto"), ("parquet", "pyarrow", "pyarrow")],
)
def test_what_is_not_installed_is_said_before_anything_is_read(tmp_path, monkeypatch, to, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ReportError) as caught:
        list(export(tmp_path / "nowhere", to, None, print))
    assert str(caught.value) == f"{package} is not installed; pip install 'kvledger[export]'"


def test_csv_needs_nothing_else(out, monkeypatch):
    for module in ("perfetto", "pyarrow", "google"):
        monkeypatch.setitem(sys.modules, module, None)
    assert len(written(out, "csv")) == 9


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda out: out / "nowhere", "{path}: there is no such folder; name one that `kvledger run --out` wrote"),
        (
            lambda out: out / "one" / "default" / "events.jsonl",
            "{path}: not a run: neither it nor a folder in it has events.jsonl; run a scenario with --out first",
        ),
    ],
)
def test_what_is_no_run_is_told(out, made, said):
    path = made(out)
    with pytest.raises(ReportError) as caught:
        list(export(path, "csv", None, print))
    assert str(caught.value) == said.format(path=path)


def test_a_place_that_cannot_be_written_is_told(out, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError) as caught:
        list(export(out / "one", "csv", tmp_path / "file", print))
    path = tmp_path / "file" / "default" / "events.csv"
    assert str(caught.value) == f"{path}: cannot be written: not a directory; free space or choose another --out"
