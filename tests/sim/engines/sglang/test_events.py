"""What befalls requests, as it is heard."""

from types import SimpleNamespace

import pytest

from sim.engines.sglang.crash import crash_of
from sim.engines.sglang.events import Events, Removals, finish_kind, listening_adder


@pytest.fixture
def events():
    return Events()


def ended(rid, kind):
    return SimpleNamespace(rid=rid, finished_reason=None if kind is None else type(kind, (), {})())


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (None, ""), ("FINISH_LENGTH", "length"), ("FINISH_MATCHED_TOKEN", "stop"), ("FINISH_ABORT", "abort"),
        ("New", "New"),
    ],
)
def test_why_a_request_ended(kind, said):
    assert finish_kind(ended("r", kind)) == said


def test_a_report_takes_all_and_leaves_nothing(events):
    events.ended(ended("a", "FINISH_LENGTH"))
    events.ended(ended("b", "FINISH_ABORT"))
    events.told(SimpleNamespace(rid="c"), None)
    events.retracted.append("d")
    events.refusals["e"] = 1
    assert [events.refuses(rid) for rid in "eef"] == [True, False, False]
    assert events.take() == (("a",), ("b", "c"), ("d",), ("e",))
    assert events.take() == ((), (), (), ())


def test_the_gone_are_settled_once(events):
    events.ended(ended("a", "FINISH_LENGTH"))
    assert events.unsettled() == (["a"], [])
    events.told(SimpleNamespace(rid="b"))
    assert events.unsettled() == ([], ["b"])
    events.take()
    events.ended(ended("c", "FINISH_LENGTH"))
    assert events.unsettled() == (["c"], [])


def test_removals_keep_their_order():
    sessions = Removals()
    for name in "abc":
        sessions[name] = name
    del sessions["c"], sessions["a"]
    assert sessions.removed == ["c", "a"]
    assert list(sessions) == ["b"]


class Adder:
    """As the release's: victims go through a set."""

    def __init__(self, running, victims, listener):
        self.running_batch = SimpleNamespace(reqs=running)
        self.preempt_list, self._victims = [], victims
        self.tree_cache = SimpleNamespace(listener=listener)

    def add_one_req(self, req, has_chunked_req):
        return f"added {req.rid}"

    def preempt_to_schedule(self, req, server_args):
        self.running_batch.reqs = [r for r in self.running_batch.reqs if r not in self._victims]
        self.preempt_list.extend(self._victims)
        return bool(self._victims)


MODULES = SimpleNamespace(
    schedule_policy=SimpleNamespace(PrefillAdder=Adder, AddReqResult=SimpleNamespace(NO_TOKEN="no token"))
)


def test_an_attempt_is_refused_as_often_as_asked(events):
    adder = listening_adder(MODULES)([], [], events)
    events.refusals["r"] = 2
    req = SimpleNamespace(rid="r")
    said = [adder.add_one_req(req, has_chunked_req=False) for _ in range(3)]
    assert said == ["no token", "no token", "added r"]
    assert events.refused == ["r", "r"]


class Asked(str):
    """What the adder is to answer, as a request."""

    rid = "r"


class Budget:
    """Figures as the release's adder has them; each attempt reads those that `reads` names."""

    reads = ("rem_total_tokens",)
    is_hybrid_swa = True

    def __init__(self, events, full, swa):
        self.tree_cache = SimpleNamespace(listener=events, full_evictable_size=lambda: 1, swa_evictable_size=lambda: 1)
        self.token_to_kv_pool_allocator = SimpleNamespace(
            full_available_size=lambda: full, swa_available_size=lambda: swa
        )

    @property
    def rem_total_tokens(self):
        return 7

    @property
    def cur_rem_tokens(self):
        return 8

    def add_one_req(self, req):
        self.values = [getattr(self, name) for name in self.reads]
        return req


class Apart(Budget):
    """The windowed pool has a figure of its own."""

    @property
    def rem_swa_tokens(self):
        return 9


@pytest.mark.parametrize(
    ("base", "reads", "rooms", "values", "short"),
    [
        (Budget, ("rem_total_tokens",), (5, 5), [7], "full"),
        (Budget, ("rem_total_tokens", "cur_rem_tokens"), (6, 5), [7, 8], "swa"),
        (Apart, ("rem_total_tokens",), (6, 5), [7], "full"),
        (Apart, ("rem_total_tokens", "rem_swa_tokens"), (5, 6), [7, 9], "swa"),
        (Apart, ("rem_swa_tokens", "cur_rem_tokens"), (6, 5), [9, 8], "full"),
    ],
)
def test_the_figure_that_was_looked_at_last_is_the_one_that_was_short(events, base, reads, rooms, values, short):
    policy = SimpleNamespace(PrefillAdder=base, AddReqResult=MODULES.schedule_policy.AddReqResult)
    adder = listening_adder(SimpleNamespace(schedule_policy=policy))(events, *rooms)
    adder.reads = reads
    assert adder.add_one_req(Asked("no token")) == "no token"
    assert (adder.values, events.short) == (values, short)
    assert adder.add_one_req(Asked("added")) == "added"
    assert events.short is None


def test_several_preempted_at_once_go_back_in_the_order_in_which_they_were_chosen(events):
    one, two, three = (
        SimpleNamespace(rid=f"r{n}", priority=p, time_stats=SimpleNamespace(wait_queue_entry_time=float(n)))
        for n, p in ((1, 5), (2, 1), (3, 5))
    )
    adder = listening_adder(MODULES)([one, two, three], [one, three, two], events)
    assert adder.preempt_to_schedule(None, SimpleNamespace(schedule_low_priority_values_first=False))
    assert [r.rid for r in adder.preempt_list] == ["r2", "r3", "r1"]
    assert events.retracted == ["r1", "r2", "r3"]


def test_what_is_raised_outside_the_release_is_no_crash_of_it():
    with pytest.raises(ValueError, match="ours") as raised:
        raise ValueError("ours")
    assert crash_of(raised.value) is None


def test_a_crash_names_the_last_places_in_the_release():
    scope = {}
    bodies = {"inner": "raise KeyError('x')", "outer": "inner()", "loop": "outer()", "main": "loop()"}
    for name, calls in bodies.items():
        exec(compile(f"def {name}(): {calls}", f"/x/sglang/srt/managers/{name}.py", "exec"), scope)
    with pytest.raises(KeyError) as raised:
        scope["main"]()
    crash = crash_of(raised.value)
    assert (crash.kind, crash.message) == ("KeyError", "'x'")
    assert crash.frames == ("managers/loop.py:1 loop", "managers/outer.py:1 outer", "managers/inner.py:1 inner")
