"""Random lives over the real allocators, trees and states, each step told to the independent count and compared."""

from __future__ import annotations

from random import Random
from typing import Any

import torch
from helpers.counting import FREE, TREE, Count, Life, Text
from helpers.kvtest import ints, plain

from policies.eviction import EVICTION_ORDERS
from sim.config import MambaConfig
from sim.ledger.owners import NODE, REQUEST, Ledger, TagPool
from sim.memory.allocator import make_allocator
from sim.memory.backend import backend
from sim.memory.kvpool import KVPool
from sim.memory.mamba_tree import MambaTree
from sim.memory.presets import PRESETS
from sim.memory.states import StatePool
from sim.memory.swa import SwaAllocator, SwaPool, make_mapping
from sim.memory.swa_tree import SwaTree
from sim.memory.tree import RadixTree

KINDS = ("plain", "swa", "mamba")
PAGES, HALVES, STATES = 16, 12, 7


class World:
    """One kind of memory, lived in at random."""

    def __init__(self, kind: str, page: int, seed: int) -> None:
        self.random = Random(f"{kind} {page} {seed}")
        self.kind, self.page = kind, page
        self.ledger, self.place = Ledger(), backend("cpu")
        owners = TagPool(self.ledger, self.place, "full", PAGES, page)
        self.full = make_allocator(self.place, PAGES * page, page, owners)
        self.allocator: Any = self.full
        self.swa: SwaPool | None = None
        self.states: StatePool | None = None
        self.tree: Any = self._make()
        window = None if self.swa is None else self.swa.window
        self.count = Count(
            page, dict.fromkeys(range(1, PAGES + 1), FREE),
            dict.fromkeys(range(1, HALVES + 1), FREE) if self.swa else {},
            dict.fromkeys(range(1, STATES + 1), FREE) if self.states else {}, window,
        )  # fmt: skip
        self.lives: list[tuple[Life, Any]] = []
        self.made = 0
        self.doing = ""

    def _make(self) -> Any:
        if self.kind == "swa":
            owners = TagPool(self.ledger, self.place, "swa", HALVES, self.page)
            tensor, mapping = make_mapping(self.place, PAGES * self.page, self.page)
            self.swa = SwaPool(
                backend=self.place, allocator=make_allocator(self.place, HALVES * self.page, self.page, owners),
                mapping=mapping, mapping_tensor=tensor, window=self.random.choice([1, 2, 3]) * self.page,
                multiplier=1.0, total=HALVES * self.page,
                kv=KVPool(self.place, (HALVES + 1) * self.page, PRESETS["tiny"]),
            )  # fmt: skip
            self.allocator = SwaAllocator(self.full, self.swa, spare_pages=False)
            return SwaTree(self.place, self.allocator, self.ledger, spares_leaf=True)
        if self.kind == "mamba":
            owners = TagPool(self.ledger, self.place, "mamba", STATES, 1)
            self.states = StatePool(
                self.place, MambaConfig(slots=STATES, chunk=self.page), PRESETS["tiny"], owners,
                page_size=self.page, overlap=False,
            )  # fmt: skip
            return MambaTree(self.place, self.full, self.states, self.ledger)
        return RadixTree(self.place, self.full, self.ledger, eviction=EVICTION_ORDERS["lru"]().key)

    # -- what happens -------------------------------------------------------------------------------------

    def step(self) -> str:
        """One operation, compared."""
        names = ["start", "start", "grow", "grow", "share", "end", "end_many", "evict", "peek"]
        names += ["window", "window", "evict"] if self.swa else []
        names += ["evict_states"] if self.states else []
        name = self.doing = self.random.choice(names)
        getattr(self, name)()
        self.check()
        return name

    def _text(self) -> Text:
        begun = [self.random.randrange(2) for _ in range(self.random.randint(1, 5))]
        return tuple(bit for bit in begun for _ in range(self.page)) + (5,) * self.random.choice([1, 1, self.page])

    def start(self) -> None:
        """A request is matched, its path locked, and gets slots for what is not cached."""
        text = self._text()
        want = self.count.match(text[:-1], states=self.states is not None)
        slots, node = self.tree.match_units(self.tree.units(ints(text[:-1])))
        assert plain(slots[:: self.page] // self.page) == [self.count.tree[s].full for s in self.count.steps(want)]
        self.made += 1
        life = Life(f"r{self.made}", text, [self.count.tree[s].full for s in self.count.steps(want)], len(want))
        tag = self.ledger.tag(REQUEST, life.name)
        mark = self._lock(life, node, want)
        fresh = len(text) - len(want) + self.page
        self._evict(fresh, fresh)
        last = slots[-1:] if len(slots) else ints([-1])
        got = self.allocator.alloc_extend(ints([len(want)]), ints([len(text)]), last, ints([tag]))
        if got is None or (self.states is not None and not self._state(life, tag, want)):
            self._unlock(life, node, mark)
            if got is not None:
                self._took(life, plain(got))
                self._free(life, plain(got), tag)
            return
        self._took(life, plain(got))
        self.lives.append((life, [tag, node, mark, plain(slots) + plain(got)]))

    def _took(self, life: Life, slots: list[int]) -> None:
        """New slots: the pages that they begin must have been free, in both halves."""
        pages = list(dict.fromkeys(slot // self.page for slot in slots))
        halves = [] if self.swa is None else [int(self.swa.mapping[p * self.page]) // self.page for p in pages]
        self.count.take(pages, halves, life.name)
        life.pages += pages

    def _state(self, life: Life, tag: int, prefix: Text) -> bool:
        assert self.states is not None
        taken = self.states.alloc(1, tag)
        if taken is None:
            return False
        life.state = taken[0]
        self.count.take_state(taken[0], life.name)
        return True

    def grow(self) -> None:
        """One slot more."""
        if not self.lives:
            return
        life, own = self.random.choice(self.lives)
        tag, _, _, slots = own
        self._evict(self.page, self.page)
        if self.allocator.available() < self.page:
            # As in the release: where one half is refused, the other has been taken, and is lost with the crash.
            return
        got = self.allocator.alloc_decode(ints([len(slots) + 1]), ints(slots[-1:]), ints([tag]))
        if len(slots) % self.page == 0:
            self._took(life, plain(got))
        assert int(got[0]) // self.page == life.pages[-1]
        slots.append(int(got[0]))
        life.text += (6,)

    def window(self) -> None:
        """What left the window gives back its half."""
        if not self.lives:
            return
        life, own = self.random.choice(self.lives)
        tag, _, _, slots = own
        start = max(life.evicted, life.shared)
        stop = self.random.randint(0, len(slots) - 1) // self.page * self.page
        if stop <= start:
            return
        self.allocator.free_swa(ints(slots[start:stop]), tag)
        life.evicted = stop
        for page in life.pages[start // self.page : stop // self.page]:
            self.count.give_back_half(page)

    def share(self) -> None:
        """The end of a prefill: the tree takes whole pages, and is held where they end."""
        if not self.lives:
            return
        life, own = self.random.choice(self.lives)
        tag, node, mark, slots = own
        text = self.count.cut(life.text)
        if life.evicted > life.shared or not text:
            return
        if not self._insert(life, text, tag, slots, fork=True):
            return
        want = self.count.match(text, states=self.states is not None)
        held, below = self.tree.match_units(ints(text))
        assert len(held) == len(want) == len(text)
        self._unlock(life, node, mark)
        slots[: len(held)] = plain(held)
        life.pages[: len(want) // self.page] = [self.count.tree[s].full for s in self.count.steps(want)]
        life.shared = len(want)
        own[:3] = tag, below, self._lock(life, below, want)

    def end(self, insert: bool | None = None) -> None:
        """The end of a request: shared, or all its own given back."""
        if not self.lives:
            return
        life, own = self.lives.pop(self.random.randrange(len(self.lives)))
        tag, node, mark, slots = own
        text = self.count.cut(life.text)
        insert = self.random.random() < 0.6 if insert is None else insert
        start = life.shared
        if insert and text and self._insert(life, text, tag, slots, fork=False):
            start = len(text)
        self.allocator.free(ints(slots[start:]), tag)
        for page in life.pages[start // self.page :]:
            self.count.give_back(page)
        if life.state is not None:
            assert self.states is not None
            self.states.free([life.state], tag)
            self.count.give_back_state(life.state)
        self._unlock(life, node, mark)

    def end_many(self) -> None:
        """Several at once, their frees carried out together."""
        self.allocator.group_begin()
        for _ in range(self.random.choice([2, 3])):
            self.end(insert=False)
        self.allocator.group_end()

    def _insert(self, life: Life, text: Text, tag: int, slots: list[int], *, fork: bool) -> bool:
        key, value = ints(text), ints(slots[: len(text)])
        if self.swa is not None:
            self.tree.insert_cut(key, value, tag, protected=life.shared, evicted=life.evicted)
            self.count.insert(life, text)
        elif self.states is not None:
            assert life.state is not None
            state = self.states.fork(life.state, tag) if fork else life.state
            if state is None:
                return False
            if fork:
                self.count.take_state(state, life.name)
            _, existed = self.tree.insert_state(key, value, state, tag, protected=life.shared)
            assert existed == (not self.count.insert(life, text, state))
            if existed and fork:
                self.states.free([state], tag)
                self.count.give_back_state(state)
            if not existed and not fork:
                life.state = None
        else:
            present = self.tree.insert(key, value, tag)
            self.allocator.free(value[life.shared : present], tag)
            self.count.insert(life, text)
        return True

    def _free(self, life: Life, slots: list[int], tag: int) -> None:
        self.allocator.free(ints(slots), tag)
        for page in dict.fromkeys(slot // self.page for slot in slots):
            self.count.give_back(page)

    def peek(self) -> None:
        """A match for nobody: it may divide a node."""
        text = self._text()
        want = self.count.match(text, states=self.states is not None)
        assert len(self.tree.match_units(self.tree.units(ints(text)))[0]) == len(want)

    def _lock(self, life: Life, node: Any, text: Text) -> Any:
        self.count.lock(life, text)
        return self.tree.lock_until(node) if self.swa is not None else self.tree.lock(node)

    def _unlock(self, life: Life, node: Any, mark: Any) -> None:
        self.count.unlock(life)
        if self.swa is not None:
            self.tree.unlock_until(node, mark)
        else:
            self.tree.unlock(node)

    # -- eviction -----------------------------------------------------------------------------------------

    def evict(self) -> None:
        self._evict(self.random.randint(1, 6) * self.page, self.random.randint(1, 6) * self.page, short=False)

    def _evict(self, tokens: int, halves: int, *, short: bool = True) -> None:
        """Make room for so many tokens, or free so many, and look at what went."""
        if short:
            tokens -= self.full.available()
            halves -= 0 if self.swa is None else self.swa.allocator.available()
        before = self.full.available()
        if self.swa is not None:
            room = self.swa.allocator.available()
            self.tree.evict(max(0, tokens), max(0, halves))
            self._look()
            enough = self.swa.allocator.available() - room >= halves
            assert enough or not self.count.half_terms()[0], "more halves could have been evicted"
        elif tokens > 0:
            self.tree.evict(tokens)
            self._look()
        assert self.full.available() - before >= tokens or not self.count.full_terms()[0] or self._only_inner()

    def _only_inner(self) -> bool:
        """Whether every unlocked node has something locked below it."""
        unlocked = [s for s, entry in self.count.tree.items() if not entry.locks]
        return all(any(o != s and o[: len(s)] == s for o in self.count.tree) for s in unlocked)

    def evict_states(self) -> None:
        """Free states of the tree, and look at what went."""
        assert self.states is not None
        before, wanted = self.states.available(), self.random.choice([1, 2])
        self.tree.evict_states(wanted)
        self._look()
        assert self.states.available() - before >= wanted or not self.count.state_terms()[0]

    def _look(self) -> None:
        there = self._nodes()
        gone = [step for step in self.count.tree if step not in there]
        kept = {step: entry for step, entry in self.count.tree.items() if step in there}
        bare = [step for step, entry in kept.items() if entry.half is not None and not there[step][1]]
        stateless = [s for s, entry in kept.items() if entry.state is not None and there[s][2] is None]
        self.count.evicted(sorted(gone, key=len, reverse=True), bare, stateless)

    # -- comparing ----------------------------------------------------------------------------------------

    def _nodes(self) -> dict[Text, tuple[int, bool, int | None, bool]]:
        """Each page of the tree: its number, whether it has a half, the state at its end, whether a node ends there."""
        found = {}
        stack: list[tuple[Any, Text]] = [(child, ()) for child in self.tree.root.children.values()]
        while stack:
            node, above = stack.pop()
            text = above + tuple(plain(node.key))
            for n in range(len(above) + self.page, len(text) + 1, self.page):
                slot = int(node.value[n - self.page - len(above)])
                last = n == len(text)
                state = getattr(node, "state", None) if last else None
                half = self.swa is not None and not node.tombstone
                found[text[:n]] = (slot // self.page, half, state, last)
            stack.extend((child, text) for child in node.children.values())
        return found

    def check(self) -> None:
        """Everything that the count knows, against everything that is there."""
        count, tree, page = self.count, self.tree, self.page
        there = self._nodes()
        assert {s: (e.full, e.half is not None, e.state, s in count.ends) for s, e in count.tree.items()} == there
        self._pool(self.full, count.full)
        assert (tree.evictable, tree.protected) == count.full_terms()
        if self.swa is not None:
            self._pool(self.swa.allocator, count.half)
            assert (tree.other_evictable, tree.other_protected) == count.half_terms()
            partial = {life.pages[-1]: len(own[3]) % page for life, own in self.lives if len(own[3]) % page}
            for number, half in count.halves.items():
                used = partial.get(number, page)
                slots = ints(range(number * page, number * page + used))
                assert plain(self.swa.mapping[slots]) == list(range(half * page, half * page + used))
            for life, own in self.lives:
                own_half = max(life.shared, life.evicted)
                assert not self.swa.mapping[ints(own[3][life.shared : life.evicted])].any()
                assert all(p in count.halves for p in life.pages[own_half // page :])
        if self.states is not None:
            assert sorted(plain(self.states.free_list.view())) == [s for s, o in count.states.items() if o == FREE]
            assert self.states.available() == count.free(count.states)
            assert (tree.other_evictable, tree.other_protected) == count.state_terms()
            self._tags(self.states.owners, count.states)
        for life, own in self.lives:
            assert [slot // page for slot in own[3][:: page]] == life.pages
        # A tombstone that another life has locked may be revived: the releases' own fault, told where it happens.
        assert all("a tombstone is revived" in fault.what for fault in self.ledger.fresh)

    def _pool(self, allocator: Any, units: dict[int, str]) -> None:
        free = plain(allocator.free_list.view())
        assert sorted(free) == [unit for unit, owner in units.items() if owner == FREE]
        assert allocator.available() == self.count.free(units) * self.page
        self._tags(allocator.owners, units)

    def _tags(self, owners: TagPool, units: dict[int, str]) -> None:
        tags = [int(tag) for tag in torch.as_tensor(owners.tensor)]
        kinds = {FREE: 0, TREE: NODE}
        assert [tag & 3 if tag else 0 for tag in tags[1:]] == [kinds.get(o, REQUEST) for o in units.values()]
        names = [self.ledger.named(tag) for tag in tags[1:] if tag & 3 == REQUEST]
        assert names == [owner for owner in units.values() if owner not in (FREE, TREE)]
