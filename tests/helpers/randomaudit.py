"""What both tests of random audits do: many drawn workloads, played once each, with an audit after every event."""

from __future__ import annotations

from functools import cache

import pytest
from helpers.randomrun import Player, improvised, shrunk

WORKLOADS, BLOCK, LENGTH = 500, 50, 110
BLOCKS = range(0, WORKLOADS, BLOCK)
AGAIN = 20


class Workloads:
    """`draw(seed)` gives the case of a seed."""

    def __init__(self, draw):
        self.draw = draw
        self.run_of = cache(lambda seed: improvised(draw(seed), LENGTH))

    def __iter__(self):
        return (self.run_of(seed) for seed in range(WORKLOADS))

    def equal_their_recounts(self, start):
        """`audit="event"` recounts after each event and raises OurFault where the books differ."""
        for seed in range(start, start + BLOCK):
            try:
                run = self.run_of(seed)
            except Exception as error:
                error.add_note(f"random workload {seed}: {self.draw(seed)}")
                raise
            assert len(run.actions) > 3

    def play_again(self):
        """From their actions, with the same verdicts."""
        for seed in range(AGAIN):
            run = self.run_of(seed)
            again = Player(run.case).play(run.actions)
            assert [v.to_json() for v in again.verdicts] == [v.to_json() for v in run.verdicts]
            assert (again.kinds, again.crash) == (run.kinds, run.crash)

    def have(self, kind, least):
        """An event of this kind occurs in so many of them."""
        having = sum(run.kinds[kind] > 0 for run in self)
        assert having >= least, f"{kind} occurs in {having} of {WORKLOADS} workloads"

    def have_releases(self, variations):
        """Both releases, and every variation of them."""
        seen = [run.case.release for run in self]
        assert {} in seen
        assert {"release": "sglang-0.5.10"} in seen
        assert [v for v in variations if v not in seen] == []


def must_be_clean(cases, length):
    """Cases drawn calm; the first that is not is told as small as it gets."""
    for seed, case in enumerate(cases):
        run = improvised(case, length)
        if not run.clean:
            small = shrunk(run, lambda shorter: not shorter.clean)
            what = small.verdicts[0].text()
            pytest.fail("\n".join([f"seed {seed}: {what}", str(small.case), *map(str, small.actions)]))
