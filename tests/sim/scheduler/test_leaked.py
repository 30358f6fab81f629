"""What a recurrent model's idle check lists as leaked."""

from helpers.rig import Rig

from sim.config import MambaConfig
from sim.scheduler.leaked import leaked_sets


def test_it_lists_what_neither_a_free_list_nor_the_tree_names_and_the_padding():
    rig = Rig(mamba=MambaConfig(slots=6), overlap=False, tokens=60, audit="off")
    memory = rig.engine.scheduler.memory
    rig.send("a", 10, 1)
    rig.drain()
    assert leaked_sets(memory) == (None, {0})
    memory.states.alloc(memory.states.available(), 2)
    memory.allocator.alloc(3, 2)
    full, states = leaked_sets(memory)
    kept = {node.state for node in memory.tree.nodes()}
    assert full == {11, 12, 13}
    assert states == set(range(6)) - kept, "the last slot is left out"


def test_the_release_prints_them_and_none_for_nothing():
    rig = Rig(mamba=MambaConfig(slots=6), overlap=False, tokens=60, audit="off")
    rig.engine.scheduler.memory.states.alloc(2, 2)
    rig.step(2)
    assert rig.reports[-1].release_check.endswith(
        "[mamba] total=6, available=4, evictable=0, protected=0, session_held=0, uncached=0, "
        "leaked_full_pages=None, leaked_mamba_pages={0, 1, 2}"
    )
