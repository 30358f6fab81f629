"""The prefill adder: which requests fit, by which budget, in both releases."""

import math

import pytest
from helpers.kvtest import hold, ints, new_req, new_scheduler, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.config import SwaConfig
from sim.scheduler.admission import Added, PrefillAdder
from sim.scheduler.batch import Batch

OLD, NEW = "sglang-0.5.10", "sglang-0.5.11"
CONTINUE, NO_TOKEN, OTHER = Added.CONTINUE, Added.NO_TOKEN, Added.OTHER


class Bench:
    """A scheduler's adder, and requests to offer it."""

    def __init__(self, release=NEW, *, tokens=100, running=(), ratio=0.7, mixed=0, swa=None, **knobs):
        self.scheduler = new_scheduler(release, tokens=tokens, context=20_000, swa=swa, **knobs)
        self.running = Batch([self.request(f"run{i}", 1, n, out=out) for i, (n, out) in enumerate(running)])
        self.make(ratio, mixed)

    def make(self, ratio=0.7, mixed=0):
        s = self.scheduler
        self.adder = PrefillAdder(s.memory, s.table, s.cache, s.knobs, self.running, ratio, mixed)

    def request(self, rid, extend, max_new, *, out=0, prefix=0, **more):
        req = new_req(rid, prefix + extend, max_new, table=self.scheduler.table, **more)
        req.out, req.extend_len, req.fill_len = out, extend, prefix + extend
        req.last_node = self.scheduler.memory.tree.root
        return req

    def add(self, extend, max_new, **more):
        return self.adder.add(self.request(f"r{extend}-{max_new}", extend, max_new, **more))

    def cache(self, count):
        """Let the tree hold the first tokens of every prompt."""
        memory = self.scheduler.memory
        slots = memory.allocator.alloc(count, 6)
        memory.tree.insert(ints(range(100, 100 + count)), slots, 6)

    @property
    def chosen(self):
        return [req.rid for req in self.adder.can_run]


@pytest.mark.parametrize(
    ("release", "max_new", "fits"), [(OLD, 19, True), (OLD, 20, False), (NEW, 18, True), (NEW, 19, False)]
)
def test_prompt_and_output_must_stay_below_what_is_left_and_0_5_11_reserves_a_page(release, max_new, fits):
    bench = Bench(release)
    bench.add(80, max_new)
    assert bool(bench.chosen) is fits


def test_a_page_of_16_is_reserved_whole():
    bench = Bench(NEW, tokens=160, page_size=16)
    assert (bench.add(100, 44), bench.chosen) == (NO_TOKEN, [])
    assert (bench.add(100, 43), bench.chosen) == (NO_TOKEN, ["r100-43"])


def test_a_request_that_takes_the_last_token_is_added_and_ends_the_pass():
    bench = Bench(OLD)
    assert bench.add(80, 19) is NO_TOKEN
    assert (bench.chosen, bench.adder.rem_total) == (["r80-19"], 0)


def test_what_is_added_is_charged_with_a_page_more():
    bench = Bench(tokens=1000, page_size=4, max_prefill_tokens=500, chunked_prefill=300)
    assert bench.add(41, 10) is CONTINUE
    adder = bench.adder
    assert (adder.rem_total, adder.rem_current) == (1000 - 44 - 10 - 4, 1000 - 44 - 4)
    assert (adder.rem_input, adder.rem_chunk) == (500 - 44, 300 - 44)


def test_running_requests_are_expected_to_need_their_share_of_what_they_may_still_write():
    bench = Bench(tokens=1000, running=[(100, 20), (50, 10), (9000, 10)], ratio=0.5)
    assert bench.adder.rem_total == 1000 - (40 + 20 + 4096 * 0.5)
    assert bench.adder.rem_current == 1000


def test_mixed_decodes_are_taken_from_every_budget():
    bench = Bench(tokens=1000, mixed=3, max_prefill_tokens=50, chunked_prefill=32)
    adder = bench.adder
    assert (adder.rem_total, adder.rem_current, adder.rem_input, adder.rem_chunk) == (997, 997, 47, 29)


def test_a_long_output_counts_for_4096_at_most():
    bench = Bench(NEW, tokens=4200)
    assert (bench.add(100, 12_000), bench.chosen) == (CONTINUE, ["r100-12000"])
    assert bench.adder.rem_total == 4200 - 100 - 4096 - 1


def test_what_is_decoded_already_is_not_asked_for_again():
    assert Bench(NEW).add(80, 40, out=22) is not CONTINUE
    assert Bench(NEW).add(30, 60, out=22) is CONTINUE


def test_the_first_request_may_exceed_the_input_budget_and_the_next_may_not():
    bench = Bench(tokens=1000, max_prefill_tokens=50)
    assert bench.add(60, 5) is OTHER
    assert bench.add(10, 5) is OTHER
    assert bench.chosen == ["r60-5"]


def test_a_second_request_must_stay_below_the_input_budget():
    bench = Bench(tokens=1000, max_prefill_tokens=50)
    assert bench.add(20, 5) is CONTINUE
    assert (bench.add(30, 5), bench.add(29, 5)) == (OTHER, CONTINUE)
    assert bench.chosen == ["r20-5", "r29-5"]


@pytest.mark.parametrize(("page", "chunk", "part"), [(1, 32, 32), (16, 40, 32), (16, 48, 48)])
def test_a_prompt_longer_than_the_chunk_is_cut_to_whole_pages(page, chunk, part):
    bench = Bench(tokens=960, page_size=page, chunked_prefill=chunk)
    result = bench.add(50, 20)
    (req,) = bench.adder.can_run
    assert (req.extend_len, req.fill_len) == (part, part)
    assert bench.adder.new_chunked is req
    assert bench.adder.rem_total == 960 - part - page
    assert result is (OTHER if chunk == part else CONTINUE)


def test_a_chunk_smaller_than_a_page_takes_nothing():
    bench = Bench(tokens=960, page_size=16, chunked_prefill=10)
    assert (bench.add(50, 20), bench.chosen) == (OTHER, [])


def test_a_prompt_of_exactly_the_chunk_is_whole():
    bench = Bench(tokens=960, chunked_prefill=32)
    assert bench.add(32, 20) is OTHER
    assert bench.adder.new_chunked is None


# -- the tree ---------------------------------------------------------------------------------------------


def matched(bench, extend, max_new, prefix):
    req = bench.request("m", extend, max_new, prefix=prefix)
    req.prefix, req.last_node = bench.scheduler.memory.tree.match(req.origin[:prefix])
    assert len(req.prefix) == prefix
    return req


def test_evictable_tokens_count_as_free():
    bench = Bench(tokens=100)
    bench.cache(40)
    assert (bench.adder.rem_total, bench.add(80, 10)) == (100, CONTINUE)


@pytest.mark.parametrize(("max_new", "fits"), [(28, True), (29, False)])
def test_the_prefix_it_reuses_is_no_memory_for_it(max_new, fits):
    bench = Bench(tokens=100)
    bench.cache(40)
    req = matched(bench, 30, max_new, prefix=40)
    bench.adder.add(req)
    assert (req in bench.adder.can_run) is fits
    assert bench.scheduler.memory.tree.protected == (40 if fits else 0)


def test_a_request_that_is_added_keeps_its_lock_and_one_that_is_not_keeps_none():
    bench = Bench(tokens=1000, max_prefill_tokens=20)
    bench.cache(40)
    tree = bench.scheduler.memory.tree
    req = matched(bench, 10, 5, prefix=40)
    assert bench.adder.add(req) is CONTINUE
    assert (req.last_node.lock_ref, tree.protected) == (1, 40)
    assert bench.adder.add(matched(bench, 10, 5, prefix=40)) is OTHER
    assert req.last_node.lock_ref == 1


def test_a_turn_that_continues_a_slot_locks_nothing():
    bench = Bench(tokens=1000)
    slot = hold(bench.scheduler, "s")
    req = bench.request("s/2", 10, 5, prefix=26)
    req.last_node = slot.virtual_node
    assert bench.adder.add(req) is CONTINUE
    assert slot.last_node.lock_ref == 1


# -- the split prefill ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "part", "goes_on"), [(50, 32, True), (33, 32, True), (32, 32, False), (7, 7, False)]
)
def test_a_split_prefill_goes_on_by_a_chunk(left, part, goes_on):
    bench = Bench(tokens=960, chunked_prefill=32)
    req = bench.request("c", left, 20, prefix=64)
    req.prefix = ints(range(64))
    assert bench.adder.add_chunked(req) is (req if goes_on else None)
    assert (req.extend_len, req.fill_len) == (part, 64 + part)
    assert bench.adder.rem_total == 960 - part - (0 if goes_on else 20) - 1


def test_a_split_prefill_takes_no_more_than_is_left():
    bench = Bench(tokens=100, running=[(140, 0)], ratio=0.5, chunked_prefill=50)
    req = bench.request("c", 80, 20)
    assert bench.adder.add_chunked(req) is req
    assert req.extend_len == 30


def test_a_split_prefill_must_run_even_if_nothing_is_left():
    bench = Bench(tokens=100, running=[(300, 0)], ratio=0.5, chunked_prefill=50)
    req = bench.request("c", 80, 20)
    assert bench.adder.rem_total < 0
    assert bench.adder.add_chunked(req) is req
    assert req.extend_len == 50


# -- against a plain count --------------------------------------------------------------------------------


class Count:
    """The adder of the documents with plain numbers; nothing is cached."""

    def __init__(self, release, free, page, max_prefill, chunk):
        self.page, self.reserve = page, page if release == NEW else 0
        self.total = self.current = free
        self.input, self.chunk = max_prefill, chunk
        self.taken = []

    def add(self, extend, max_new, out):
        page, size = self.page, math.ceil(extend / self.page) * self.page
        if extend + max(max_new - out, 0) + self.reserve >= self.total:
            return NO_TOKEN
        if size >= self.input and self.taken:
            return OTHER
        part, output = size, max_new
        if self.chunk is not None and size > self.chunk:
            part, output = self.chunk // page * page, 0
            if part <= 0:
                return OTHER
            extend = part
        self.taken.append(extend)
        self.total -= part + output + page
        self.current -= part + page
        self.input -= part
        if self.chunk is not None:
            self.chunk -= part
        if min(self.total, self.current) <= 0:
            return NO_TOKEN
        out_of_budget = self.input <= 0 or (self.chunk is not None and self.chunk <= 0)
        return OTHER if out_of_budget else CONTINUE


shapes = st.lists(st.tuples(st.integers(1, 90), st.integers(0, 60), st.integers(0, 20)), max_size=7)


@given(st.sampled_from([OLD, NEW]), st.sampled_from([1, 4, 16]), st.integers(10, 200),
       st.none() | st.integers(0, 120), shapes)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_results_and_budgets_equal_a_plain_count(release, page, max_prefill, chunk, requests):
    bench = Bench(release, tokens=320, page_size=page, max_prefill_tokens=max_prefill, chunked_prefill=chunk)
    count = Count(release, 320, page, max_prefill, chunk)
    for extend, max_new, out in requests:
        assert bench.add(extend, max_new, out=out) is count.add(extend, max_new, out)
        assert [req.extend_len for req in bench.adder.can_run] == count.taken
        assert (bench.adder.rem_total, bench.adder.rem_current) == (count.total, count.current)
        assert (bench.adder.rem_input, bench.adder.rem_chunk) == (count.input, count.chunk)


# -- requests that ignore EOS, without a prefix cache -----------------------------------------------------


@pytest.mark.parametrize(("extend", "fits"), [(60, True), (78, True), (79, False), (80, False)])
def test_without_a_cache_a_request_that_ignores_eos_must_find_room_for_all_its_output(extend, fits):
    bench = Bench(tokens=100, radix=False)
    bench.add(extend, 20, ignore_eos=True)
    assert bool(bench.chosen) is fits


def test_memory_that_comes_back_before_it_is_needed_counts():
    def admitted(left):
        """A running request of 40 tokens that will end after `left` more."""
        bench = Bench(tokens=100, radix=False)
        other = bench.request("other", 30, 10 + left, out=10, ignore_eos=True)
        bench.running = Batch([other])
        bench.scheduler.memory.allocator.alloc(40, 6)
        bench.make()
        bench.add(20, 50, ignore_eos=True)
        return bool(bench.chosen)

    assert admitted(10)
    assert not admitted(45)


def test_with_a_prefix_cache_ignoring_eos_makes_no_difference():
    plain_one, ignoring, without_cache = Bench(), Bench(), Bench(radix=False)
    results = [plain_one.add(79, 20), ignoring.add(79, 20, ignore_eos=True)]
    assert results == [NO_TOKEN, NO_TOKEN]
    assert without_cache.add(78, 20, ignore_eos=True) is CONTINUE


# -- preemption -------------------------------------------------------------------------------------------


def preempting(*priorities, max_new=100, threshold=10):
    bench = Bench(tokens=300, priority=True, preemption=True, preemption_threshold=threshold)
    bench.running = Batch([
        bench.request(f"run{p}", 1, max_new, priority=p) for p in priorities
    ])  # fmt: skip
    bench.make(ratio=1.0)
    return bench


def victims(bench, priority, extend=50, max_new=20):
    return [r.rid for r in bench.adder.victims_for(bench.request("new", extend, max_new, priority=priority))]


def test_the_lowest_priorities_go_first_and_no_more_of_them_than_needed():
    assert victims(preempting(3, 0, 5), 30) == ["run0"]
    assert victims(preempting(3, 0, 5), 30, extend=150) == ["run0", "run3"]


@pytest.mark.parametrize(("priority", "expected"), [(10, []), (11, ["run0"])])
def test_the_difference_must_exceed_the_threshold(priority, expected):
    assert victims(preempting(0, 0 + 40, 50), priority) == expected


def test_if_all_of_them_do_not_make_room_nobody_goes():
    assert victims(preempting(0, 0, 50), 30, extend=290) == []


def test_a_forgiven_victim_is_expected_to_need_nothing():
    bench = preempting(0, 5)
    assert bench.adder.rem_total == 100
    bench.adder.forgive(bench.running.reqs[0])
    assert bench.adder.rem_total == 200


def test_slots_are_only_counted_never_taken():
    bench = Bench(tokens=100)
    bench.add(50, 20)
    assert plain(bench.scheduler.memory.allocator.free_list.view()) == list(range(1, 101))


# -- two pools ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("release", "rem_total"), [(OLD, 60), (NEW, 100)])
def test_0_5_10_lets_the_smaller_pool_decide_and_0_5_11_the_full_one(release, rem_total):
    bench = Bench(release, swa=SwaConfig(tokens=60, window=8))
    assert (bench.adder.rem_total, bench.adder.rem_current) == (rem_total, rem_total)


@pytest.mark.parametrize(("extend", "left"), [(5, 60 - 9), (8, 60 - 9), (20, 60 - 21)])
def test_0_5_11_charges_the_windowed_pool_with_a_window_at_least_and_a_page(extend, left):
    bench = Bench(NEW, swa=SwaConfig(tokens=60, window=8))
    assert bench.add(extend, 1) is CONTINUE
    assert bench.adder.rem_window == left


def test_what_a_prefill_needs_of_the_windowed_pool_ends_with_its_chunk():
    bench = Bench(NEW, tokens=1000, swa=SwaConfig(tokens=60, window=8), chunked_prefill=32)
    bench.add(50, 1)
    assert bench.adder.new_chunked is not None
    assert bench.adder.rem_window == 60 - 33


@pytest.mark.parametrize(("extend", "fits"), [(58, True), (59, False)])
def test_a_prefill_must_stay_below_what_is_left_of_the_windowed_pool(extend, fits):
    bench = Bench(NEW, tokens=1000, swa=SwaConfig(tokens=60, window=8))
    assert bench.add(extend, 1) is (CONTINUE if fits else NO_TOKEN)
    assert bool(bench.chosen) is fits


@pytest.mark.parametrize(
    ("release", "swa", "prompt", "max_new", "short"),
    [
        (OLD, None, 80, 40, "full"), (NEW, None, 80, 40, "full"),
        (OLD, 60, 50, 20, "swa"), (OLD, 100, 80, 40, "full"), (OLD, 60, 20, 20, None),
        (NEW, 60, 59, 20, "swa"), (NEW, 60, 50, 60, "full"), (NEW, 60, 50, 20, None),
    ],
)  # fmt: skip
def test_who_finds_no_memory_knows_in_which_pool(release, swa, prompt, max_new, short):
    bench = Bench(release, swa=None if swa is None else SwaConfig(tokens=swa, window=8))
    assert bench.add(prompt, max_new) is (CONTINUE if short is None else NO_TOKEN)
    assert bench.adder.short == short


@pytest.mark.parametrize(
    ("release", "swa", "prompt", "max_new", "short"),
    [
        (OLD, None, 101, 1, "full"), (NEW, None, 50, 60, "full"), (NEW, None, 50, 20, None),
        (OLD, 60, 61, 1, "swa"), (NEW, 60, 60, 1, "swa"), (NEW, 60, 101, 1, "full"), (NEW, 60, 50, 20, None),
    ],
)  # fmt: skip
def test_so_does_who_ignores_eos_without_a_prefix_cache(release, swa, prompt, max_new, short):
    bench = Bench(release, swa=None if swa is None else SwaConfig(tokens=swa, window=8), radix=False)
    assert bench.add(prompt, max_new, ignore_eos=True) is (CONTINUE if short is None else NO_TOKEN)
    assert bench.adder.short == short


@pytest.mark.parametrize(("release", "swa", "short"), [(NEW, 60, "swa"), (OLD, 60, "swa"), (OLD, 200, "full")])
def test_who_is_the_last_that_fits_says_what_is_short(release, swa, short):
    bench = Bench(release, swa=SwaConfig(tokens=swa, window=59), radix=False)
    prompt = min(swa, 100) if release == OLD else 5
    result = bench.add(prompt, 1, ignore_eos=True)
    assert (result, bench.chosen, bench.adder.short) == (NO_TOKEN, [f"r{prompt}-1"], short)


def test_locking_what_is_shared_can_leave_too_little_of_the_windowed_pool():
    bench = Bench(NEW, tokens=1000, swa=SwaConfig(tokens=60, window=8))
    memory = bench.scheduler.memory
    slots = memory.allocator.alloc_extend(ints([0]), ints([30]), ints([-1]), 6)
    memory.tree.insert_cut(ints(range(100, 130)), slots, 6, protected=0)
    req = bench.request("r", 40, 1)
    req.last_node = memory.tree.match_units(ints(range(100, 130)))[1]
    assert bench.adder.rem_window == 60
    assert (bench.adder.add(req), bench.chosen, bench.adder.short) == (NO_TOKEN, [], "swa")
    assert (memory.tree.protected, memory.tree.other_protected) == (0, 0)


def test_taking_a_request_locks_what_it_shares_and_notes_the_mark():
    bench = Bench(NEW, tokens=1000, swa=SwaConfig(tokens=160, window=8))
    memory = bench.scheduler.memory
    slots = memory.allocator.alloc_extend(ints([0]), ints([30]), ints([-1]), 6)
    memory.tree.insert_cut(ints(range(100, 130)), slots, 6, protected=0)
    req = bench.request("r", 40, 1)
    req.last_node = memory.tree.match_units(ints(range(100, 130)))[1]
    assert bench.adder.add(req) is CONTINUE
    assert (memory.tree.other_protected, req.mark, req.last_node.mark) == (30, 1, 1)


@pytest.mark.parametrize(("release", "runs"), [(OLD, True), (NEW, False)])
def test_a_chunk_that_finds_no_windowed_memory_is_parked_by_0_5_11_and_runs_in_0_5_10(release, runs):
    bench = Bench(release, tokens=1000, swa=SwaConfig(tokens=60, window=8), chunked_prefill=16)
    bench.scheduler.memory.allocator.alloc_extend(ints([0]), ints([59]), ints([-1]), 6)
    req = bench.request("r", 40, 1)
    assert bench.adder.add_chunked(req) is req
    assert (bench.chosen == ["r"]) is runs
    assert req.extend_len == (1 if release == OLD else 40)


def test_a_chunk_takes_what_is_left_of_the_windowed_pool_but_for_a_page():
    bench = Bench(NEW, tokens=1000, swa=SwaConfig(tokens=60, window=8), chunked_prefill=32)
    bench.scheduler.memory.allocator.alloc_extend(ints([0]), ints([40]), ints([-1]), 6)
    req = bench.request("r", 40, 1)
    bench.adder.add_chunked(req)
    assert req.extend_len == 60 - 40 - 1


@pytest.mark.parametrize(("extend", "fits"), [(59, True), (60, False)])
def test_a_request_that_ignores_its_end_needs_room_in_both_pools_and_no_forecast(extend, fits):
    bench = Bench(NEW, tokens=1000, swa=SwaConfig(tokens=60, window=8), radix=False)
    bench.add(extend, 2000, ignore_eos=True)
    assert bool(bench.chosen) is fits
