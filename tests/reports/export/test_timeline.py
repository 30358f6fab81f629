"""Every event has a moment of its own."""

from hypothesis import given
from hypothesis import strategies as st

from reports.export.timeline import Timeline


def test_events_of_one_time_are_a_nanosecond_apart():
    timeline = Timeline()
    assert [timeline.tick(t) for t in (0.0, 0.0, 0.0, 0.0596, 0.0596)] == [0, 1, 2, 59_600_000, 59_600_001]


def test_what_was_reached_is_over():
    timeline = Timeline()
    timeline.tick(1.0)
    timeline.reach(1_000_000_005)
    assert (timeline.tick(1.0), timeline.tick(2.0)) == (1_000_000_006, 2_000_000_000)


@given(st.lists(st.integers(0, 10**15)))
def test_whole_nanoseconds_are_kept_where_they_differ(times):
    times = sorted(set(times))
    timeline = Timeline()
    assert [timeline.tick(t / 1e9) for t in times] == times
