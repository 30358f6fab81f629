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
    for first in marks:
        for second in marks:
            if first.level == second.level and first.began < second.began:
                assert first.seen is not None
                assert first.seen < second.began
