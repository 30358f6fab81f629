"""Decision `order`: in which order waiting requests are tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from sim.memory.tree import Node
    from sim.scheduler.ordering import OrderContext
    from sim.scheduler.request import Req

_LONG_QUEUE = 128
_CHECK_BELOW = 32
_DEFER_FROM = 32


class FirstCome:
    """First come, first served; with priority scheduling by priority, then arrival in the queue."""

    decision: ClassVar[str] = "order"
    name: ClassVar[str] = "fcfs"
    cache_aware: ClassVar[bool] = False

    def sort(self, queue: list[Req], context: OrderContext) -> None:
        """Leave the queue as it is, or sort by priority."""
        if context.priority:
            queue.sort(key=lambda r: ((r.priority or 0) * context.sign, r.queued_at))


class LongestPrefix:
    """Longest cached prefix first; requests that share text with another waiting one wait for it."""

    decision: ClassVar[str] = "order"
    name: ClassVar[str] = "lpm"
    cache_aware: ClassVar[bool] = True

    def sort(self, queue: list[Req], context: OrderContext) -> None:
        """Match all (never a session's slot), defer in-batch duplicates, sort; long queues stay as they are."""
        if len(queue) > _LONG_QUEUE:
            return
        deferred = match_all(queue, context)
        queue.sort(key=lambda r: float("inf") if r.rid in deferred else -len(r.prefix))


class DepthFirst:
    """Subtrees with the most waiting requests first."""

    decision: ClassVar[str] = "order"
    name: ClassVar[str] = "dfs-weight"
    cache_aware: ClassVar[bool] = True

    def sort(self, queue: list[Req], context: OrderContext) -> None:
        """Match all, weigh the tree, walk it heaviest child first."""
        match_all(queue, context)
        at: dict[int, list[Req]] = {}
        for req in queue:
            at.setdefault(id(req.last_node), []).append(req)
        weight: dict[int, int] = {}
        order: list[Node] = []
        stack = [context.tree.root]
        while stack:
            node = stack.pop()
            order.append(node)
            stack.extend(node.children.values())
        for node in reversed(order):
            below = sum(weight[id(child)] for child in node.children.values())
            weight[id(node)] = len(at.get(id(node), ())) + below
        queue.clear()
        self._walk(context.tree.root, weight, at, queue)

    def _walk(self, root: Node, weight: dict[int, int], at: dict[int, list[Req]], queue: list[Req]) -> None:
        stack: list[tuple[Node, bool]] = [(root, False)]
        while stack:
            node, children_done = stack.pop()
            if children_done:
                queue.extend(at.get(id(node), ()))
                continue
            stack.append((node, True))
            children = sorted(node.children.values(), key=lambda child: -weight[id(child)])
            stack.extend((child, False) for child in reversed(children))


class LongestOutput:
    """Longest allowed output first; with priority scheduling by priority before that."""

    decision: ClassVar[str] = "order"
    name: ClassVar[str] = "lof"
    cache_aware: ClassVar[bool] = False

    def sort(self, queue: list[Req], context: OrderContext) -> None:
        """Sort by output limit, descending."""
        if context.priority:
            queue.sort(key=lambda r: ((r.priority or 0) * context.sign, -r.max_new))
        else:
            queue.sort(key=lambda r: -r.max_new)


class Shuffled:
    """A new random order at each attempt."""

    decision: ClassVar[str] = "order"
    name: ClassVar[str] = "random"
    cache_aware: ClassVar[bool] = False

    def sort(self, queue: list[Req], context: OrderContext) -> None:
        """Shuffle."""
        context.random.shuffle(queue)


def match_all(queue: list[Req], context: OrderContext) -> set[str]:
    """Find every request's cached prefix; the ids of those that had better wait for another one's prefill."""
    deferred: set[str] = set()
    shadow = context.tree.shadow()
    for req in queue:
        tokens = context.match(req)
        if len(req.prefix) <= _CHECK_BELOW:
            common, _ = shadow.match(tokens)
            if len(common) >= _DEFER_FROM:
                deferred.add(req.rid)
            else:
                shadow.insert(shadow.units(tokens), context.slots(len(tokens)), 0)
    return deferred


ORDERS: dict[str, Any] = {
    order.name: order for order in (FirstCome, LongestPrefix, DepthFirst, LongestOutput, Shuffled)
}
