"""Time as the release sees it."""

import sys
import time
from types import ModuleType

import pytest

from sim.engines.sglang.clock import Clock, Reading


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def module(monkeypatch):
    """A module of a release, under whatever name."""

    def make(name, **scope):
        made = ModuleType(name)
        vars(made).update(scope)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    return make


def test_the_first_moment_is_not_never(clock):
    assert clock.perf_counter() > 0
    assert clock.monotonic() > 0
    clock.set(0.0)
    assert 0 < clock.monotonic() < 1e-300


def test_looks_at_the_same_time_come_one_after_the_other(clock):
    clock.set(2.5)
    first, second = clock.perf_counter(), clock.perf_counter()
    assert (first, second, first - second) == (2.5, 2.5, 0)
    assert (first < second, first <= second, second > first, second >= first) == (True,) * 4
    assert (second < first, second <= first, first > second, first >= second) == (False,) * 4
    assert first != second
    assert not first == second  # noqa: SIM201
    assert first <= first


def test_the_order_turns_round_with_the_sign(clock):
    first, second = clock.perf_counter(), clock.perf_counter()
    assert -second < -first
    assert sorted([(1, -first), (1, -second)]) == [(1, -second), (1, -first)]


def test_a_reading_compares_with_a_deadline_as_a_plain_number(clock):
    clock.set(1.0)
    reading = clock.perf_counter()
    assert (reading < 1.0, reading > 1.0, reading <= 1.0, reading == 1.0) == (False, False, True, True)
    assert 0 < reading < 1.5
    assert hash(reading) == hash(1.0)
    assert isinstance(reading, Reading)


def test_it_is_put_into_the_modules_of_the_release_only(clock, module):
    theirs = module("sglang.srt.one", time=time, monotonic_time=time.perf_counter, real_time=time.time)
    stranger = module("elsewhere", time=time)
    clock.install()
    clock.set(7.0)
    assert theirs.time.monotonic() == theirs.time.time() == 7.0
    assert theirs.monotonic_time() == theirs.real_time() == 7.0
    assert stranger.time is time
    assert theirs.time.sleep is time.sleep


def test_prefix_trees_see_every_access_later_than_the_one_before(clock, module):
    tree = module("sglang.srt.mem_cache.tree", time=time)
    clock.install()
    looks = [tree.time.monotonic() for _ in range(3)]
    assert looks == sorted(set(looks))
