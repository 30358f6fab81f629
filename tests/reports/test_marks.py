"""Marks: verdicts numbered as in the table, on as few levels as hold them."""

from hypothesis import given
from hypothesis import strategies as st

from reports.data import Cause, Verdict
from reports.marks import marks_of


def verdict(began: int, seen: int | None) -> Verdict:
    cause = Cause(what="x", event=began)
    return Verdict(verdict="leak", pool="full", size=-1, event=began, cause=cause, detected_event=seen)


def numbered(verdicts):
    return list(enumerate(verdicts, start=1))


def test_verdicts_far_apart_stand_on_one_level() -> None:
    marks = marks_of(numbered([verdict(10, 10), verdict(60, 60)]), events=100, width=400)
    assert [(mark.label, mark.level) for mark in marks] == [("1", 0), ("2", 0)]


def test_verdicts_that_would_overlap_stand_on_two_levels() -> None:
    marks = marks_of(numbered([verdict(10, 80), verdict(60, 60)]), events=100, width=400)
    assert [(mark.label, mark.level) for mark in marks] == [("1", 0), ("2", 1)]


def test_verdicts_of_one_cause_and_one_detection_share_a_mark() -> None:
    marks = marks_of(numbered([verdict(10, 20), verdict(10, 20), verdict(10, 20)]), events=100, width=400)
    assert [mark.label for mark in marks] == ["1–3"]


def test_latency_places_the_detection_when_its_event_is_not_written() -> None:
    late = Verdict(
        verdict="leak", pool="full", size=-1, event=12, cause=Cause(what="x", event=10), latency_events=5
    )
    assert late.seen == 15


def test_what_is_seen_and_what_never_is_stand_apart_though_of_one_event() -> None:
    faults = [verdict(10, 10), verdict(10, None), verdict(10, 10)]
    marks = marks_of(numbered(faults), events=100, width=400)
    assert [(mark.label, mark.seen, mark.unseen) for mark in marks] == [("1, 3", True, False), ("2", False, True)]


def test_a_fault_never_seen_leaves_room_for_those_after_it() -> None:
    faults = [verdict(event, None) for event in (10, 30, 50, 70, 90)]
    assert [mark.level for mark in marks_of(numbered(faults), events=100, width=400)] == [0] * 5


def test_what_finds_no_place_keeps_its_own_fate_in_a_shared_mark() -> None:
    faults = [verdict(10, None), verdict(11, 11), verdict(12, 12), verdict(13, 60)]
    marks = marks_of(numbered(faults), events=1000, width=400)
    assert [mark.label for mark in marks] == ["1, 4", "2", "3"]
    assert marks[0].fates == ((10, None), (13, 60))
    assert marks[0].seen
    assert marks[0].unseen


def test_many_numbers_are_cut_short() -> None:
    faults = [verdict(event, event) for event in (1, 9, 1, 9, 1, 9, 1, 9)]
    marks = marks_of(numbered(faults), events=100, width=400)
    assert [mark.label for mark in marks] == ["1 … 7", "2 … 8"]


@given(
    st.lists(st.tuples(st.integers(1, 1000), st.none() | st.integers(0, 300)), max_size=60),
)
def test_every_verdict_has_a_mark_and_no_two_marks_of_a_level_overlap(
    spans: list[tuple[int, int | None]],
) -> None:
    verdicts = [
        verdict(b, None if later is None else b + later) for b, later in sorted(spans, key=lambda s: s[0])
    ]
    marks = marks_of(numbered(verdicts), events=1300, width=400)
    assert sorted(n for mark in marks for n in mark.numbers) == list(range(1, len(verdicts) + 1))
    assert all(mark.level < 3 for mark in marks)
    fates = {(v.began, v.seen) for v in verdicts}
    assert {fate for mark in marks for fate in mark.fates} == fates
    for first in marks:
        for second in marks:
            if first.level == second.level and first.began < second.began:
                assert first.events[-1] < second.began
