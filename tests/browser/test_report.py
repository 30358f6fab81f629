"""The report in a browser: it steps through the events, shows what events.jsonl says, and asks nobody for anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim.cli import main

SCENARIOS = Path("scenarios/founding")
WICKED = "</script><img src=x onerror=alert(1)>"
TERMS = ("available", "evictable", "protected", "session_held", "uncached")


def run(out, *arguments):
    assert main(["run", *map(str, arguments), "--out", str(out)]) in (0, 1)
    return out


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A report with a leak, and one of a model with windowed layers."""
    paths = (SCENARIOS / "pr22862-retract-tail.yaml", SCENARIOS / "pr22900-cursor.yaml")
    return run(tmp_path_factory.mktemp("report"), *paths)


def events(folder):
    return {event["event"]: event for event in map(json.loads, (folder / "events.jsonl").read_text().splitlines())}


def shown(section):
    """What a stepper says of the event that it stands at."""
    told = section.evaluate(
        """(node) => ({
            event: Number(node.querySelector('.at').dataset.event),
            terms: Object.fromEntries(
                [...node.querySelectorAll('[data-name]')].map((c) => [c.dataset.name, c.textContent])),
            text: node.querySelector('.panel').textContent + node.querySelector('.at').textContent,
        })"""
    )
    told["terms"] = {name: int(text.replace("\u202f", "").replace("−", "-")) for name, text in told["terms"].items()}
    return told


def check(told, event):
    """It is what events.jsonl says."""
    for pool in ("full", "swa", "mamba"):
        if pool in event:
            assert [told["terms"][f"{pool}.{term}"] for term in TERMS] == event[pool]
            assert told["terms"][f"{pool}.sum − total"] == event.get("delta" if pool == "full" else f"{pool}_delta", 0)
    for name in ("finished", "aborted", "retracted"):
        for rid in event.get(name, ()):
            assert rid in told["text"]
    assert event["kind"] in told["text"]
    assert event.get("check", "") in told["text"]


@pytest.mark.parametrize(("scenario", "variant"), [("pr22862-retract-tail", "before"), ("pr22900-cursor", "before")])
def test_stepping_shows_what_the_event_log_says(out, seen, scenario, variant):
    page = seen.open(out / "report.html")
    log = events(out / scenario / variant)
    moments = json.loads((out / scenario / variant / "moments.json").read_text())["moments"]
    sections = page.query_selector_all("section.stepper")
    (section,) = [s for s in sections if f"event {moments[0]['event']} " in s.query_selector("h4").text_content()][:1]
    numbers = [step["event"] for step in moments[0]["steps"]]
    assert shown(section)["event"] == moments[0]["event"]
    slider = section.query_selector("input")
    slider.focus()
    page.keyboard.press("Home")
    visited = []
    for _ in numbers:
        told = shown(section)
        check(told, log[told["event"]])
        visited.append(told["event"])
        page.keyboard.press("ArrowRight")
    assert visited == numbers
    section.query_selector("button:first-of-type").click()
    assert shown(section)["event"] == numbers[-2]
    section.query_selector("button[title='to the cause']").click()
    assert shown(section)["event"] == moments[0]["event"]
    page.keyboard.press("ArrowLeft")
    assert shown(section)["event"] == numbers[numbers.index(moments[0]["event"]) - 1]


def test_a_retract_is_told_at_its_own_event(out, seen):
    page = seen.open(out / "report.html")
    section = page.query_selector("section.stepper")
    assert "retracted" not in shown(section)["text"]
    section.query_selector("button:first-of-type").click()
    assert "retract a/1" in shown(section)["text"]
    assert "retracted a/1" in shown(section)["text"]


def test_the_lost_slot_is_named_by_no_row_from_the_cause_on(out, seen):
    page = seen.open(out / "report.html")
    section = page.query_selector("section.stepper")
    assert "slot 26: named by none of these rows" in shown(section)["text"]
    section.query_selector("button:first-of-type").click()
    assert "slot 26: position 25 of row 1" in shown(section)["text"]


def test_neighbours_of_the_cause_are_told_as_one(tmp_path, seen):
    page = seen.open(run(tmp_path, SCENARIOS / "pr22862-retry-in-flight.yaml") / "report.html")
    section = page.query_selector("section.stepper")
    assert "slots 25–26: named by none of these rows" in shown(section)["text"]
    section.query_selector("button:first-of-type").click()
    assert "slots 25–26: positions 24–25 of row " in shown(section)["text"]


def test_nothing_is_said_on_the_console_and_nobody_is_asked(out, seen):
    page = seen.open(out / "report.html")
    for button in page.query_selector_all("section.stepper button:not(:disabled)"):
        button.click()
    assert seen.console == []
    assert seen.requests == [(out / "report.html").resolve().as_uri()]


@pytest.mark.parametrize("width", [390, 1200])
def test_no_part_of_the_page_is_wider_than_the_screen(out, seen, width):
    page = seen.open(out / "report.html")
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "told"), [(390, True), (1200, False)])
def test_a_figure_that_scrolls_says_so(out, seen, width, told):
    page = seen.open(out / "report.html")
    page.set_viewport_size({"width": width, "height": 800})
    found = page.evaluate(
        """() => [...document.querySelectorAll('figure')].map((figure) => {
            const box = figure.querySelector('.scroll');
            return [box.scrollWidth > box.clientWidth, getComputedStyle(figure, '::before').content !== 'none'];
        })"""
    )
    assert found
    assert all(scrolls == says == told for scrolls, says in found)


@pytest.mark.parametrize("width", [390, 1200])
def test_every_letter_of_a_figure_can_be_read(out, seen, width):
    page = seen.open(out / "report.html")
    page.set_viewport_size({"width": width, "height": 800})
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('figure svg text')].map((text) => {
            const scale = text.getScreenCTM();
            return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(scale.a, scale.b);
        })"""
    )
    assert min(sizes) >= 9


def test_without_script_the_essential_part_is_there(out, without_script):
    page = without_script.open(out / "report.html")
    text = page.inner_text("body")
    assert "slot 26 belongs to nobody" in text
    assert "Last operations before the cause" in text
    assert "Step through" not in text


def test_names_from_files_are_never_markup(tmp_path, seen):
    folder = run(tmp_path, SCENARIOS / "pr22862-retract-tail.yaml") / "pr22862-retract-tail" / "before"
    for name in ("events.jsonl", "moments.json", "verdicts.json"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace('"a/1"', json.dumps(f"a/1{WICKED}")))
    assert main(["report", str(folder)]) == 0
    page = seen.open(folder / "report.html")
    assert WICKED in page.text_content("section.stepper")
    assert page.query_selector_all("img") == []
    assert seen.console == []
