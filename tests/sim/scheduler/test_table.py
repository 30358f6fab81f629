"""The table of numbers follows the live requests, not the past."""

from helpers.kvtest import new_req
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.scheduler.table import NO_ROW, ROW, A, ReqTable


class Owner:
    """Whoever keeps requests alive."""

    def __init__(self, capacity=4):
        self.live = []
        self.table = ReqTable(lambda: self.live, capacity)

    def add(self):
        req = new_req(table=self.table)
        self.live.append(req)
        return req


def test_a_thousand_past_requests_need_no_more_room_than_the_live_ones():
    owner = Owner()
    for _ in range(1000):
        owner.add()
        del owner.live[:-3]
    assert owner.table.hot.shape[1] <= 8


def test_a_column_is_clean_when_it_is_used_again():
    owner = Owner()
    for i in range(50):
        req = owner.add()
        assert (req.allocated, req.out, req.row) == (0, 0, None)
        req.allocated, req.out, req.row = 99, 7, i
        owner.live.clear()


def test_growing_keeps_what_the_live_requests_have():
    owner = Owner()
    for i in range(100):
        owner.add().allocated = i
    assert [req.allocated for req in owner.live] == list(range(100))


@given(st.lists(st.integers(0, 5), max_size=60))
@settings(max_examples=60, deadline=None)
def test_a_live_request_keeps_its_numbers_whatever_comes_and_goes(removals):
    owner, expected = Owner(), {}
    for serial, number in enumerate(removals):
        req = owner.add()
        req.committed = expected[id(req)] = serial
        if 0 < number < len(owner.live):
            del owner.live[number]
        assert [r.committed for r in owner.live] == [expected[id(r)] for r in owner.live]
        assert len({r.index for r in owner.live}) == len(owner.live)


def test_arrays_and_cursors_are_the_same_memory():
    owner = Owner()
    req = owner.add()
    req.allocated = 5
    assert owner.table.hot[A][req.index] == 5
    owner.table.hot[A][req.index] = 8
    assert req.allocated == 8
    assert owner.table.hot[ROW][req.index] == NO_ROW
