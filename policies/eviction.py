"""Which unlocked leaf of the prefix tree goes first: a smaller priority is evicted earlier."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol


class Evictable(Protocol):
    """What an eviction order may look at."""

    last_access: int
    created: int
    hits: int
    priority: int


class LRU:
    """Least recently used first."""

    decision: ClassVar[str] = "eviction"
    name: ClassVar[str] = "lru"

    def key(self, node: Evictable) -> Any:
        """By last access."""
        return node.last_access


class MRU:
    """Most recently used first."""

    decision: ClassVar[str] = "eviction"
    name: ClassVar[str] = "mru"

    def key(self, node: Evictable) -> Any:
        """By last access, reversed."""
        return -node.last_access


class LFU:
    """Least often used first, then least recently."""

    decision: ClassVar[str] = "eviction"
    name: ClassVar[str] = "lfu"

    def key(self, node: Evictable) -> Any:
        """By hits, then last access."""
        return (node.hits, node.last_access)


class FIFO:
    """Oldest first."""

    decision: ClassVar[str] = "eviction"
    name: ClassVar[str] = "fifo"

    def key(self, node: Evictable) -> Any:
        """By creation."""
        return node.created


class FILO:
    """Youngest first."""

    decision: ClassVar[str] = "eviction"
    name: ClassVar[str] = "filo"

    def key(self, node: Evictable) -> Any:
        """By creation, reversed."""
        return -node.created


class Priority:
    """Lowest request priority first, then least recently used."""

    decision: ClassVar[str] = "eviction"
    name: ClassVar[str] = "priority"

    def key(self, node: Evictable) -> Any:
        """By priority, then last access."""
        return (node.priority, node.last_access)


class SLRU:
    """Segmented LRU: nodes hit at least twice outlive all others."""

    decision: ClassVar[str] = "eviction"
    name: ClassVar[str] = "slru"
    protected_from = 2

    def key(self, node: Evictable) -> Any:
        """By segment, then last access."""
        return (node.hits >= self.protected_from, node.last_access)


EVICTION_ORDERS: dict[str, Any] = {order.name: order for order in (LRU, LFU, FIFO, MRU, FILO, Priority, SLRU)}
