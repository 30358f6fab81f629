"""Decision `admission`: how the prefill adder and the decode test count, where the releases differ."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np


class Admission10:
    """0.5.10: no page is reserved; a parked chunk is skipped at the request limit; v2 needs twice v1.

    Of a windowed model the pool that has less decides; a prefill finds slots only if a page per request is to spare.
    """

    decision: ClassVar[str] = "admission"
    name: ClassVar[str] = "0.5.10"
    limit_spares_chunk: ClassVar[bool] = False
    emptied_is_not_full: ClassVar[bool] = False
    retract_forgets_protected: ClassVar[bool] = False
    pools_apart: ClassVar[bool] = False
    spare_pages: ClassVar[bool] = True
    spares_leaf: ClassVar[bool] = False

    def page_reserve(self, page_size: int) -> int:
        """None."""
        return 0

    def spec_v2_need(
        self, committed: Any, allocated: Any, alloc_len: int, page_size: int, v1_need: int
    ) -> int:
        """Twice what v1 would need."""
        return 2 * v1_need


class Admission11:
    """0.5.11: one page is reserved per request; the limit spares a parked chunk; v2 needs what it will take.

    Of a windowed model each pool is judged for itself, and a chunk that finds no windowed memory is parked.
    """

    decision: ClassVar[str] = "admission"
    name: ClassVar[str] = "0.5.11"
    limit_spares_chunk: ClassVar[bool] = True
    emptied_is_not_full: ClassVar[bool] = True
    retract_forgets_protected: ClassVar[bool] = True
    pools_apart: ClassVar[bool] = True
    spare_pages: ClassVar[bool] = False
    spares_leaf: ClassVar[bool] = True

    def page_reserve(self, page_size: int) -> int:
        """One page."""
        return page_size

    def spec_v2_need(
        self, committed: Any, allocated: Any, alloc_len: int, page_size: int, v1_need: int
    ) -> int:
        """Whole pages that the reservation will add."""
        after = allocated + np.maximum(committed + 2 * alloc_len - allocated, 0)
        pages = (after + page_size - 1) // page_size - (allocated + page_size - 1) // page_size
        return int(pages.sum()) * page_size
