"""What the entries of `operations:` stand for, and when each is done."""

from __future__ import annotations

import pytest

from sim.engines.marks import REAP, STEP
from sim.engines.protocol import Request
from sim.operations import Abort, Close, Expire, Open, Refuse, Retract, Submit
from sim.scenario.model import Until
from sim.world import Segment


@pytest.fixture
def actions(scenario):
    """What the entries of a list are read as."""

    def read(*entries):
        text = "pool: {tokens: 1000}\noperations:\n" + "".join(f"  - {entry}\n" for entry in entries)
        return scenario(text).variants["default"].operations

    return read


def request(rid, *prompt, output, **more):
    return Submit(
        what=Request(rid=rid, prompt=tuple(Segment(name=n, length=t) for n, t in prompt), max_new=output, **more)
    )


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("{open: a}", Open(session="a")),
        ("{open: a, timeout: 870ms}", Open(session="a", timeout=0.87)),
        ("{submit: r, prompt: 20, output: 0}", request("r", ("r", 20), output=0)),
        ("{submit: a/1, session: a, prompt: 1, output: 2}", request("a/1", ("a/1", 1), output=2, session="a")),
        (
            "{submit: r, prompt: [{x: 16}, {r: 5}, {x: 1}], output: 3, stop_at: 2, ignore_eos: true}",
            request("r", ("x", 16), ("r", 5), ("x", 1), output=3, stop_at=2, ignore_eos=True),
        ),
        (
            "{submit: r, prompt: 1, output: 3, priority: -5, accept: [1, 3]}",
            request("r", ("r", 1), output=3, priority=-5, accept=(1, 3)),
        ),
        ("{submit: r, prompt: 1, output: 3, accept: 2}", request("r", ("r", 1), output=3, accept=(2,))),
        ("{submit: r, prompt: 1, output: 3, accept: {rate: 1}}", request("r", ("r", 1), output=3, accept=1.0)),
        ("{step: 1}", STEP),
        ("{retract: a/1}", Retract(rids=("a/1",), how="pause")),
        ("{retract: [a/1, r], how: memory}", Retract(rids=("a/1", "r"), how="memory")),
        ("{retract: all}", Retract(rids=None, how="pause")),
        ("{retract: [all]}", Retract(rids=("all",), how="pause")),
        ("{refuse: r}", Refuse(request="r", times=1)),
        ("{refuse: r, times: 9}", Refuse(request="r", times=9)),
        ("{abort: a/}", Abort(request="a/")),
        ("{close: a}", Close(session="a")),
        ("{expire: a}", Expire(session="a")),
        ("{reap: true}", REAP),
    ],
)
def test_an_entry_is_an_operation(actions, entry, what):
    assert actions(entry) == ((0.0, what),)


def test_time_passes_by_waiting_only_and_in_whole_nanoseconds(actions):
    found = actions("{step: 2}", "{wait: 0.1}", "{wait: 200ms}", "{step: 1}", "{wait: 1m}", "{reap: true}")
    assert found == ((0.0, STEP), (0.0, STEP), (0.3, STEP), (60.3, REAP))


def test_every_variant_plays_the_same_list_and_nothing_else(scenario):
    text = "pool: {tokens: 1000}\noperations: [{step: 3}]\nvariants: {one: {}, two: {pool: {tokens: 500}}}\n"
    one, two = scenario(text).variants.values()
    assert one.operations == two.operations == ((0.0, STEP),) * 3
    assert (one.workload, one.inject, one.until) == ((), (), Until())


def test_a_quoted_name_is_a_name_even_where_yaml_has_a_meaning_for_it(actions):
    ((_, what),) = actions("{submit: 'on', prompt: [{'<<': 3}, {'12': 4}], output: 1}")
    assert what == request("on", ("<<", 3), ("12", 4), output=1)
