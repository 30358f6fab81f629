"""Two engines in lockstep: equal runs, equal crashes, and the first operation after which they differ."""

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.modelworker import ModelEngines
from helpers.randomcase import draw_case
from helpers.randomrun import improvised
from helpers.recorded import write_ops

from sim import lockstep as module
from sim.engines.marks import Crash
from sim.engines.model import ModelEngine
from sim.engines.select import Engines
from sim.errors import InputError
from sim.lockstep import lockstep
from sim.replay import Changes
from sim.run import Options, run_paths

RETRY = """\
name: retry
pool: {tokens: 1000, rows: 24}
scheduler: {max_running: 8, overlap: false}
workload:
  - session: a
    turns: [{prompt: 20, output: 12}, {prompt: 10, output: 4}]
  - poisson: {name: p, rate: 40/s, count: 60, prompt: {uniform: [5, 30]}, output: {uniform: [2, 20]}}
inject:
  - {retract: a/1, when: {decoded: 6}}
"""


@pytest.fixture(scope="module")
def real():
    """Stands for sglang 0.5.11; its process is used by all tests of this file."""
    with ModelEngines() as engines:
        yield engines


@pytest.fixture
def retry(tmp_path):
    """A recorded run of 0.5.11 in which a turn is retracted and retried."""
    (tmp_path / "s.yaml").write_text(RETRY)
    ((_, result),) = run_paths([tmp_path / "s.yaml"], Options(out=tmp_path / "out"))
    return result.folder / "ops.jsonl"


def random_ops(tmp_path, condition=lambda run: True, length=150, **case):
    runs = (improvised(draw_case(seed, release={}, **case), length) for seed in range(400))
    run = next(run for run in runs if condition(run))
    return write_ops(run, tmp_path / "ops.jsonl"), run


# -- equal ------------------------------------------------------------------------------------------------


def test_the_model_equals_itself_behind_the_wire(retry, real):
    outcome = lockstep(retry, (Engines(), real))
    lines = retry.read_text().splitlines()
    assert outcome.equal
    assert outcome.operations == len(lines) - 1
    assert outcome.layouts == -(-outcome.operations // module.WINDOW)
    assert outcome.names == ("model of sglang-0.5.11", "sglang 0.5.11")


def test_deep_compares_a_layout_after_every_operation(retry, real):
    outcome = lockstep(retry, (Engines(), real), deep=True)
    assert outcome.equal
    assert outcome.layouts == outcome.operations


def test_either_engine_may_be_the_first(retry, real):
    assert lockstep(retry, (real, Engines())).names == ("sglang 0.5.11", "model of sglang-0.5.11")
    assert lockstep(retry, (Engines(), Engines())).equal


def test_reverts_reach_both(retry, real):
    outcome = lockstep(retry, (Engines(), real), Changes(revert=(22862,)))
    assert outcome.equal
    assert outcome.names == ("model of sglang-0.5.11 without #22862", "sglang 0.5.11 without #22862")


def test_a_crash_at_the_same_operation_of_the_same_kind_is_equal(tmp_path, real):
    path, run = random_ops(tmp_path, lambda run: run.crash and len(run.actions) < 100)
    outcome = lockstep(path, (Engines(), real))
    assert outcome.equal
    assert (outcome.operations, outcome.crash.kind) == (len(run.actions), run.crash.partition(":")[0])


@pytest.mark.parametrize("seed", range(6))
def test_random_runs_are_equal(tmp_path, real, seed):
    path = write_ops(improvised(draw_case(seed, release={}), 200), tmp_path / "ops.jsonl")
    assert lockstep(path, (Engines(), real)).equal


def test_a_run_that_was_stuck_is_played_up_to_there(retry, real):
    with retry.open("a") as file:
        file.write('{"op":"stuck","t":1e6}\n')
    assert lockstep(retry, (Engines(), real)).equal


# -- different --------------------------------------------------------------------------------------------


@pytest.fixture
def slipping(monkeypatch):
    """The model here makes a mistake that the one behind the wire does not make."""

    def slip(**mistakes):
        step = ModelEngine.step

        def wrong(engine):
            report = step(engine)
            for at, mistake in mistakes.values():
                if report.iteration == at:
                    report = mistake(engine, report) or report
            return report

        monkeypatch.setattr(ModelEngine, "step", wrong)

    return slip


def line_of_iteration(path, iteration):
    """The number of the operation that is this iteration."""
    steps = [n for n, line in enumerate(path.read_text().splitlines()) if '"op":"step"' in line]
    return steps[iteration - 1]


def swap_free_pages(engine, report):
    pages = engine.scheduler.memory.allocator.free_list.view()
    pages[-1], pages[-2] = pages[-2], pages[-1]


def lose_a_row(engine, report):
    engine.scheduler.memory.rows.free.pop()


@pytest.mark.parametrize("at", [1, 3, 64, 65, 130])
@pytest.mark.parametrize("mistake", [swap_free_pages, lose_a_row, lambda engine, report: report._replace(batch=99)])
def test_the_first_operation_that_differs_is_named(retry, real, slipping, at, mistake):
    """Also where only the order of the free list differs, which no mark sees before the end of its window."""
    slipping(one=(at, mistake))
    outcome = lockstep(retry, (Engines(), real))
    assert not outcome.equal
    difference = outcome.difference
    assert difference.operation == line_of_iteration(retry, at)
    assert difference.line.number == difference.operation + 1
    assert difference.line.what == "step"
    assert [number for number, _ in difference.before] == list(
        range(max(1, difference.operation - module.BEFORE), difference.operation)
    )
    assert (difference.one == difference.other) is False


def test_a_difference_in_the_layout_alone_says_where(retry, real, slipping):
    slipping(one=(40, swap_free_pages))
    difference = lockstep(retry, (Engines(), real)).difference
    assert difference.one.snapshot == difference.other.snapshot
    assert difference.layout[0].startswith("free list of full (")


def test_a_fix_that_only_one_side_has_is_found(retry):
    with ModelEngines(without=(22862,)) as other:
        difference = lockstep(retry, (Engines(), other)).difference
    one, other = (view.snapshot.pools["full"] for view in (difference.one, difference.other))
    assert (one.delta, other.delta) == (0, -1)


def test_a_crash_on_one_side_only(retry, slipping, real):
    def crash(engine, report):
        raise module.EngineCrash("KeyError", "'x'", ("a.py:1 f",))

    slipping(one=(70, crash))
    difference = lockstep(retry, (Engines(), real)).difference
    assert difference.operation == line_of_iteration(retry, 70)
    assert difference.one.crash == Crash("KeyError", "'x'", ("a.py:1 f",))
    assert difference.other.crash is None
    assert difference.other.snapshot is not None


@pytest.mark.parametrize(("how", "kind"), [("kill", "Died"), ("exit", "Died"), ("raise", "ValueError")])
def test_a_process_that_dies_is_a_difference_at_that_operation(retry, how, kind):
    with ModelEngines(how=how) as other:
        difference = lockstep(retry, (Engines(), other)).difference
        assert difference.operation == line_of_iteration(retry, 2)
        assert difference.other.crash.kind == kind


def test_a_difference_that_does_not_come_again_is_said(retry, real, slipping):
    left = [1]

    def once(engine, report):
        if left:
            left.pop()
            lose_a_row(engine, report)

    slipping(one=(70, once))
    outcome = lockstep(retry, (Engines(), real))
    assert not outcome.equal
    first, last = outcome.unsteady
    assert first <= line_of_iteration(retry, 70) <= last == first + module.WINDOW - 1


def test_the_engine_that_was_compared_can_be_used_again(retry, slipping, real):
    """Windows that were sent ahead are still on their way when a difference is found."""
    slipping(one=(2, lose_a_row))
    assert not lockstep(retry, (Engines(), real)).equal
    slipping()
    assert real.remote(replace(real.remote(draw_case(0).config).config)).step().iteration == 1


# -- what cannot be compared -------------------------------------------------------------------------------


def test_a_run_of_another_release_is_one_line(tmp_path, real):
    run = improvised(draw_case(1, release={"release": "sglang-0.5.10"}), 20)
    path = write_ops(run, tmp_path / "ops.jsonl")
    with pytest.raises(InputError) as error:
        lockstep(path, (Engines(), real))
    assert str(error.value) == (
        f"{path}:1:1: this run cannot be played on sglang 0.5.11: it is of sglang-0.5.10, and the engine is "
        "sglang 0.5.11; write --release sglang-0.5.11 to play it there all the same"
    )
    assert lockstep(path, (Engines(), real), Changes(release="sglang-0.5.11")).equal


def test_an_engine_that_is_none_of_our_releases_plays_any_run(tmp_path):
    run = improvised(draw_case(1, release={"release": "sglang-0.5.10"}), 20)
    path = write_ops(run, tmp_path / "ops.jsonl")
    with ModelEngines("0.5.12", behaves="sglang-0.5.10") as other:
        assert lockstep(path, (Engines(), other)).names == ("model of sglang-0.5.10", "sglang 0.5.12")


def test_two_of_one_version_are_told_apart_by_where_they_are(retry):
    with ModelEngines() as one, ModelEngines() as other:
        one._source, other._source = (replace(e.source, path=Path(p)) for e, p in ((one, "/mine"), (other, "/theirs")))
        assert lockstep(retry, (one, other)).names == ("sglang 0.5.11 at /mine", "sglang 0.5.11 at /theirs")


def test_a_pool_that_does_not_fit_is_one_line(retry, real):
    text = retry.read_text()
    retry.write_text(text.replace('"tokens":1000,', '"tokens":2000000000,').replace('"tiny"', '"llama-3-8b"'))
    with pytest.raises(InputError, match=r"ops\.jsonl:1:144: this needs about .* TiB of memory, the machine has"):
        lockstep(retry, (Engines(), real))


def test_what_was_taken_out_of_our_release_need_not_be_in_another(tmp_path):
    run = improvised(draw_case(1, release={"revert": (22862,)}), 20)
    path = write_ops(run, tmp_path / "ops.jsonl")
    with ModelEngines("0.5.12") as other:
        with pytest.raises(InputError, match=r"sglang 0\.5\.12 need not have it; write --release with the"):
            lockstep(path, (Engines(), other))
        assert lockstep(path, (Engines(), other), Changes(release="sglang-0.5.11")).equal


def test_it_says_how_far_it_is(retry, real):
    seen = []
    outcome = lockstep(retry, (Engines(), real), notice=lambda count, time: seen.append(count))
    assert seen[-1] == outcome.operations
    assert seen[0] == module.WINDOW
