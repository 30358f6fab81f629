"""Every cell of the matrix is visited equally often, and a short run is a fair sample."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest

from sim.cases.matrix import AXES, CELLS, KINDS, cell_of, cells, shares


@pytest.mark.parametrize("first", [0, 7, 1 << 30])
def test_one_round_of_seeds_visits_every_cell_once(first):
    assert Counter(cell_of(seed) for seed in range(first, first + len(CELLS))) == Counter(CELLS)


@pytest.mark.parametrize("pools", [(kind,) for kind in KINDS] + list(combinations(KINDS, 2)))
def test_so_does_one_round_of_some_pools(pools):
    known = cells(pools)
    assert Counter(cell_of(seed, pools) for seed in range(5, 5 + len(known))) == Counter(known)
    assert {cell.pools for cell in known} == set(pools)


def test_names_tell_cells_apart():
    assert len({cell.name for cell in CELLS}) == len(CELLS)


def test_three_dozen_neighbouring_seeds_see_every_value_of_every_axis():
    drawn = shares(cell_of(seed) for seed in range(36))
    whole = shares(CELLS)
    for axis in AXES:
        assert set(drawn[axis]) == set(whole[axis])


def test_mixed_chunks_and_speculation_are_never_together():
    assert not any(cell.speculative and cell.chunking == "mixed" for cell in CELLS)


def test_states_are_kept_as_the_server_accepts_it():
    for cell in CELLS:
        if not cell.recurrent:
            continue
        assert cell.strategies
        if cell.pools == "extra_buffer":
            assert cell.radix
        if cell.pools == "no_buffer" and cell.radix:
            assert cell.page == 1
            assert cell.speculative or not cell.overlap
        if cell.pools == "no_buffer" and cell.page > 1:
            assert cell.chunking != "whole"
        assert ("extra_buffer" in cell.strategies) == cell.radix
