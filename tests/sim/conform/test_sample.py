"""A fair sample of `make conform`: on these seeds the model equals every release, operation by operation."""

from __future__ import annotations

import pytest

from sim.conform.pairs import Pair
from sim.conform.targets import ALL, WHOLE

OFTEN, SELDOM = 24, 6
SAMPLED = [target for target in ALL if len(target.reverts) < 2]


@pytest.mark.parametrize("target", SAMPLED, ids=lambda target: target.name)
def test_the_model_equals_the_release(target, real_side, tmp_path):
    pair = Pair(target, real_side(target.name))
    start = 1000 + SELDOM * ALL.index(target)
    seeds = range(OFTEN) if target in WHOLE else range(start, start + SELDOM)
    found = [pair.judge(seed, tmp_path, seconds=10.0).difference for seed in seeds]
    assert [d.lines for d in found if d is not None] == []


def test_another_release_is_told_apart(real_side):
    pair = Pair(WHOLE[0], real_side("0.5.11"))
    assert pair.judge(0, None, seconds=1.0).difference is not None


def test_a_difference_is_small_and_written_as_replay_reads_it(real_side, tmp_path):
    from sim.replay import replay

    pair = Pair(ALL[2], real_side("0.5.11"))
    found = (pair.judge(seed, tmp_path, seconds=10.0).difference for seed in range(20))
    difference = next(d for d in found if d is not None)
    assert difference.operations < 30
    assert difference.folder == tmp_path / f"{ALL[2].name}-{difference.seed}"
    assert replay(difference.folder / "ops.jsonl").iterations > 0
    assert difference.replay in (difference.folder / "difference.txt").read_text(encoding="utf-8")
