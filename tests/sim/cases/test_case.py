"""Cases are plain data from a seed, and together they are of every kind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from sim.cases.case import LENGTH, draw_case
from sim.cases.kinds import EVENTS, OPERATIONS, kind_of
from sim.cases.matrix import CELLS
from sim.cases.pools import accepted
from sim.cases.simpler import plainer
from sim.conform.sides import Model
from sim.conform.targets import parse
from sim.replay import replay
from sim.scenario.header import Header

# What takes hundreds of cases to come about by itself: a tombstone left as it is.
RARE = 193
ROOT = Path(__file__).parents[3]


def test_a_seed_draws_the_same_case_each_time():
    assert draw_case(17) == draw_case(17)
    assert draw_case(17) != draw_case(18)


def test_a_case_does_not_depend_on_the_process():
    code = "from sim.cases.case import draw_case; print(draw_case(17).lines())"
    for hash_seed in ("1", "2"):
        shown = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
            env={"PYTHONHASHSEED": hash_seed, "PATH": ""},
        )  # fmt: skip
        assert shown.stdout.strip() == str(draw_case(17).lines())


def test_drawing_a_case_asks_no_engine(monkeypatch):
    monkeypatch.setattr("sim.engines.model.ModelEngine.__init__", None)
    assert draw_case(3).actions


@pytest.mark.parametrize("seed", range(0, 240, 7))
def test_a_case_is_as_long_as_asked_and_its_time_never_goes_back(seed):
    actions = draw_case(seed).actions
    assert LENGTH - 6 <= len(actions) <= LENGTH
    times = [time for time, _ in actions]
    assert times == sorted(times)


def test_a_request_submitted_again_is_an_ordinary_one_with_the_same_text():
    again = 0
    for seed in range(60):
        sent = {}
        for _, what in draw_case(seed).actions:
            if kind_of(what).startswith("submit"):
                before = sent.setdefault(what.request, what.what)
                again += before is not what.what
                assert replace(before, max_new=what.what.max_new) == what.what
                if before is not what.what:
                    assert what.what.session is None
                    assert what.what.max_new <= max(before.max_new, 1)
    assert again > 20


@pytest.mark.parametrize("seed", range(0, 2 * len(CELLS), 7))
def test_the_configuration_is_that_of_the_cell(seed):
    case = draw_case(seed)
    pool, knobs, cell = case.config.pool, case.config.scheduler, case.cell
    assert (pool.page_size, knobs.overlap, knobs.radix) == (cell.page, cell.overlap, cell.radix)
    assert (knobs.speculative is not None) == cell.speculative
    assert (knobs.chunked_prefill is not None) == (cell.chunking != "whole")
    assert knobs.mixed_chunk == (cell.chunking == "mixed")
    assert pool.tokens % pool.page_size == 0
    assert (pool.tokens >= 640) == (cell.size == "ample")
    assert (pool.swa is not None, pool.mamba is not None) == (cell.windowed, cell.recurrent)


def test_what_the_release_cannot_do_is_not_drawn():
    for seed in range(600):
        config = draw_case(seed).config
        knobs, spec = config.scheduler, config.scheduler.speculative
        assert not (knobs.preempts and knobs.spec_v1)
        if spec is not None:
            assert spec.topk == 1 or (config.pool.page_size == 1 and not knobs.overlap)
            assert config.row_width >= config.pool.tokens + 2 * spec.alloc_len


def test_pools_are_such_as_a_server_has():
    for seed in range(600):
        case = draw_case(seed)
        pool, knobs = case.config.pool, case.config.scheduler
        if pool.swa is not None:
            assert pool.swa.tokens % pool.page_size == 0
            assert pool.swa.window < pool.swa.tokens <= pool.tokens
        if pool.mamba is not None:
            assert pool.mamba.strategy in case.cell.strategies
            assert accepted(case.config)
            assert case.cell.pools in ("both", pool.mamba.strategy)
            assert pool.mamba.slots >= pool.rows
            assert pool.mamba.track_interval % max(pool.page_size, pool.mamba.chunk) == 0
            if knobs.speculative is not None:
                assert pool.mamba.track_interval >= knobs.speculative.draft


def test_a_case_and_what_shrinking_makes_of_it_can_be_replayed():
    """Its header is held to the same rules as a recorded run's."""
    for seed in range(300):
        drawn = draw_case(seed, 40).config
        for config in (drawn, *(c for c in (way(drawn) for way in plainer(drawn)) if accepted(c))):
            header = Header(json.dumps({"config": config.spelled()}), "f")
            header.check_values()
            header.check_pools(config, 1 << 34)


def test_a_mix_has_some_kinds_switched_off_and_all_together_have_every_kind():
    together = Counter()
    poorest = len(OPERATIONS)
    for seed in range(120):
        kinds = Counter(kind_of(what) for _, what in draw_case(seed).actions)
        together += kinds
        poorest = min(poorest, len(kinds))
    assert set(together) == set(OPERATIONS)
    assert poorest < len(OPERATIONS) - 2


@pytest.fixture(scope="module")
def events():
    """What happened in the cases of one release."""
    model, together = Model(parse("0.5.11")), Counter()
    for seed in (*range(125), RARE):
        case = draw_case(seed)
        together += model.play(case.config, case.actions).events
    return together


def test_every_kind_of_event_occurs_within_few_cases(events):
    assert set(events) == set(EVENTS)


def test_most_iterations_do_something(events):
    assert events["decode"] + events["prefill"] + events["mixed"] > 1.5 * events["idle"]


def test_a_case_is_written_as_replay_reads_it(tmp_path):
    case = draw_case(18)
    assert case.config.pool.names == ("full", "swa", "mamba")
    path = tmp_path / "ops.jsonl"
    path.write_text(case.document(parse("0.5.11-22862").identity("conform-1")), encoding="ascii")
    header = json.loads(path.read_text(encoding="ascii").splitlines()[0])
    assert (header["release"], header["reverted"]) == ("sglang-0.5.11", [22862])
    result = replay(path)
    assert result.iterations == sum(what == "step" for _, what in case.actions)
