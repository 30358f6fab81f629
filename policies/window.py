"""Decision `window`: how far behind a request's length its windowed KV is given back, and how often decode looks."""

from __future__ import annotations

from typing import ClassVar


class Window10:
    """0.5.10: right behind the window, once in a window; a page may lose all of its windowed half."""

    decision: ClassVar[str] = "window"
    name: ClassVar[str] = "0.5.10"

    def margin(self, page_size: int) -> int:
        """None."""
        return 0

    def interval(self, window: int, page_size: int, multiplier: float) -> int:
        """Once in as many steps as the window is long."""
        return window


class Window11:
    """0.5.11: a page is left behind the window, so that what is cached ends in a page that has both halves."""

    decision: ClassVar[str] = "window"
    name: ClassVar[str] = "0.5.11"

    def margin(self, page_size: int) -> int:
        """One page."""
        return page_size

    def interval(self, window: int, page_size: int, multiplier: float) -> int:
        """SGLANG_SWA_EVICTION_INTERVAL_MULTIPLIER windows, in whole pages, and at least one."""
        steps = max(page_size, int(window * multiplier))
        return steps // page_size * page_size
