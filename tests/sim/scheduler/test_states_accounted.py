"""Random runs of models with states: at every event each state slot has one place, and each term what it says.

Counted from the layout by dictionaries alone. What the release is known to lose is left out: the abort of a session's
first turn, and a second turn that is sent while one is live.
"""

from collections import Counter

import pytest
from helpers.rig import Rig
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.config import MambaConfig, SpeculativeConfig, SwaConfig
from sim.engines.protocol import EngineCrash, Request
from sim.world import Segment

SLOTS = 24
SHORT_OF_MEMORY = ("Not enough space for mamba", "alloc_req_slots", "Can not alloc mamba")
"""What the release itself dies of where its pools are small."""
move = st.one_of(
    st.tuples(st.just("send"), st.integers(1, 40), st.integers(1, 20)),
    st.tuples(st.just("again"), st.integers(0, 9), st.integers(1, 20)),
    st.tuples(st.just("turn"), st.integers(1, 20), st.integers(1, 12)),
    st.tuples(st.just("abort"), st.integers(0, 9)),
    st.tuples(st.just("refuse"), st.integers(0, 9)),
    st.tuples(st.just("close")),
    st.tuples(st.just("step"), st.integers(1, 6)),
    st.tuples(st.just("step"), st.integers(1, 6)),
)
CASES = {
    "no_buffer": {"mamba": "no_buffer", "overlap": False},
    "no_buffer, chunks": {"mamba": "no_buffer", "overlap": False, "chunked_prefill": 16},
    "no_buffer, no prefix cache": {"mamba": "no_buffer", "overlap": True, "radix": False},
    "extra_buffer": {"mamba": "extra_buffer", "overlap": True, "chunked_prefill": 16},
    "extra_buffer, no overlap": {"mamba": "extra_buffer", "overlap": False},
    "extra_buffer, pages": {"mamba": "extra_buffer", "overlap": True, "page_size": 8},
    "extra_buffer, speculative": {"mamba": "extra_buffer", "overlap": True, "speculative": SpeculativeConfig()},
    "windowed too": {"mamba": "no_buffer", "overlap": False, "swa": SwaConfig(tokens=320, window=12)},
}


class Counted:
    """A run, and the count of it."""

    def __init__(self, mamba, **knobs):
        config = MambaConfig(slots=SLOTS, strategy=mamba, track_interval=16, chunk=8)
        self.rig = Rig(mamba=config, tokens=400, max_running=4, rows=6, audit="off", **knobs)
        self.rig.open("s")
        self.sent, self.prompts, self.turns = [], [], 0

    def play(self, name, *numbers):
        getattr(self, f"do_{name}")(*numbers)

    def do_send(self, length, output):
        self._submit((Segment(name="common", length=length), Segment(name=f"r{len(self.sent)}", length=3)), output)

    def do_again(self, number, output):
        """A prompt that was sent before."""
        if self.prompts:
            self._submit(self.prompts[-1 - number % len(self.prompts)], output)

    def _submit(self, prompt, output):
        rid = f"r{len(self.sent)}"
        self.sent.append(rid)
        self.prompts.append(prompt)
        self.rig.submit(Request(rid=rid, prompt=prompt, max_new=output))

    def do_turn(self, length, output):
        session = self.rig.engine.scheduler.controller.sessions.get("s")
        if session is not None and not session.inflight:
            self.turns += 1
            self.rig.send(f"s/{self.turns}", length, output, session="s")

    def do_abort(self, number):
        if self.sent:
            self.rig.abort(self.sent[-1 - number % len(self.sent)])

    def do_refuse(self, number):
        if self.sent:
            self.rig.refuse(self.sent[-1 - number % len(self.sent)], 2)

    def do_close(self):
        self.rig.close("s")

    def do_step(self, count):
        self.rig.step(count)

    def check(self):
        layout, pools = self.rig.engine.layout(), self.rig.engine.snapshot().pools
        terms = pools["mamba"]
        assert pools["full"].delta == 0
        in_tree = [n.state for n in layout.tree if n.state >= 0]
        of_slots = {slot for s in layout.slots for slot in named(s.state)}
        of_requests = {slot for r in layout.requests for slot in named(r.state)}
        places = Counter([*layout.free["mamba"], *in_tree, *(of_slots | of_requests)])
        assert places == Counter(range(1, SLOTS + 1))
        locked = [n.state for n in layout.tree if n.state >= 0 and n.other_lock]
        assert terms.available == len(layout.free["mamba"])
        assert (terms.evictable, terms.protected) == (len(in_tree) - len(locked), len(locked))
        assert terms.session_held + terms.uncached == len(of_slots | of_requests)


def named(state):
    return () if state.slot is None else (state.slot, *state.snapshots)


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moves=st.lists(move, min_size=5, max_size=25))
def test_every_state_has_one_place(case, moves):
    counted = Counted(**CASES[case])
    for name, *numbers in moves:
        try:
            counted.play(name, *numbers)
        except EngineCrash as crash:
            if any(text in crash.message for text in SHORT_OF_MEMORY):
                return
            raise
        counted.check()
