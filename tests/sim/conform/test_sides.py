"""The other side in its process: whole cases go there at once, and a process that dies is followed by another."""

from __future__ import annotations

import pytest
from helpers.modelworker import model_worker

from sim.cases.case import draw_case
from sim.conform.compare import play_case
from sim.conform.sides import Model, Real
from sim.conform.targets import parse
from sim.engines.sglang.remote import RemoteEngine, hello

CASE = draw_case(1)


@pytest.fixture
def real():
    """A `Real` whose worker has the model behind it, wicked as asked for; counts how often one was started."""
    made = []

    def make(how="", bound=60.0):
        def start():
            worker = model_worker(how)
            made.append(worker)
            hello(worker)
            worker.bound = bound
            return RemoteEngine(worker, CASE.config)

        side = Real(start)
        side.started = made
        return side

    yield make
    for worker in made:
        worker.close()


def marks(side, case=CASE):
    side.post(case.config, case.actions)
    return side.collect()


def test_the_model_in_another_process_equals_the_model(real):
    side, model = real(), Model(parse("0.5.11"))
    for seed in range(4):
        assert play_case(draw_case(seed), model, side).differs_at is None
    some = CASE.actions[:30]
    assert side.look(CASE.config, some) == model.look(CASE.config, some)
    assert len(side.started) == 1


def test_what_a_release_raises_is_a_crash_at_that_operation(real):
    played = marks(real("raise"))
    assert (played[-1].kind, played[-1].frames) == ("ValueError", ("a.py:1 f", "b.py:2 g"))
    assert len(played) == [what for _, what in CASE.actions].index("step", 1 + first_step()) + 1


def first_step():
    return [what for _, what in CASE.actions].index("step")


def test_a_worker_that_dies_is_followed_by_another(real):
    side = real("kill")
    assert [mark.kind for mark in marks(side)] == ["Died"]
    assert side.look(CASE.config, CASE.actions[:2]).crash is None
    assert side.look(CASE.config, CASE.actions).crash.kind == "Died"
    assert side.look(CASE.config, CASE.actions[:2]).crash is None
    assert len(side.started) == 3


def test_a_worker_that_hangs_is_followed_by_another(real):
    side = real("hang", bound=1.0)
    assert [mark.kind for mark in marks(side)] == ["Hang"]
    assert len(side.started) == 2


def test_a_fault_of_ours_over_there_is_a_difference(real):
    (broken,) = marks(real("touch"))
    assert broken.kind == "broken: EngineBroken"
    assert "numa.bind" in broken.message
