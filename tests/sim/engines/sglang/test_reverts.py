"""A fix taken out of the real release does what the model's decision of the same name does."""

from __future__ import annotations

import pytest

from sim.engines.sglang.rewriting import Misfit, method, rewrite

# One process enters the release; each revert has a fork of it. Every snapshot is compared with the model's, and the
# model without the revert must have gone another way: a revert that changes nothing would show.
PLAYED = """
import os, random, sys
from policies.releases import compose
from sim.config import MambaConfig, PoolConfig, RunConfig, SchedulerConfig, SpeculativeConfig, SwaConfig
from sim.engines.model import ModelEngine
from sim.engines.protocol import EngineCrash, Request
from sim.engines.sglang.reverts import REVERTS, revert
from sim.world import Segment
modules = enter(source)
from sim.engines.sglang.real import RealEngine

def turn(name, prompt, output, session, text=None):
    return ("submit", Request(rid=name, prompt=(Segment(name=text or name, length=prompt),), max_new=output,
                              session=session, accept=(3, 4, 2)))
STEP, PAUSE = ("step",), ("retract", None, "pause")
SCRIPTS = {
    "turns": [turn("a1", 20, 6, "a"), *[STEP] * 12, turn("a2", 10, 7, "a"), *[STEP] * 12, turn("a3", 1, 3, "a")],
    "retract": [turn("a1", 20, 6, "a"), *[STEP] * 12, turn("a2", 10, 9, "a"), STEP, STEP, STEP, PAUSE],
    "abort": [turn("a1", 20, 6, "a"), *[STEP] * 12, turn("a2", 10, 20, "a"), STEP, STEP, ("abort", "a2"), *[STEP] * 6,
              turn("a3", 5, 2, "a")],
    "refused": [turn("a1", 20, 6, "a"), *[STEP] * 12, turn("a2", 600, 6, "a"), *[STEP] * 6, turn("a3", 5, 2, "a")],
    "close": [turn("a1", 20, 6, "a"), *[STEP] * 12, turn("a2", 10, 20, "a"), STEP, STEP, ("close", "a"), STEP,
              ("advance", 5.0)],
    "both": [turn("a1", 20, 9, "a"), STEP, turn("a2", 5, 9, "a")],
    "copy refused": [turn("b1", 12, 40, None), *[STEP] * 4, ("refuse", "b2", 1), turn("b2", 14, 3, None, "b1"), STEP],
    "turn refused": [turn("a1", 20, 6, "a"), turn("b1", 12, 60, None), *[STEP] * 12, ("refuse", "a2", 1),
                     turn("a2", 5, 3, "a"), STEP, ("close", "a")],
}
POOLS = {
    "": {},
    "window": {"swa": SwaConfig(tokens=300, window=8)},
    "states": {"mamba": MambaConfig(slots=40, strategy="extra_buffer", track_interval=8, chunk=4)},
}
def play(engine, script):
    seen = []
    for operation in (("open", "a", None), *script, *[STEP] * 15):
        try:
            getattr(engine, operation[0])(*operation[1:])
            seen.append(engine.snapshot())
        except EngineCrash as crash:
            return [*seen, crash.kind]
    return seen
def judged(numbers):
    revert(frozenset(numbers), modules)
    shown = []
    about = not numbers or len(numbers) > 2 or set(numbers) & {21404, 22753, 22900, 23327, 23496}
    for kind, pools in POOLS.items() if about else [("", {})]:
        for name, script in SCRIPTS.items():
            for page, speculative in [(1, None), (4, SpeculativeConfig())][: 1 if kind else 2]:
                config = RunConfig(
                    pool=PoolConfig(tokens=400, page_size=page, rows=8, context=512, **pools),
                    scheduler=SchedulerConfig(speculative=speculative, session_gate=False))
                real, ours = play(RealEngine(modules, config), script), compose("sglang-0.5.11", revert=numbers)
                assert real == play(ModelEngine(config, ours), script), (numbers, kind, name)
                if real != play(ModelEngine(config, compose("sglang-0.5.11")), script):
                    shown.append((f"{name} with {kind}" if kind and name not in shown else name))
    return ", ".join(sorted(set(shown)))
for numbers in ((), *[(n,) for n in REVERTS], (22273, 22790), (21875, 22862), tuple(sorted(REVERTS))):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            print(*numbers, "shows in:", judged(numbers), flush=True)
        except BaseException as error:
            print(*numbers, repr(error), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""

ALL = "abort, both, close, refused, retract, turn refused, turns"
# 22900 is out of reach: the released clock never gets beyond the end of a turn (`poolflows.overshoot` does).
SHOWN = [
    "shows in: ",
    "21404 shows in: copy refused with states",
    "21875 shows in: close, turn refused",
    "22273 shows in: refused",
    "22651 shows in: abort, both, close, copy refused, refused, retract, turn refused, turns",
    "22753 shows in: abort, close, refused, retract, turn refused, turns",
    f"22790 shows in: {ALL}",
    "22862 shows in: retract, turns",
    f"22897 shows in: {ALL}",
    "22900 shows in: ",
    "23327 shows in: turn refused with states",
    "23496 shows in: abort with states",
    f"22273 22790 shows in: {ALL}",
    "21875 22862 shows in: close, retract, turn refused, turns",
    "21404 21875 22273 22651 22753 22790 22862 22897 22900 23327 23496 shows in: "
    "abort, both, close, copy refused, refused, retract, turn refused, turns",
]


def test_every_revert_equals_the_model_and_changes_something(sglang_source, inside):
    lines = inside(sglang_source("0.5.11"), PLAYED)
    assert lines == SHOWN


class Sample:
    def plain(self, x):
        return x + 1

    @staticmethod
    def fixed():
        return 3


class Heir(Sample):
    """Has what it rewrites from its base."""


def test_a_rewritten_method_keeps_its_place_and_leaves_the_base_alone():
    rewrite(Heir, "plain", {"x + 1": "x + 2"})
    assert (Heir().plain(1), Sample().plain(1)) == (3, 2)
    assert Heir.plain.__code__.co_filename == Sample.plain.__code__.co_filename
    assert Heir.plain.__code__.co_firstlineno == Sample.plain.__code__.co_firstlineno


def test_a_fragment_or_method_that_is_not_there_is_a_misfit():
    with pytest.raises(Misfit, match=r"Sample\.plain does not say 'x \+ 9'"):
        rewrite(Sample, "plain", {"x + 9": "x"})
    with pytest.raises(Misfit, match=r"has no Sample\.other"):
        method(Sample, "other")
    assert method(Sample, "fixed")() == 3
