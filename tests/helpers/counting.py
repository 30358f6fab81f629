"""An independent count of all pools: dictionaries of pages and of texts, and nothing of the program's memory.

A text stands in the tree page by page: the key of an entry is the text up to the end of that page. What a tree node is,
is kept as the set of texts at which one ends. Who is evicted is not foretold but looked at, and must have been allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Text = tuple[int, ...]
FREE, TREE = "free", "tree"


@dataclass
class Entry:
    """One page of a cached text: its slots, who holds it, and the recurrent state that stands at its end."""

    full: int
    half: int | None = None
    locks: int = 0
    half_locks: int = 0
    state: int | None = None
    state_locks: int = 0


@dataclass
class Life:
    """What one request names: its text, a page for each begun page of it, and what it holds locked."""

    name: str
    text: Text
    pages: list[int]
    shared: int = 0
    evicted: int = 0
    held: list[Text] = field(default_factory=list)
    held_halves: list[Text] = field(default_factory=list)
    held_state: Text | None = None
    state: int | None = None


@dataclass
class Count:
    """Everybody's pages."""

    page: int
    full: dict[int, str]
    half: dict[int, str] = field(default_factory=dict)
    states: dict[int, str] = field(default_factory=dict)
    window: int | None = None
    halves: dict[int, int] = field(default_factory=dict)
    tree: dict[Text, Entry] = field(default_factory=dict)
    ends: set[Text] = field(default_factory=set)

    # -- matching -----------------------------------------------------------------------------------------

    def cut(self, text: Text) -> Text:
        """Whole pages of a text."""
        return text[: len(text) // self.page * self.page]

    def steps(self, text: Text) -> list[Text]:
        """The text up to the end of each of its pages."""
        return [text[:n] for n in range(self.page, len(text) + 1, self.page)]

    def match(self, text: Text, *, states: bool = False) -> Text:
        """The longest usable prefix; the tree's nodes are divided where the text leaves them."""
        raw: Text = ()
        for step in self.steps(self.cut(text)):
            if step not in self.tree:
                break
            raw = step
        self.divide(raw)
        candidates = [raw[:n] for n in range(len(raw), 0, -self.page)]
        if states:
            return next((c for c in candidates if self.tree[c].state is not None), ())
        if self.window is None:
            return raw
        return next((c for c in candidates if self._sees_a_window(c)), ())

    def _sees_a_window(self, text: Text) -> bool:
        since = 0
        for step in reversed(self.steps(text)):
            if self.tree[step].half is None:
                return since >= (self.window or 0) and since > 0
            since += self.page
        return True

    def divide(self, text: Text) -> None:
        """A node ends here from now on."""
        if text in self.tree:
            self.ends.add(text)

    # -- locks --------------------------------------------------------------------------------------------

    def lock(self, life: Life, node: Text) -> None:
        """Hold the path, the windowed halves as far up as nodes reach a window, and the state at its end."""
        life.held = self.steps(node)
        for step in life.held:
            self.tree[step].locks += 1
        life.held_halves = []
        if self.window is not None:
            life.held_halves = self._reach(node)
            for step in life.held_halves:
                self.tree[step].half_locks += 1
        life.held_state = node if node and self.tree[node].state is not None else None
        if life.held_state is not None:
            self.tree[node].state_locks += 1

    def _reach(self, node: Text) -> list[Text]:
        """The pages of the nodes from this one upwards, until they are a window long together."""
        taken: list[Text] = []
        for step in reversed(self.steps(node)):
            if step in self.ends and len(taken) * self.page >= (self.window or 0):
                break
            taken.append(step)
        return taken

    def unlock(self, life: Life) -> None:
        """Let go of all that it holds."""
        for step in life.held:
            self.tree[step].locks -= 1
        for step in life.held_halves:
            self.tree[step].half_locks -= 1
        if life.held_state is not None:
            self.tree[life.held_state].state_locks -= 1
        life.held, life.held_halves, life.held_state = [], [], None

    # -- taking and giving back ---------------------------------------------------------------------------

    def take(self, pages: list[int], halves: list[int], name: str) -> None:
        """These pages, which must be free, are somebody's now."""
        for pool, units in ((self.full, pages), (self.half, halves)):
            for unit in units:
                assert pool[unit] == FREE, f"page {unit} was handed out although {pool[unit]} has it"
                pool[unit] = name
        self.halves.update(zip(pages, halves, strict=False))

    def take_state(self, slot: int, name: str) -> None:
        assert self.states[slot] == FREE, f"state {slot} was handed out although {self.states[slot]} has it"
        self.states[slot] = name

    def give_back(self, page: int) -> None:
        """A page, with its half if it has one."""
        self.give_back_half(page)
        assert self.full[page] != FREE
        self.full[page] = FREE

    def give_back_half(self, page: int) -> None:
        half = self.halves.pop(page, None)
        if half is not None:
            assert self.half[half] != FREE
            self.half[half] = FREE

    def give_back_state(self, slot: int) -> None:
        assert self.states[slot] != FREE
        self.states[slot] = FREE

    # -- inserting ----------------------------------------------------------------------------------------

    def insert(self, life: Life, text: Text, state: int | None = None) -> bool:
        """The life's pages of this text go to the tree where it lacks them; whether the state was taken too."""
        steps = self.steps(text)
        new = [step for step in steps if step not in self.tree]
        below = all(len(step) - self.page < life.evicted for step in new)
        self.divide(steps[len(steps) - len(new) - 1] if len(new) < len(steps) else ())
        for number, step in enumerate(steps):
            gone = len(step) - self.page < life.evicted
            if step in self.tree:
                if len(step) > life.shared:
                    self._overlap(life, number, step, gone)
            elif self.window is not None and below:
                self.give_back(life.pages[number])
            else:
                self._adopt(life, number, step, gone)
        if new and not (self.window is not None and below):
            self.ends.add(steps[-1])
            if self.window is not None and text[: life.evicted] in new:
                self.ends.add(text[: life.evicted])
        return self._place(text, state)

    def _adopt(self, life: Life, number: int, step: Text, gone: bool) -> None:
        page = life.pages[number]
        half = None if gone else self.halves.get(page)
        self.tree[step] = Entry(page, half)
        self.full[page] = TREE
        if half is not None:
            self.half[half] = TREE

    def _overlap(self, life: Life, number: int, step: Text, gone: bool) -> None:
        """Both have a page for this: the tree's stays, unless its half is gone and the life's is not."""
        entry, mine = self.tree[step], life.pages[number]
        if self.window is None or entry.half is not None or gone:
            self.give_back(mine)
            return
        assert entry.half_locks == 0
        if step[: life.evicted] in self.tree and len(step) - self.page == life.evicted:
            self.ends.add(step[: life.evicted])
        self.give_back(entry.full)
        entry.full, entry.half = mine, self.halves[mine]
        self.full[mine] = self.half[entry.half] = TREE

    def _place(self, text: Text, state: int | None) -> bool:
        if state is None or not text or self.tree[text].state is not None:
            return False
        self.tree[text].state = state
        self.states[state] = TREE
        return True

    # -- eviction -----------------------------------------------------------------------------------------

    def evicted(self, gone: list[Text], bare: list[Text], stateless: list[Text]) -> None:
        """These pages have left the tree, these their halves, these texts their states; all of it must be allowed."""
        for step in gone:
            entry = self.tree.pop(step)
            assert entry.locks == entry.half_locks == entry.state_locks == 0, f"{step} was locked"
            self.ends.discard(step)
            self.give_back(entry.full)
            if entry.state is not None:
                self.give_back_state(entry.state)
        assert all(step[: -self.page] in self.tree or len(step) == self.page for step in self.tree), "an orphan"
        for step in bare:
            entry = self.tree[step]
            assert entry.half_locks == 0, f"the half of {step} was locked"
            self.give_back_half(entry.full)
            entry.half = None
        for step in stateless:
            entry = self.tree[step]
            assert entry.state is not None
            assert entry.state_locks == 0, f"the state of {step} was locked"
            self.give_back_state(entry.state)
            entry.state = None

    # -- sums ---------------------------------------------------------------------------------------------

    def free(self, pool: dict[int, str]) -> int:
        return sum(owner == FREE for owner in pool.values())

    def full_terms(self) -> tuple[int, int]:
        """Evictable and protected tokens."""
        locked = sum(entry.locks > 0 for entry in self.tree.values())
        return (len(self.tree) - locked) * self.page, locked * self.page

    def half_terms(self) -> tuple[int, int]:
        """The same of the windowed halves."""
        kept = [entry for entry in self.tree.values() if entry.half is not None]
        locked = sum(entry.half_locks > 0 for entry in kept)
        return (len(kept) - locked) * self.page, locked * self.page

    def state_terms(self) -> tuple[int, int]:
        """The same of the states that the tree keeps."""
        kept = [entry for entry in self.tree.values() if entry.state is not None]
        locked = sum(entry.state_locks > 0 for entry in kept)
        return len(kept) - locked, locked
