"""The tree of recurrent models as dictionaries and lists: each node by the whole text that leads to its end."""

from __future__ import annotations

from types import SimpleNamespace

from helpers.kvtest import ListAllocator

Text = tuple[int, ...]


class StateTreeModel:
    """Every rule written out for itself: two lists in order of use, nothing shared with the tree under test."""

    def __init__(self, size: int, page_size: int, states: int) -> None:
        self.page = page_size
        self.pool = ListAllocator(size, page_size)
        self.states = list(range(1, states + 1))
        self.slot_at: dict[Text, int] = {}
        self.nodes: dict[Text, SimpleNamespace] = {}
        self.by_use: list[Text] = []
        self.states_by_use: list[Text] = []

    # -- looking ------------------------------------------------------------------------------------------

    def start(self, end: Text) -> int:
        return max((n for n in range(len(end)) if end[:n] in self.nodes), default=0)

    def path(self, text: Text) -> list[Text]:
        return [text[:n] for n in range(1, len(text) + 1) if text[:n] in self.nodes]

    def known(self, text: Text) -> int:
        return max((n for n in range(0, len(text) + 1, self.page) if n == 0 or text[:n] in self.slot_at), default=0)

    def slots(self, text: Text, start: int = 0) -> list[int]:
        return [self.slot_at[text[: n + 1]] for n in range(start, len(text))]

    def childless(self, end: Text) -> bool:
        return not any(len(other) > len(end) and other[: len(end)] == end for other in self.nodes)

    def tokens(self, *, locked: bool) -> int:
        return sum(len(e) - self.start(e) for e, node in self.nodes.items() if bool(node.lock) == locked)

    def held(self, *, locked: bool) -> int:
        return sum(n.state is not None and bool(n.state_lock) == locked for n in self.nodes.values())

    # -- order of use -------------------------------------------------------------------------------------

    def use(self, end: Text) -> None:
        for names in (self.by_use, self.states_by_use):
            if end in names:
                names.remove(end)
        self.by_use.append(end)
        if self.nodes[end].state is not None:
            self.states_by_use.append(end)

    def split(self, text: Text, length: int) -> None:
        """End a node at `length`, where it lies inside one."""
        if length == 0 or text[:length] in self.nodes:
            return
        lower = next(e for e in self.nodes if e[:length] == text[:length] and self.start(e) < length < len(e))
        self.nodes[text[:length]] = SimpleNamespace(lock=self.nodes[lower].lock, state_lock=0, state=None)
        self.use(text[:length])
        self.use(lower)

    # -- what the tree does -------------------------------------------------------------------------------

    def match(self, text: Text) -> tuple[list[int], int]:
        """Slots that can be used, and how much is cached at all."""
        text = text[: len(text) // self.page * self.page]
        raw = self.known(text)
        self.split(text, raw)
        best = max((e for e in self.path(text[:raw]) if self.nodes[e].state is not None), key=len, default=())
        for end in self.path(best):
            self.use(end)
        return self.slots(best), raw

    def insert(self, text: Text, slots: list[int], state: int, protected: int) -> tuple[int, bool]:
        if not text:
            return 0, True
        present = self.known(text)
        for end in sorted(self.nodes, key=len):
            start = self.start(end)
            if start < present and end[: start + self.page] == text[: start + self.page]:
                self.use(end)
                stop = min(len(end), present)
                if protected < stop:
                    self.pool.free(slots[max(start, protected) : stop])
        self.split(text, present)
        if present < len(text):
            self.nodes[text] = SimpleNamespace(lock=0, state_lock=0, state=None)
            for n in range(present, len(text)):
                self.slot_at[text[: n + 1]] = slots[n]
        node = self.nodes[text]
        existed = node.state is not None
        node.state = node.state if existed else state
        self.use(text)
        return present, existed

    def lock(self, end: Text, by: int) -> None:
        if end and self.nodes[end].state is not None:
            self.nodes[end].state_lock += by
        for passed in self.path(end):
            self.nodes[passed].lock += by

    def evict(self, tokens: int) -> int:
        freed = 0
        while freed < tokens:
            leaf = next((e for e in self.by_use if not self.nodes[e].lock and self.childless(e)), None)
            if leaf is None:
                break
            freed += self.drop(leaf)
        return freed

    def evict_states(self, count: int) -> int:
        freed = 0
        while freed < count:
            end = next((e for e in self.states_by_use if not self.nodes[e].state_lock), None)
            if end is None:
                break
            freed += 1
            if self.childless(end):
                self.drop(end)
            else:
                self.states.append(self.nodes[end].state)
                self.nodes[end].state = None
                self.states_by_use.remove(end)
        return freed

    def drop(self, end: Text) -> int:
        """Free a leaf, and the bare tombstones above it."""
        freed = 0
        while True:
            start, node = self.start(end), self.nodes[end]
            self.pool.free(self.slots(end, start))
            for n in range(start, len(end)):
                del self.slot_at[end[: n + 1]]
            if node.state is not None:
                self.states.append(node.state)
                self.states_by_use.remove(end)
            del self.nodes[end]
            self.by_use.remove(end)
            freed += len(end) - start
            end = end[:start]
            if not end or self.nodes[end].state is not None or self.nodes[end].lock or not self.childless(end):
                return freed
