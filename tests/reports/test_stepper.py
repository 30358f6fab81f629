"""What a page carries for stepping: the events as they were logged, rows as runs of slots, and no markup."""

import json
import re

import pytest

from reports.data import read_run
from reports.errors import ReportError
from reports.moments import read_moments
from reports.stepper import steppers
from sim.cli import main

WICKED = "</script><script>alert(1)</script>&lt;"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    main(["run", "scenarios/founding/pr22862-retract-tail.yaml", "--variant", "before", "--out", str(out)])
    return out / "pr22862-retract-tail" / "before"


def carried(html):
    """The JSON of every stepper of a page."""
    return [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', html)]


def test_each_step_is_the_line_of_the_event_log(folder):
    (data,) = carried(steppers(read_run(folder)))
    log = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    log[9]["retracted"] = log[10].pop("retracted")
    assert (log[9]["kind"], log[9]["retracted"]) == ("retract", ["a/1"])
    assert [step["line"] for step in data["steps"]] == [e for e in log if e["event"] <= 23]
    assert (data["cause"], data["seen"], data["slots"]) == (11, [11], [26])
    assert data["pools"] == {"full": 1000}


def test_rows_are_those_of_the_moment(folder):
    (data,) = carried(steppers(read_run(folder)))
    (moment,) = read_moments(folder)
    for step, told in zip(moment.steps, data["steps"], strict=True):
        assert [row.row for row in step.rows] == [row["row"] for row in told["rows"]]
        for row, its in zip(step.rows, told["rows"], strict=True):
            assert [slot for first, many in its["runs"] for slot in range(first, first + many)] == list(row.slots)


def test_no_name_ends_the_script(folder, tmp_path):
    for path in folder.iterdir():
        data = path.read_bytes()
        (tmp_path / path.name).write_bytes(data.replace(b'"a/1"', json.dumps("a/1" + WICKED).encode()))
    html = steppers(read_run(tmp_path))
    assert html.count("</script>") == html.count("<script") == 1
    (data,) = carried(html)
    assert any(f"a/1{WICKED}" in step["line"].get("retracted", ()) for step in data["steps"])


def test_what_is_no_json_is_never_carried(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    log = tmp_path / "events.jsonl"
    log.write_text(log.read_text().replace('"running":1', '"running":NaN'))
    with pytest.raises(ValueError, match="not JSON compliant"):
        steppers(read_run(tmp_path))


def test_without_moments_there_is_nothing_to_step_through(folder, tmp_path):
    for path in folder.iterdir():
        if path.name != "moments.json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert steppers(read_run(tmp_path)) == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "moments.json:1:1: the document is not what a run writes"),
        ('{"moments": 1}', "moments.json:1:1: moments is not what a run writes; run the scenario again with --out"),
        ('{"moments": [{"event": 1}]}', "moments.json:1:1: moments.0.verdicts is missing"),
    ],
)
def test_a_damaged_file_is_told_in_one_line(tmp_path, text, told):
    (tmp_path / "moments.json").write_text(text)
    with pytest.raises(ReportError) as error:
        read_moments(tmp_path)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
