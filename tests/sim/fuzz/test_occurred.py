"""What can be told from the answers of an engine."""

from __future__ import annotations

from types import SimpleNamespace

from sim.engines.marks import STEP
from sim.fuzz.occurred import TOLD, Reports


def test_every_kind_that_is_said_to_be_told_is_counted():
    reports = Reports()
    for kind in ("prefill", "decode", "mixed", "idle"):
        reports.before(0.0, STEP)
        step = SimpleNamespace(kind=kind, refused=("a",), retracted=("b",), release_check="off by one")
        reports.after((("s",), step))
    reports.died(RuntimeError())
    # Whether it is stuck is known once nothing is done any more.
    assert {kind for kind, count in reports.events.items() if count} == set(TOLD) - {"stuck"}
    assert reports.operations["step"] == 4
