"""Who is retracted first: the fewest output tokens, then the longest prompt."""

from helpers.kvtest import new_req, new_table
from hypothesis import given
from hypothesis import strategies as st

from policies.victims import FewestOutput

VICTIMS = FewestOutput()


def reqs(*shapes):
    table, made = new_table(), []
    for prompt, out in shapes:
        made.append(new_req(f"r{len(made)}", prompt, table=table))
        made[-1].out = out
    return made


def first(*shapes, speculative=False):
    return VICTIMS.order(reqs(*shapes), speculative)[-1]


def test_the_fewest_output_tokens_go_first():
    assert first((10, 7), (10, 3), (10, 5)) == 1


def test_among_equals_the_longest_prompt_goes_first():
    assert first((10, 3), (40, 3), (20, 3)) == 1


def test_fewer_output_tokens_count_before_a_longer_prompt():
    assert first((500, 4), (10, 3)) == 1


def test_with_speculation_the_last_of_the_batch_goes_first():
    assert first((10, 0), (10, 3), (10, 9), speculative=True) == 2


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 4)), max_size=12))
def test_the_order_is_a_permutation_that_ends_with_the_cheapest(shapes):
    order = VICTIMS.order(reqs(*shapes), False)
    assert sorted(order) == list(range(len(shapes)))
    costs = [(shapes[i][1], -shapes[i][0]) for i in order]
    assert costs == sorted(costs, reverse=True)
