"""What is done to a real release with windowed and recurrent layers, inside its boundary: figures, step by step."""

from __future__ import annotations

from typing import Any

from sim.config import MambaConfig, PoolConfig, RunConfig, SchedulerConfig, SpeculativeConfig, SwaConfig
from sim.engines.protocol import Request
from sim.engines.sglang.real import RealEngine
from sim.world import Segment

BUFFERED = {"strategy": "extra_buffer", "track_interval": 8, "chunk": 8}


class Rig:
    """A real engine with pools of its own kind."""

    def __init__(
        self, modules: Any, *, swa: SwaConfig | None = None, mamba: MambaConfig | None = None, page: int = 1,
        tokens: int = 256, **knobs: Any,
    ) -> None:  # fmt: skip
        pool = PoolConfig(tokens=tokens, page_size=page, rows=8, context=512, swa=swa, mamba=mamba)
        settings = {"max_running": 8, "session_gate": False, **knobs}
        self.engine = RealEngine(modules, RunConfig(pool=pool, scheduler=SchedulerConfig(**settings)))
        self.scheduler = self.engine.scheduler

    def send(
        self, rid: str, prompt: int, output: int, session: str | None = None, text: str | None = None,
        accept: Any = (2,),
    ) -> None:  # fmt: skip
        """A request, or a turn."""
        words = (Segment(name=text or rid, length=prompt),)
        self.engine.submit(
            Request(rid=rid, prompt=words, max_new=output, session=session, ignore_eos=True, accept=accept)
        )

    def drain(self) -> None:
        """Until two iterations did nothing."""
        for _ in range(200):
            self.engine.step()
            if self.engine.idle:
                return
        raise AssertionError("did not drain")

    def books(self, pool: str) -> dict[str, int]:
        """The terms of one pool."""
        terms = self.engine.snapshot().pools[pool]
        return {**terms._asdict(), "delta": terms.delta}

    def state(self, rid: str) -> list[Any]:
        """Slot, snapshots, next and tracked of a request."""
        layout = self.engine.layout()
        found = next(r.state for r in layout.requests if r.rid == rid)
        return [found.slot, list(found.snapshots), found.next, found.tracked]

    def tree(self) -> list[list[Any]]:
        """Depth, length, locks, tombstone and state of each node, from the root downwards."""
        nodes = sorted(self.engine.layout().tree, key=lambda n: n.depth)
        return [[n.depth, n.length, n.lock_ref, n.other_lock, n.tombstone, n.state] for n in nodes]


def refused(modules: Any, attempts: int, *, close: bool = False) -> dict[str, Any]:
    """23327: a session's second turn is refused so many times; the table of what is free then."""
    # Where requests may displace others, admission is tried in every iteration.
    knobs = {"overlap": False, "priority": True, "preemption": True, "idle_check": "warn"}
    rig = Rig(modules, mamba=MambaConfig(slots=30), **knobs)
    rig.engine.open("A")
    rig.send("r0", 20, 6, "A")
    rig.drain()
    rig.send("r1", 10, 6, "A")
    rig.engine.refuse("r1", 1000)
    said = [rig.engine.step().release_check for _ in range(attempts)]
    if close:
        rig.engine.abort("r1") if rig.engine.modules.old else rig.scheduler.waiting_queue.clear()
        rig.scheduler.session_controller.sessions["A"]._inflight = False
        rig.engine.close("A")
    books = rig.books("mamba")
    free = rig.engine.layout().free["mamba"]
    told = [text for text in said if text is not None and "leaked_mamba_pages" in text]
    return {
        "available": books["available"], "sum": books["delta"] + 30, "leaked": -books["delta"],
        "in the free list": max(free.count(slot) for slot in free),
        "used": 30 - books["available"] - books["evictable"], "protected": books["protected"], "said": len(told),
    }  # fmt: skip


def closed(modules: Any, *, buffered: bool) -> dict[str, Any]:
    """23496: a session with one turn is closed; what the idle check says before and after."""
    mamba = MambaConfig(slots=30, **BUFFERED) if buffered else MambaConfig(slots=30)
    rig = Rig(modules, mamba=mamba, overlap=buffered)
    rig.engine.open("A")
    rig.send("r0", 20, 6, "A")
    rig.drain()
    said = [rig.engine.step().release_check, None]
    before = rig.books("mamba")
    rig.engine.close("A")
    said[1] = rig.engine.step().release_check
    after = rig.books("mamba")
    return {
        "held": before["session_held"], "before": before["delta"], "after": after["delta"],
        "said": [text is not None for text in said],
    }  # fmt: skip


def overshoot(modules: Any) -> list[list[int]]:
    """22900: the window is evicted by what the device has computed, just before the turn is trimmed.

    Released code measures by the text, which never gets so far: here that one call is made for it. Each line: c, a, e,
    out of the turn or slot, and what the windowed books are off by.
    """
    window = SwaConfig(tokens=200, window=4)
    rig = Rig(modules, swa=window, speculative=SpeculativeConfig(steps=3, topk=1, draft=4), radix=False)
    cache, seen = rig.scheduler.tree_cache, []
    trim = cache._trim_overshoot

    def look(holder: Any, out: int) -> None:
        cursors = [holder.kv_committed_len, holder.kv_allocated_len, holder.swa_evicted_seqlen, out]
        seen.append(cursors)

    def evicted_first(req: Any, finished: int) -> None:
        if req.rid == "r0":
            rig.scheduler.running_batch._evict_swa(req, 42 + window.window + rig.scheduler.page_size)
        look(req, len(req.output_ids))
        trim(req, finished)
        look(req, len(req.output_ids))

    cache._trim_overshoot = evicted_first
    rig.engine.open("A")
    rig.send("r0", 26, 12, "A", accept=(3, 4, 3, 3))
    rig.drain()
    deltas = [rig.books("swa")["delta"]]
    rig.send("r1", 22, 4, "A")
    rig.engine.step()
    deltas.append(rig.books("swa")["delta"])
    rig.drain()
    rig.engine.close("A")
    deltas.append(rig.books("swa")["delta"])
    return [*seen[:2], deltas]


def life(modules: Any, *, buffered: bool) -> dict[str, Any]:
    """Which slots a request takes, keeps and gives to the tree; a second one with the same text copies."""
    mamba = MambaConfig(slots=12, **BUFFERED) if buffered else MambaConfig(slots=12)
    rig = Rig(modules, mamba=mamba, overlap=buffered)
    seen: dict[str, Any] = {}
    rig.send("r0", 20, 8, text="x")
    rig.engine.step()
    if buffered:
        seen["launched"] = rig.state("r0")
        rig.engine.step()
    seen["prefilled"], seen["tree"] = rig.state("r0"), rig.tree()
    rig.drain()
    seen["ended"], seen["free"] = rig.tree(), list(rig.engine.layout().free["mamba"])
    states = rig.scheduler.req_to_token_pool.mamba_pool.mamba_cache.temporal
    states[0, :, 0, 0, 0] = 100 + states.new_tensor(range(13))
    rig.send("r1", 24, 8, text="x")
    rig.engine.refuse("r1", 1)
    rig.engine.step()
    seen["refused"], seen["free then"] = rig.state("r1"), list(rig.engine.layout().free["mamba"])
    rig.scheduler.running_batch.batch_is_full = False
    rig.engine.step()
    slot, snapshots, *_ = seen["second"] = rig.state("r1")
    seen["copied from"] = int(states[0, slot, 0, 0, 0]) - 100
    seen["zeroed"] = [int(states[0, n, 0, 0, 0]) for n in snapshots]
    rig.drain()
    seen["delta"] = rig.books("mamba")["delta"]
    return seen


def window(modules: Any, page: int) -> dict[str, Any]:
    """A request leaves its window behind; it ends as tombstone and leaf, and a longer text cannot use the former."""
    rig = Rig(modules, swa=SwaConfig(tokens=160, window=8), page=page, overlap=False)
    rig.send("r0", 2 * page, 40, text="x")
    cursors = []
    for _ in range(42):
        rig.engine.step()
        found = [r.e for r in rig.engine.layout().requests]
        cursors += [e for e in found if e and e not in cursors]
    rig.drain()
    layout = rig.engine.layout()
    unmapped = sum(not layout.mapping[slot] for node in layout.tree for slot in node.slots)
    seen = {"cursors": cursors, "tree": rig.tree(), "unmapped": unmapped}
    swa = rig.books("swa")
    return {**seen, "terms": [swa[name] for name in ("available", "evictable", "delta")]}


def chunk_cache_check(modules: Any) -> list[Any]:
    """Without a tree, the busy check of 0.5.10 takes the smaller pool for the whole; with one it has none."""
    said = []
    for radix in (False, True):
        rig = Rig(modules, swa=SwaConfig(tokens=160, window=8), radix=radix, chunked_prefill=16, overlap=False)
        rig.send("r0", 6, 4)
        said.append(rig.engine.step().release_check)
    return said
