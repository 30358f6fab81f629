"""A random run as timed operations: what a recorded run, a replay and the wire have in common."""

from __future__ import annotations

from helpers.randomrun import STEP, Run

from sim.engines.marks import REAP, Timed


def timed(run: Run) -> list[Timed]:
    """The run's actions, each with its time; a move of the clock alone is a REAP."""
    now, actions = 0.0, []
    for action in run.actions:
        if isinstance(action, float):
            now = action
            actions.append((now, REAP))
        else:
            actions.append((now, STEP if action == STEP else action))
    return actions
