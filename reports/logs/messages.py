"""What the records of a scheduler mean, in the wordings of all releases: checks and events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["idle", "busy"]
TERMS = ("available", "evictable", "protected", "session_held", "uncached")
_N = r"=(-?\d{1,18})"

# Of each form: the pool (or the number of the group that names it), then the groups of the total and the five terms.
_Form = tuple[re.Pattern[str], str | int, int, tuple[int, ...]]
_FORMS: tuple[_Form, ...] = (
    (
        re.compile(
            rf"\[(\w{{1,16}})\] total{_N}, available{_N}, evictable{_N}, protected{_N}, session_held{_N}, uncached{_N}"
        ),
        1, 2, (3, 4, 5, 6, 7),
    ),
    (
        re.compile(
            rf"self\.max_total_num_tokens{_N}, available_size{_N}, evictable_size{_N}, protected_size{_N}, "
            rf"session_held{_N}"
        ),
        "full", 1, (2, 3, 4, 5),
    ),
    (
        re.compile(
            rf"self\.(full|swa)_tokens_per_layer{_N}, \1_available_size{_N}, \1_evictable_size{_N}, \1_protected{_N}, "
            rf"session_held_\1{_N}"
        ),
        1, 2, (3, 4, 5, 6),
    ),
    (
        re.compile(
            rf"full_available_size{_N}, full_evictable_size{_N}, self\.token_to_kv_pool_allocator\.size{_N}, "
            rf"self\.tree_cache\.full_protected_size\(\){_N}"
        ),
        "full", 3, (1, 2, 4),
    ),
    (
        re.compile(
            rf"mamba_available_size{_N}, mamba_evictable_size{_N}, self\.req_to_token_pool\.mamba_pool\.size{_N}, "
            rf"self\.tree_cache\.mamba_protected_size\(\){_N}"
        ),
        "mamba", 3, (1, 2, 4),
    ),
)  # fmt: skip
_CHECK = (
    r"((?:Value|Assertion)Error: )?"
    r"(?:(\w{1,64} memory leak detected!)|((?:\w{1,16} Pool )?Mem Leak Detected!)|\[Mem Check \(BUSY\)\] )"
)
_OPENING = re.compile(_CHECK)
_GOES_ON = re.compile(r"\[\w{1,16}\] total=|self\.\w|(?:full|mamba)_available_size=")
_FOREIGN = re.compile(
    rf"[^'\"`]{{0,200}}?[\]:|-]\s+(?={_CHECK}|\w{{1,64}} hit an exception: |Scheduler watchdog timeout|server_args="
    r"|Received sigquit from a child|max_total_num_tokens=)"
)
_OLD_BUSY = re.compile(rf"available_size{_N}, evictable_size{_N}, protected_size{_N}, uncached_size{_N}")
_OLD_FAILED = re.compile(rf"Mem Leak Detected! total_tokens{_N} vs self\.max_total_num_tokens{_N}")
_ROWS = re.compile(rf"available_size{_N}, session_held{_N}, total_size{_N}")
_BEGUN = re.compile(r"max_total_num_tokens=(\d{1,15}), chunked_prefill_size=")
_RETRACTED = re.compile(r"(?:KV cache pool is full\. Retract requests|Testing retraction)\. #retracted_reqs: (\d{1,9})")
_ABORTS = (
    "Abort queued request", "Abort running request", "Abort grammar queue request", "Abort bootstrap queue",
    "Abort inflight queue", "Abort prealloc queue", "Abort transfer queue", "retract_decode: aborted last",
)  # fmt: skip
_SETTINGS = re.compile(
    r"\b(log_level|decode_log_interval|page_size|enable_streaming_session|speculative_eagle_topk|version)=('?[\w.+-]+'?)"
)
_DIED = re.compile(r"\w{1,64} hit an exception: ")
_RAISED = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Timeout|Hang|Assertion)(?=: |:?$)")
_ANSWERED = re.compile(
    rb'"POST (?:/generate|/v1/(?:chat/)?completions|/v1/responses|/v1/messages|/api/(?:chat|generate))[?]?\S* [^"]*" 2'
)


@dataclass(frozen=True, slots=True)
class Stated:
    """What a check states of one pool; `session_held` is absent where the message leaves it out."""

    pool: str
    total: int | None
    terms: tuple[int | None, ...]
    delta: int | None


def opening(text: str) -> tuple[Kind, bool] | None:
    """Of which kind the check is whose message the text begins with, and whether it was raised; None for none."""
    found = _OPENING.match(text)
    if found is None:
        return None
    raised, idle, failed = found.groups()
    return "busy" if idle is None else "idle", raised is not None or failed is not None


def goes_on(text: str) -> bool:
    """Whether it may be a later line of a check's message: the terms of another pool."""
    return _GOES_ON.match(text) is not None


def without_prefix(text: str) -> str:
    """What another logger than that of the release has put its own prefix before; unless it is quoted."""
    found = _FOREIGN.match(text)
    return text[found.end() :] if found else text


def stated_in(text: str, cut: bool) -> Iterator[Stated]:
    """Each pool that the text states whole; a number at the very end of a cut text is none."""

    def whole(found: re.Match[str]) -> bool:
        return not (cut and found.end() >= len(text))

    for pattern, pool, total, groups in _FORMS:
        for found in pattern.finditer(text):
            if whole(found):
                name = found[pool] if isinstance(pool, int) else pool
                yield _stated(name, int(found[total]), [int(found[group]) for group in groups])
    for found in _OLD_FAILED.finditer(text):
        if whole(found):
            total_of = int(found[2])
            yield Stated("full", total_of, (None,) * 5, int(found[1]) - total_of)
    if "req_to_token_pool" in text:
        for found in _ROWS.finditer(text):
            if whole(found):
                free, held, size = (int(group) for group in found.groups())
                yield Stated("rows", size, (free, 0, 0, held, 0), free + held - size)


def old_busy(text: str, cut: bool) -> tuple[int, int, int, int] | None:
    """available, evictable, protected and uncached, as 0.5.10 logs them while it is busy."""
    found = _OLD_BUSY.search(text)
    if found is None or (cut and found.end() >= len(text)):
        return None
    available, evictable, protected, uncached = (int(group) for group in found.groups())
    return available, evictable, protected, uncached


def _stated(pool: str, total: int, numbers: list[int]) -> Stated:
    held = numbers[3] if len(numbers) > 3 else None
    uncached = numbers[4] if len(numbers) > 4 else 0
    terms = (numbers[0], numbers[1], numbers[2], held, uncached)
    return Stated(pool, total, terms, sum(numbers) - total)


def begun(text: str) -> int | None:
    """How many tokens a scheduler that has just been made has room for."""
    found = _BEGUN.match(text)
    return int(found[1]) if found else None


def retracted(text: str) -> int | None:
    """How many requests were retracted."""
    found = _RETRACTED.match(text)
    return int(found[1]) if found else None


def aborted(text: str) -> bool:
    """Whether it names a request that was aborted."""
    return text.startswith(_ABORTS)


def settings_in(text: str) -> dict[str, str]:
    """What a server says of how it was started, as far as it matters."""
    return {name: value.strip("'") for name, value in _SETTINGS.findall(text)}


def died(text: str) -> bool:
    """Whether a process says that it ends with the exception whose traceback follows."""
    return _DIED.match(text) is not None


def raised(text: str) -> str | None:
    """The line of an exception, if the text is one."""
    return text[:2000] if _RAISED.match(text) else None


def answered(text: bytes) -> bool:
    """Whether it is the web server's line of a request that was answered, and nothing else."""
    return b"POST /" in text and text.find(b"[2", 1) < 0 and _ANSWERED.search(text) is not None
