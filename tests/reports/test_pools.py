"""A run with more pools than one: each has its figures, and each verdict a mark in those of its own pool."""

from pathlib import Path

import numpy as np
import pytest

import reports
from reports import ReportError
from reports.data import read_run
from reports.difference import difference_figure
from reports.terms import terms_figure


@pytest.fixture
def run_folder(tmp_path: Path, make_story, states_too, save_run, make_fault) -> Path:
    made = states_too(make_story(60))
    made["mamba"][20:, 0] += 1
    made["mamba_delta"][20:] += 1
    made["mamba_extra"][20:] += 1
    faults = [make_fault("false-alarm", 6, 10, 12), make_fault("alias", 1, 21, None, pool="mamba")]
    return save_run(tmp_path / "states" / "before", made, faults, scenario="states")


def test_each_pool_is_read_with_its_own_total_and_truth(run_folder):
    run = read_run(run_folder)
    states = run.on("mamba")
    assert run.pools == ("full", "mamba")
    assert (run.series.pool, states.series.pool) == ("full", "mamba")
    assert (states.series.total, states.series.extra.tolist()[19:22]) == (24, [0, 1, 1])
    assert states.series.sum.tolist()[19:21] == [24, 25]
    assert not run.series.delta.any()


def test_verdicts_are_marked_in_their_own_pool_by_their_numbers_in_the_table(run_folder):
    run = read_run(run_folder)
    assert [(number, v.verdict) for number, v in run.numbered] == [(1, "false-alarm")]
    assert [(number, v.verdict) for number, v in run.on("mamba").numbered] == [(2, "alias")]
    assert [v.verdict for v in run.on("mamba").seen.verdicts] == ["alias"]


def test_what_is_about_rows_stands_with_the_full_pool(tmp_path, make_story, states_too, save_run, make_fault):
    fault = make_fault("leak", -1, 10, None, pool="rows")
    run = read_run(save_run(tmp_path / "s" / "v", states_too(make_story(30)), [fault]))
    assert (len(run.numbered), len(run.on("mamba").numbered)) == (1, 0)


def test_the_figures_say_what_they_count(run_folder):
    states = read_run(run_folder).on("mamba")
    stack = terms_figure(states).axes[0]
    assert stack.get_ylabel().startswith("states")
    assert difference_figure([states]).axes[0].get_title(loc="left") == "before: alias +1"


def test_a_page_has_the_figures_of_every_pool(run_folder):
    page = reports.build([run_folder])
    names = {path.name for path in (page.parent / "figures").iterdir() if path.suffix == ".png"}
    assert names == {"states.png", "states-mamba.png", "states-before.png", "states-before-mamba.png"}
    text = page.read_text()
    assert "Pool mamba: states of the recurrent layers" in text
    assert text.count("<svg role") == 4


def test_a_run_with_one_pool_has_no_heading_for_it(tmp_path, make_story, save_run):
    page = reports.build([save_run(tmp_path / "s" / "v", make_story(30))])
    assert "Full pool:" not in page.read_text()


def test_a_pool_without_its_truth_is_damaged(tmp_path, make_story, states_too, save_run):
    made = states_too(make_story(30))
    del made["mamba_lost"]
    folder = save_run(tmp_path / "s" / "v", made)
    with pytest.raises(ReportError, match="the array 'mamba_lost' is missing"):
        read_run(folder)


def test_thinning_keeps_the_pool(run_folder):
    states = read_run(run_folder).on("mamba").series
    assert states.take(np.array([0, 5])).pool == "mamba"
