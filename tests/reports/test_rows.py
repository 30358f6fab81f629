"""Whose the positions of a row are, and where the slots of a cause are named."""

import pytest
from helpers.looked import row

from reports.moments import Row, Step
from reports.rows import frames_of, parts_of


def state(*args, **more) -> Row:
    return Row.model_validate(row(*args, **more))


@pytest.mark.parametrize(
    ("made", "parts"),
    [
        (state(19, 26, 33), [("protected", 0, 19), ("in use", 19, 26), ("in use, reserved", 26, 33)]),
        (state(0, 20, 20), [("in use", 0, 20)]),
        (state(19, 26, 28, request=None), [("protected", 0, 19), ("held", 19, 26), ("held, reserved", 26, 28)]),
        (state(10, 4, 12), [("protected", 0, 10), ("in use, reserved", 10, 12)]),
        (state(0, 0, 0), []),
    ],
)
def test_cursors_divide_the_row(made: Row, parts) -> None:
    assert parts_of(made) == parts


def test_the_position_of_a_lost_slot_is_framed_where_it_is_named_and_where_it_no_longer_is() -> None:
    rows = [state(0, 5, 5), state(0, 5, 5), state(0, 5, 5, [1, 2, 9, 10, 5])]
    steps = [Step(event=n) for n in (4, 5, 6)]
    assert frames_of(rows, steps, {3, 4}, 6) == [("named", 0, 2, 4), ("named", 1, 2, 4), ("lost", 2, 2, 4)]


def test_slots_that_are_still_named_stay_framed() -> None:
    rows = [None, state(0, 5, 5), state(0, 5, 5)]
    steps = [Step(event=n) for n in (4, 5, 6)]
    assert frames_of(rows, steps, {1, 2, 5}, 5) == [
        ("named", 1, 0, 2),
        ("named", 1, 4, 5),
        ("named", 2, 0, 2),
        ("named", 2, 4, 5),
    ]
