"""Every cell of the matrix is visited equally often, and a short run is a fair sample."""

from __future__ import annotations

from collections import Counter

import pytest

from sim.conform.matrix import AXES, CELLS, cell_of


@pytest.mark.parametrize("first", [0, 7, 1 << 30])
def test_one_round_of_seeds_visits_every_cell_once(first):
    assert Counter(cell_of(seed) for seed in range(first, first + len(CELLS))) == Counter(CELLS)


def test_names_tell_cells_apart():
    assert len({cell.name for cell in CELLS}) == len(CELLS)


def test_two_dozen_neighbouring_seeds_see_every_value_of_every_axis():
    cells = [cell_of(seed) for seed in range(24)]
    for axis in AXES:
        assert {getattr(cell, axis) for cell in cells} == {getattr(cell, axis) for cell in CELLS}


def test_mixed_chunks_and_speculation_are_never_together():
    assert not any(cell.speculative and cell.chunking == "mixed" for cell in CELLS)
