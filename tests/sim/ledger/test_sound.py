"""A pool that a device passes as sound is sound, and where nothing is wrong it passes."""

import pytest
from helpers.devicerun import KINDS, Logged, device_case
from helpers.rig import Rig

from sim.config import SwaConfig
from sim.ledger import holders
from sim.ledger.owners import FREE
from sim.ledger.recount import Recount
from sim.ledger.sound import agree, tagged

LENGTH = 60


def passed(scheduler):
    return Recount(scheduler)._sound_on_device(list(holders.of_rows(scheduler)))


def counted(scheduler, monkeypatch):
    """The count that is made on the host, of what lies on the device."""
    with monkeypatch.context() as patch:
        patch.setattr(Recount, "_sound_on_device", lambda *_: False)
        return Recount(scheduler).counts()


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_passes_is_sound(kind, tmp_path, monkeypatch):
    """Looked at after every event of random runs, faulty ones among them."""
    looked, sound, passes = 0, 0, 0
    for seed in range(7):
        logged = Logged(device_case(seed, kind=kind, audit="idle"), tmp_path, "torch:cpu")
        end = logged.player.auditor.end

        def look(logged=logged, end=end):
            nonlocal looked, sound, passes
            scheduler, verdicts = logged.scheduler, end()
            counts = counted(scheduler, monkeypatch)
            fine = all(counts[pool].lost == counts[pool].extra == 0 for pool in ("full", "swa") if pool in counts)
            passing = passed(scheduler)
            assert fine or not passing
            looked, sound, passes = looked + 1, sound + fine, passes + passing
            return verdicts

        monkeypatch.setattr(logged.player.auditor, "end", look)
        logged.improvise(LENGTH)
    assert sound < looked
    assert passes > 0.95 * sound


def rig_on(device, monkeypatch, **more):
    """A session and an ordinary request, at rest, on a device."""
    import sim.scheduler.memory as module
    from sim.memory.backend import backend

    monkeypatch.setattr(module, "backend", lambda _: backend(device))
    rig = Rig(tokens=96, audit="idle", **more)
    rig.open("a")
    rig.run_turn("a/1", 20, 6)
    rig.send("r", 8, 4)
    rig.drain()
    return rig


PLANTED = {
    "a lost page": lambda memory, slot: memory.free_lists[-1].take(1),
    "a page that is free and owned": lambda memory, slot: memory.free_lists[-1].put_back(
        memory.rows.read(slot.row, slot.protected, slot.protected + 1) // memory.page_size
    ),
    "a page that stands twice in the free list": lambda memory, slot: memory.free_lists[0].put_back(
        memory.free_lists[0].view()[:1] + 0
    ),
    "a row that names a page of its own twice": lambda memory, slot: memory.rows.write(
        slot.row, slot.allocated - 1, memory.rows.read(slot.row, slot.protected, slot.protected + 1)
    ),
    "a row that names what is not the tree's": lambda memory, slot: memory.rows.write(
        slot.row, 0, memory.rows.read(slot.row, slot.protected, slot.protected + 1)
    ),
}


@pytest.mark.parametrize("page_size", [1, 4])
@pytest.mark.parametrize("swa", [None, SwaConfig(tokens=96, window=32)], ids=["full", "swa"])
@pytest.mark.parametrize("what", [None, *PLANTED])
def test_what_is_planted_does_not_pass(what, swa, page_size, monkeypatch):
    rig = rig_on("torch:cpu", monkeypatch, page_size=page_size, swa=swa)
    assert passed(rig.engine.scheduler)
    if what is not None:
        PLANTED[what](rig.engine.scheduler.memory, rig.slot("a"))
        assert not passed(rig.engine.scheduler)


def test_tags_that_differ_from_the_free_list_are_seen(monkeypatch):
    memory = rig_on("torch:cpu", monkeypatch).engine.scheduler.memory
    free_list, owners = memory.allocator.free_list, memory.allocator.owners

    def differ():
        return not agree(memory.backend, tagged(owners.tensor, free_list.on_device))

    assert not differ()
    first = int(free_list.view()[0])
    owners.tags[first] = 7
    assert differ()
    owners.tags[first] = FREE
    free_list.take(1)
    assert differ()
