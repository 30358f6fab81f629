"""What takes the place of kernels and functions of a release; each `make` is given the module it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class Launch:
    """A function in the form of a kernel: `kernel[grid](*arguments)`."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function

    def __getitem__(self, grid: Any) -> Callable[..., None]:
        return self.function


def no(_: Any) -> Callable[..., bool]:
    """A predicate that says no."""
    return lambda *args, **kwargs: False


def uncompiled(_: Any) -> Callable[..., Any]:
    """A decorator, with or without arguments, that leaves a function as it is."""

    def compiled(model: Any = None, **options: Any) -> Any:
        return model if model is not None else lambda function: function

    return compiled


def unpinned(module: Any) -> Callable[..., Any]:
    """`torch.tensor` without the wish for pinned memory."""
    original = module.tensor

    def tensor(*args: Any, pin_memory: bool = False, **options: Any) -> Any:
        return original(*args, **options)

    return tensor


def itself(_: Any) -> Callable[..., Any]:
    """A method that gives back what it is called on."""
    return lambda subject, *args, **options: subject


def alloc_extend(module: Any) -> Launch:
    """Slots of a prefill in pages, by the release's own loop; too few free pages leave `out` as it is."""

    def kernel(
        prefix_lens: Any, seq_lens: Any, last_loc: Any, free_pages: Any, out: Any, bs_upper: int, page_size: int
    ) -> None:
        ends, begins = seq_lens + page_size - 1, prefix_lens + page_size - 1
        if int((ends // page_size - begins // page_size).sum()) > len(free_pages):
            return  # the caller looks at the same number next, and discards `out`
        if bool((seq_lens < prefix_lens).any()):
            # The real kernel's masks store nothing for such a request; the scheduler's assertion comes next. What would
            # lie there by chance must not be taken for slots before that.
            out.zero_()
            return
        wide = torch.int64
        module.alloc_extend_naive(
            prefix_lens.to(wide), seq_lens.to(wide), last_loc.to(wide), _never_empty(free_pages), out, page_size, "cpu"
        )

    return Launch(kernel)


def alloc_decode(_: Any) -> Launch:
    """One slot per request: the next one of its page, or the first one of a free page."""

    def kernel(seq_lens: Any, last_loc: Any, free_pages: Any, out: Any, bs_upper: int, page_size: int) -> None:
        opens = ((seq_lens - 1) % page_size == 0).to(torch.int64)
        taken = torch.cumsum(opens, 0)
        if int(taken[-1]) > len(free_pages):
            return  # as above
        pages = _never_empty(free_pages)[(taken - opens).clamp(max=max(len(free_pages) - 1, 0))]
        out.copy_(torch.where(opens > 0, pages * page_size, last_loc.to(torch.int64) + 1))

    return Launch(kernel)


def _never_empty(pages: Any) -> Any:
    """An index needs something to point at, also where its value is not used."""
    return pages if len(pages) else torch.zeros(1, dtype=torch.int64)


def assign_rows(_: Any) -> Callable[..., None]:
    """Write consecutive slots into `row[start:end]` of each request."""

    def assign(rows: Any, req_to_token: Any, start: Any, end: Any, slots: Any, batch_size: int) -> None:
        at = 0
        values = slots.to(req_to_token.dtype)
        for row, first, stop in zip(rows.tolist(), start.tolist(), end.tolist(), strict=True):
            _write(req_to_token, row, first, values[at : at + stop - first])
            at += stop - first

    return assign


def _write(req_to_token: Any, row: int, first: int, values: Any) -> None:
    """As by a pointer: what does not fit into a row runs into the next one."""
    flat = req_to_token.view(-1)
    begin = row * req_to_token.shape[1] + first
    values = values[: max(len(flat) - begin, 0)]
    flat[begin : begin + len(values)] = values


def assign_drafts(module: Any) -> Launch:
    """Write the draft slots of a round behind the text of each request; one path, or pages of one token."""
    original = module.assign_draft_cache_locs

    def kernel(
        rows: Any, req_to_token: Any, seq_lens: Any, extend_lens: Any, new_pages: Any, slots: Any, source: Any,
        target: Any, cumulated: Any, duplicates: int, width: int, topk: int, steps: int, page_size: int, bs_upper: int,
        iter_upper: int,
    ) -> None:  # fmt: skip
        if topk > 1 and page_size > 1:
            original[(len(rows),)]  # a tree on pages of several tokens: the stand-in of the kernel refuses
        count = topk * steps
        values = slots.to(req_to_token.dtype)
        for index, (row, length) in enumerate(zip(rows.tolist(), seq_lens.tolist(), strict=True)):
            _write(req_to_token, row, length, values[index * count : (index + 1) * count])

    return Launch(kernel)


def align_evict_mask(_: Any) -> Launch:
    """Of the rejected slots of a round keep those that share a page with accepted ones."""

    def kernel(seq_lens: Any, mask: Any, page_size: int, drafts: int, block: int) -> None:
        lengths = seq_lens.tolist()
        by_request = mask.view(len(lengths), drafts)
        accepted = drafts - by_request.sum(dim=1)
        for index, (length, count) in enumerate(zip(lengths, accepted.tolist(), strict=True)):
            start = (length + count - 1) // page_size * page_size - length
            by_request[index, max(start, 0) : max(min(start + page_size, drafts), 0)] = False

    return Launch(kernel)
