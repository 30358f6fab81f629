"""A page shows what lay in memory as far as the folder tells, and says what it lacks."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.looked import change, look_inside, row, save_lines, save_slots

import reports
from reports.data import read_run
from reports.inside import inside_figures, worst_moment
from reports.svg import svg_text


def test_a_folder_that_was_looked_into_has_the_three_figures(scenario_of_four: Path) -> None:
    look_inside(scenario_of_four / "leak")
    page = reports.build([scenario_of_four / "leak"])
    names = {path.name for path in (page.parent / "figures").iterdir() if path.suffix == ".svg"}
    assert names == {f"tail{kind}.svg" for kind in ("", "-leak", "-leak-slots", "-leak-sessions", "-leak-row")}
    content = page.read_text()
    assert content.count("<svg role") == 5
    assert "Not shown" not in content


def test_what_a_folder_lacks_is_said(scenario_of_four: Path) -> None:
    folder = look_inside(scenario_of_four / "leak")
    (folder / "lives.jsonl").unlink()
    content = reports.build([folder]).read_text()
    assert "Not shown, as this folder lacks it: the sessions (lives.jsonl)." in content
    assert content.count("<svg role") == 4


def test_a_moment_in_which_no_row_stands_is_left_out(scenario_of_four: Path) -> None:
    folder = look_inside(scenario_of_four / "leak")
    (folder / "moments.json").write_text(
        '{"moments": [{"verdicts": [0], "event": 21, "steps": [{"event": 21, "rows": []}]}]}'
    )
    assert [inside.kind for inside in inside_figures(read_run(folder))] == ["slots", "sessions"]


def test_the_row_is_that_of_the_worst_verdict(tmp_path: Path, make_story, make_fault, save_run) -> None:
    kinds = ("false-alarm", "leak", "watermark", "leak")
    faults = [make_fault(kind, -1, 10 + n, None) for n, kind in enumerate(kinds)]
    folder = save_run(tmp_path / "run", make_story(40), faults)
    steps = [{"event": 9, "rows": [row(0, 3, 3)]}]
    moments = [{"verdicts": [n], "event": 10 + n, "steps": steps if n != 1 else []} for n in range(4)]
    (folder / "moments.json").write_text(json.dumps({"moments": moments}))
    found = worst_moment(read_run(folder))
    assert found is not None
    assert found.event == 13


@pytest.mark.parametrize("name", ["slots.npz", "lives.jsonl", "moments.json"])
def test_what_is_damaged_is_left_out_with_a_note(scenario_of_four: Path, name: str) -> None:
    folder = look_inside(scenario_of_four / "leak")
    whole = reports.build([folder]).read_text()
    (folder / name).write_bytes(b"{\n")
    content = reports.build([folder]).read_text()
    assert f"({name} is damaged)." in content
    assert content.count("<svg") == whole.count("<svg") - 1


def test_figures_of_a_long_run_are_small_and_soon_drawn(tmp_path: Path, make_story, make_fault, save_run) -> None:
    """A run of 100 000 events, 400 samples of 1 024 slots, 400 sessions; the bounds are five times what it takes."""
    folder = save_run(tmp_path / "soak", make_story(100_000), [make_fault("leak", -1, 50_000, 60_000)])
    rng = np.random.default_rng(1)
    save_slots(folder, np.arange(250, 100_001, 250), {"full": rng.integers(0, 7, (400, 1024))})
    states = ("queued", "prefill", "decode", "retracted", "decode", "finished")
    lives = (
        change(event, states[at % 6], f"s{event % 400}/1", f"s{event % 400}")
        for at, event in enumerate(range(1, 100_001, 2))
    )
    save_lines(folder / "lives.jsonl", lives)
    run = read_run(folder)
    start = time.process_time()
    drawn = {inside.kind: len(svg_text(inside.figure)) for inside in inside_figures(run)}
    assert set(drawn) == {"slots", "sessions"}
    assert max(drawn.values()) < 400_000
    assert time.process_time() - start < 15
