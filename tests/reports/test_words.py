"""Verdicts in plain words."""

import pytest

from reports.data import Outcome, Verdict
from reports.words import sentence, short_verdict


def outcome(kind: str, pool: str, size: int) -> Outcome:
    verdict = Verdict(verdict=kind, pool=pool, size=size, event=7)
    return Outcome(release="r", events=9, checks=9, iterations=4, ok=False, verdicts=(verdict,))


@pytest.mark.parametrize(
    ("kind", "pool", "size", "short", "long"),
    [
        ("leak", "full", -3, "leak −3", "leak, −3 in the full pool: "),
        ("stuck", "swa", 41, "stuck 41 requests", "stuck, 41 requests in the swa pool: "),
        ("stuck", "full", 1, "stuck 1 request", "stuck, 1 request in the full pool: "),
        ("crash", "mamba", 0, "crash", "crash in the mamba pool: "),
    ],
)
def test_a_size_has_its_sign_and_work_that_waits_is_requests(
    kind: str, pool: str, size: int, short: str, long: str
) -> None:
    assert short_verdict(outcome(kind, pool, size)) == short
    assert sentence(outcome(kind, pool, size)).startswith(long)
