"""`kvledger log` as scripts depend on it: statuses, streams, and what it leaves in a folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from helpers.loglines import busy, leaking, sound

pytestmark = pytest.mark.usefixtures("place")


@pytest.fixture
def server_log():
    Path("server.log").write_text("".join(leaking("TP0")))
    return "server.log"


def test_the_table_fits_and_something_found_is_status_1(kvledger, server_log):
    status, out, err = kvledger("log", server_log)
    lines = out.splitlines()
    assert (status, err) == (1, "")
    assert lines[0].split() == ["rank", "verdict", "pool", "size", "line", "since", "checks", "off"]
    assert lines[1].split() == ["TP0", "leak", "full", "−12", "4", "2026-01-01", "00:00:05", "12", "of", "12"]
    assert any("−1 for each admitted request" in line for line in lines)
    assert "what would have said more:" in lines
    assert any("a log cannot tell" in line for line in lines)
    assert max(map(len, lines)) <= 100


def test_a_clean_log_is_status_0_and_says_what_that_means(kvledger):
    Path("server.log").write_text("".join(sound()))
    status, out, _ = kvledger("log", "server.log")
    assert status == 0
    assert out.splitlines()[1:3] == ["      clean", "    12 checks with figures, none of them off"]


def test_json_is_one_document_and_nothing_else(kvledger, server_log):
    status, out, err = kvledger("log", server_log, "--json", "--out", "there")
    document = json.loads(out)
    assert (status, err) == (1, "")
    assert [(v["verdict"], v["size"], v["line"]) for v in document["verdicts"]] == [("leak", -12, 4)]
    assert json.loads(Path("there/verdicts.json").read_text()) == document
    assert Path("there/report.html").is_file()


def test_a_report_with_its_figures_is_left_in_the_folder(kvledger, server_log):
    _, out, _ = kvledger("log", server_log, "--out", "there")
    assert out.splitlines()[-1] == "report: there/report.html"
    page = Path("there/report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert "What would have said more" in page
    assert sorted(path.name for path in Path("there/figures").glob("*.png")) == [
        "difference.png", "load-TP0.png", "terms-TP0-full.png",
    ]  # fmt: skip


def test_what_is_known_of_a_finding_stands_outside_of_what_scrolls(kvledger, server_log):
    kvledger("log", server_log, "--out", "there")
    page = Path("there/report.html").read_text(encoding="utf-8")
    tables = re.findall(r"<table.*?</table>", page)
    assert len(tables) == 3
    assert not any("<li>" in table or "SGLANG_" in table for table in tables)
    assert "<h5>1: leak −12, TP0, pool full</h5><ul><li>12 of 400 missing" in page


def test_what_is_suspected_is_said_once(kvledger):
    Path("server.log").write_text(busy(1) + busy(2, -2))
    kvledger("log", "server.log", "--out", "there")
    said = Path("there/report.html").read_text(encoding="utf-8").partition("</ul>")[0]
    assert said.count("(suspected)") == 1


def test_what_a_log_says_is_escaped(kvledger):
    crash = "[2026-01-01 00:00:09 TP0] Scheduler hit an exception: Traceback\nValueError: <script>\n"
    Path("a&b.log").write_text("".join(leaking("TP0")) + crash)
    kvledger("log", "a&b.log", "--out", "there")
    page = Path("there/report.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "a&amp;b.log" in page


@pytest.mark.parametrize(("text", "where"), [("", ":1:1: "), ("no log\n", ":1:1: "), ("a\nb\1", ":2:2: ")])
def test_what_is_no_log_is_status_2_and_one_line(kvledger, text, where):
    Path("server.log").write_text(text)
    status, out, err = kvledger("log", "server.log")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"server.log{where}")
