"""The classes of slots: they count up to what the recount and the books say, after every event of random runs."""

import numpy as np
import pytest
from helpers.poolcase import draw_pools
from helpers.randomcase import draw_case
from helpers.randomrun import Player, improvised
from hypothesis import given
from hypothesis import strategies as st

from sim.ledger.recount import Recount
from sim.retrace.classes import EVICTABLE, FREE, HELD, IN_USE, NOBODY, PROTECTED, TWICE, classes, row_classes
from sim.retrace.maps import binned

LENGTH = 90


def looked(case, look):
    """Improvise a run, and play it again with `look(engine, auditor)` after each event."""
    run = improvised(case, LENGTH)
    player = Player(case)
    player.driver.watch = lambda _: look(player.engine, player.auditor)
    player.play(run.actions)


def mapped(engine):
    """The classes of every pool, and of rows."""
    pool = engine.config.pool
    sessions = frozenset(session.session for session in engine.snapshot().sessions)
    layout = engine.layout()
    found = classes(layout, sessions, pool.sizes, pool.page_size)
    return found | {"rows": row_classes(layout, sessions, engine.scheduler.memory.rows.first, pool.rows)}


def unit(engine, pool):
    """Tokens in what is owned as one."""
    return engine.config.pool.page_size if pool in ("full", "swa") else 1


@pytest.mark.parametrize("draw", [draw_case, draw_pools], ids=["plain", "pools"])
@pytest.mark.parametrize("start", range(0, 40, 10))
def test_what_is_lost_and_what_is_owned_twice_is_what_the_recount_counts(draw, start):
    def look(engine, _):
        counts, found = Recount(engine.scheduler).counts(), mapped(engine)
        assert set(found) == set(counts)
        for pool, codes in found.items():
            counted, each = counts[pool], unit(engine, pool)
            assert int((codes == NOBODY).sum()) * each == counted.lost
            assert (codes == TWICE).any() == (counted.extra > 0)

    for seed in range(start, start + 10):
        looked(draw(seed), look)


@pytest.mark.parametrize("draw", [draw_case, draw_pools], ids=["plain", "pools"])
def test_of_sound_memory_the_classes_are_the_accounts(draw):
    compared = 0

    def look(engine, auditor):
        nonlocal compared
        if auditor.verdicts:
            return
        found, books = mapped(engine), auditor.books()
        for pool, terms in books.items():
            count, each = np.bincount(found[pool], minlength=7) * unit(engine, pool), unit(engine, pool)
            assert count[FREE] == terms.available
            assert (count[EVICTABLE], count[PROTECTED]) == (terms.evictable, terms.protected)
            if each == 1:
                assert count[HELD] + count[IN_USE] == terms.session_held + terms.uncached
                compared += 1

    for seed in range(30):
        looked(draw(seed, calm=True), look)
    assert compared > 1000


codes = st.lists(st.integers(0, 6), min_size=1, max_size=300).map(lambda found: np.array(found, dtype=np.uint8))


@given(codes, st.integers(1, 40))
def test_a_bin_shows_its_worst_class_or_its_commonest(found, most):
    shown = binned(found, most)
    each = max(1, -(-len(found) // most))
    assert len(shown) == -(-len(found) // each) <= most
    for number, code in enumerate(shown):
        inside = found[number * each : (number + 1) * each].tolist()
        if max(inside) >= NOBODY:
            assert code == max(inside)
        elif len(inside) == each:
            assert inside.count(code) == max(map(inside.count, inside))
