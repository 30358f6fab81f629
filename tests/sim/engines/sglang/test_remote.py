"""The engine in another process does what the one here does, and whatever goes wrong there is a result here."""

import pytest
from helpers.modelworker import model_worker
from helpers.randomcase import draw_case
from helpers.randomrun import STEP, Player, improvised
from helpers.rig import Rig, request_of
from helpers.timed import timed

from sim.driver import Driver
from sim.engines.marks import Crash, Walk, play
from sim.engines.protocol import EngineCrash, Progress
from sim.engines.sglang.remote import EngineBroken, RemoteEngine, hello

CONFIG = Rig().engine.config


@pytest.fixture(scope="module")
def shared():
    """One process, used by many tests: begin makes a fresh engine."""
    worker = model_worker()
    hello(worker)
    yield worker
    worker.close()


@pytest.fixture
def wicked():
    """A model that misbehaves at its second step."""
    made = []

    def make(how, **options):
        worker = model_worker(how, **options)
        made.append(worker)
        hello(worker)
        return RemoteEngine(worker, CONFIG)

    yield make
    for worker in made:
        worker.close()


def remote_of(worker, case, **options):
    return RemoteEngine(worker, case.config, release=case.release, **options)


# -- the same as in this process --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_every_operation_of_a_random_run_gives_the_same(shared, seed):
    """Reports, states, snapshots, layouts, progress and alarms, one operation at a time."""
    run = improvised(draw_case(seed), 80)
    here, there = run.case.engine(), remote_of(shared, run.case)
    one, other = Walk(here), Walk(there)
    rids = {o.request for o in run.actions if getattr(o, "kind", "") == "submit"}
    for time, what in timed(run):
        here.alarm = there.alarm = None
        try:
            answer = one.do(time, what)
        except EngineCrash as error:
            with pytest.raises(EngineCrash, match=error.kind):
                other.do(time, what)
            break
        assert other.do(time, what) == answer
        assert (there.idle, there.waiting, there.running) == (here.idle, here.waiting, here.running)
        assert (there.next_reap(), there.alarm) == (here.next_reap(), here.alarm)
        assert there.snapshot() == here.snapshot()
        assert there.layout() == here.layout()
        assert {rid: there.progress(rid) for rid in rids} == {rid: here.progress(rid) for rid in rids}


@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize("seed", [3, 11, 40])
def test_many_operations_in_one_message_leave_the_same_marks(shared, seed, deep):
    run = improvised(draw_case(seed), 150)
    actions = timed(run)
    there = remote_of(shared, run.case)
    for start in range(0, len(actions), 50):
        there.post_play(actions[start : start + 50], deep=deep)
    walk = Walk(run.case.engine())
    for start in range(0, len(actions), 50):
        marks = walk.play(actions[start : start + 50], deep=deep)
        assert there.collect_play() == marks
        if marks and isinstance(marks[-1], Crash):
            break


def test_a_shallow_mark_sees_layouts_when_idle_and_at_the_end():
    run = improvised(draw_case(5), 60)
    actions = timed(run)
    deep = Walk(run.case.engine()).play(actions)
    walk, shallow, idle = Walk(run.case.engine()), [], []
    for action in actions:
        shallow += walk.play([action], deep=False)
        idle.append(walk.engine.idle)
    assert shallow == deep
    whole = Walk(run.case.engine()).play(actions, deep=False)
    same = [a == b for a, b in zip(whole, deep, strict=True)]
    assert [s for s, i in zip(same, idle, strict=True) if i] == [True] * sum(idle)
    assert same[-1]
    assert not all(same)


def test_play_crashes_where_the_model_does(shared):
    run = next(run for run in (improvised(draw_case(s), 150) for s in range(200)) if run.crash)
    mine = play(run.case.engine(), timed(run))
    assert isinstance(mine[-1], Crash)
    assert remote_of(shared, run.case).play(timed(run)) == mine


def test_a_driver_drives_it(shared):
    case = draw_case(2, calm=True)
    player = Player(case)
    run = player.improvise(60)
    driver = Driver(remote_of(shared, case))
    for action in run.actions:
        if action == STEP:
            driver.step()
        elif isinstance(action, float):
            driver.advance(action)
        else:
            driver.do(action)
    assert (driver.event, driver.iteration) == (player.driver.event, player.driver.iteration)


def test_begin_forgets_all_that_was(shared):
    engine = RemoteEngine(shared, CONFIG)
    engine.submit(request_of("r", 4, 3))
    assert (engine.waiting, engine.progress("r").state) == (1, "queued")
    engine.begin(CONFIG)
    assert engine.snapshot() == Rig().engine.snapshot()
    assert (engine.waiting, engine.progress("r")) == (0, Progress("unknown", 0, 0))


def test_what_was_seen_is_that_of_the_last_event(shared):
    engine = RemoteEngine(shared, CONFIG, audit=True)
    engine.open("a")
    engine.snapshot()
    engine.advance(0.5)
    assert engine.seen == {"kind": "open", "count": 1}
    engine.step()
    engine.observe()
    assert engine.seen == {"kind": "finish", "count": 3}


def test_progress_is_asked_for_once_between_two_operations(shared, monkeypatch):
    engine = RemoteEngine(shared, CONFIG)
    engine.submit(request_of("r", 4, 9))
    asked = []
    post = engine.post
    monkeypatch.setattr(engine, "post", lambda message: (asked.append(message["op"]), post(message)))
    for _ in range(3):
        assert engine.progress("r").state == "queued"
    engine.step()
    assert engine.progress("r").state == "decode"
    assert asked == ["progress", "step", "progress"]


# -- what goes wrong --------------------------------------------------------------------------------------


def test_a_crash_has_its_last_frames_and_the_engine_can_still_be_asked(wicked):
    engine = wicked("raise")
    engine.step()
    with pytest.raises(EngineCrash) as error:
        engine.step()
    assert (error.value.kind, error.value.message) == ("ValueError", "pool is off")
    assert error.value.frames == ("a.py:1 f", "b.py:2 g")
    assert engine.snapshot().free_rows == 8
    engine.begin(CONFIG)
    assert engine.step().iteration == 1


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("kill", "Died", "signal SIGKILL; its last words: last words (operation: step)"),
        ("exit", "Died", "exit status 7 (operation: step)"),
        ("hang", "Hang", "no answer within 0.5 s (operation: step)"),
    ],
)
def test_the_end_of_the_process_is_a_crash_whatever_is_asked_then(wicked, how, kind, message):
    engine = wicked(how)
    engine.step()
    engine.worker.bound = 0.5 if how == "hang" else 30.0
    for ask in (engine.step, engine.step, engine.snapshot, lambda: engine.begin(CONFIG)):
        with pytest.raises(EngineCrash) as error:
            ask()
        assert (error.value.kind, error.value.message) == (kind, message)
    if how == "hang":
        assert "wicked.py" in error.value.frames[-1]
    assert not engine.worker.alive


def test_a_release_that_leaves_is_a_crash(wicked):
    engine = wicked("leave")
    engine.step()
    with pytest.raises(EngineCrash, match="SystemExit: the server gives up"):
        engine.step()


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ("fault", r"ZeroDivisionError: ours \(wicked\.py:\d+ _misbehave\)"),
        ("touch", "numa.bind is only stood in for"),
    ],
)
def test_a_fault_that_is_not_the_release_s_is_told_in_one_line(wicked, how, line):
    engine = wicked(how)
    engine.step()
    with pytest.raises(EngineBroken, match=line) as error:
        engine.step()
    assert "\n" not in str(error.value)


def test_what_the_release_prints_does_not_reach_the_wire(wicked):
    engine = wicked("print")
    assert [engine.step().iteration for _ in range(3)] == [1, 2, 3]
    assert '{"value": "forged"}' in "".join(engine.worker.said)


def test_a_boundary_that_does_not_fit_is_told_in_one_line():
    worker = model_worker("misfit")
    with pytest.raises(EngineBroken, match=r"^ValueError: the table does not fit \(modelworker\.py:\d+ prepare\)$"):
        hello(worker)
    assert not worker.alive
