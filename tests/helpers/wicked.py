"""A model that misbehaves at its second step, as a release in a worker may."""

from __future__ import annotations

import os
import signal
import sys
import time

from policies.releases import compose
from sim.engines.model import ModelEngine
from sim.engines.protocol import EngineCrash

DEFAULT = {"release": "sglang-0.5.11"}


class Touched(BaseException):
    """What the release must not be able to catch."""


class Wicked(ModelEngine):
    """Does at its second step what `how` says."""

    how = ""

    def step(self):
        report = super().step()
        if report.iteration == 2:
            self._misbehave(self.how)
        return report

    def _misbehave(self, how):
        match how:
            case "raise":
                raise EngineCrash("ValueError", "pool is off", ["a.py:1 f", "b.py:2 g"])
            case "fault":
                raise ZeroDivisionError("ours")
            case "touch":
                raise Touched("numa.bind is only stood in for")
            case "leave":
                sys.exit("the server gives up")
            case "hang":
                time.sleep(600)
            case "kill":
                print("last words", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(7)
            case "print":
                print("x" * 300_000)
                os.write(1, b'{"value": "forged"}\n')
                sys.stdout.flush()


def make(begin):
    """A model of the release that `begin` names."""
    made = {**DEFAULT, **(begin.release or {})}
    return Wicked(begin.config, compose(made.pop("release"), **made))
