"""What a queue order finds out about the requests that wait: their cached prefixes, and where those lack a state."""

from random import Random
from types import SimpleNamespace

import pytest
from helpers.kvtest import allocator_of, ints, plain

from sim.config import MambaConfig
from sim.ledger.owners import TagPool
from sim.memory.backend import backend
from sim.memory.mamba_tree import MambaTree
from sim.memory.presets import PRESETS
from sim.memory.states import StateNames, StatePool
from sim.scheduler.ordering import OrderContext

OWNER = 6


def tree_of(*texts):
    allocator = allocator_of(200)
    place, ledger = backend("cpu"), allocator.owners.ledger
    states = StatePool(
        place, MambaConfig(slots=8, chunk=8), PRESETS["tiny"], TagPool(ledger, place, "mamba", 8, 1),
        page_size=1, overlap=False,
    )  # fmt: skip
    tree = MambaTree(place, allocator, states, ledger)
    for text in texts:
        slots = allocator.alloc_extend(ints([0]), ints([len(text)]), ints([-1]), OWNER)
        tree.insert_state(ints(text), slots, states.alloc(1, OWNER)[0], OWNER, protected=0)
    return tree


def request(text):
    return SimpleNamespace(tokens=lambda count: ints(text[:count]), seqlen=len(text), state=StateNames(branching=5))


@pytest.mark.parametrize(("notes", "branching"), [(True, 24), (False, 5)])
def test_a_prefix_that_goes_on_without_a_state_is_noted_in_0_5_11_only(notes, branching):
    text = list(range(40))
    context = OrderContext(tree_of(text[:10], text), False, 1, Random(0), notes_branching=notes)
    req = request([*text[:30], 99])
    assert plain(context.match(req)) == [*text[:30], 99]
    assert (len(req.prefix), plain(req.last_node.key)) == (10, text[:10])
    assert req.state.branching == branching


def test_where_there_is_a_state_at_the_end_what_was_noted_before_stays():
    context = OrderContext(tree_of(range(10)), False, 1, Random(0), notes_branching=True)
    req = request([*range(10), 99])
    context.match(req)
    assert (len(req.prefix), req.state.branching) == (10, 5)
