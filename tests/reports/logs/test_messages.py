"""The wordings of the releases, one by one."""

from __future__ import annotations

import pytest

from reports.logs.messages import answered, begun, old_busy, raised, retracted, stated_in

V11 = "[full] total=400, available=384, evictable=17, protected=0, session_held=2, uncached=1"


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        (V11, ("full", 400, (384, 17, 0, 2, 1), 4)),
        (
            "self.max_total_num_tokens=1000, available_size=970, evictable_size=0, protected_size=20, session_held=6",
            ("full", 1000, (970, 0, 20, 6, 0), -4),
        ),
        (
            "self.swa_tokens_per_layer=200, swa_available_size=164, swa_evictable_size=34, swa_protected=0, "
            "session_held_swa=0",
            ("swa", 200, (164, 34, 0, 0, 0), -2),
        ),
        (
            "mamba_available_size=19, mamba_evictable_size=4, self.req_to_token_pool.mamba_pool.size=24, "
            "self.tree_cache.mamba_protected_size()=0",
            ("mamba", 24, (19, 4, 0, None, 0), -1),
        ),
        (
            "full_available_size=380, full_evictable_size=17, self.token_to_kv_pool_allocator.size=400, "
            "self.tree_cache.full_protected_size()=1",
            ("full", 400, (380, 17, 1, None, 0), -2),
        ),
        (
            "Mem Leak Detected! total_tokens=261 vs self.max_total_num_tokens=256",
            ("full", 256, (None,) * 5, 5),
        ),
        (
            "req_to_token_pool memory leak detected!available_size=15, session_held=0, total_size=16",
            ("rows", 16, (15, 0, 0, 0, 0), -1),
        ),
    ],
)
def test_what_a_check_states(text, stated):
    found = list(stated_in(text, cut=False))
    assert [(one.pool, one.total, one.terms, one.delta) for one in found] == [stated]
    assert list(stated_in(text, cut=True)) == []
    assert len(list(stated_in(text + ", ", cut=True))) == 1


def test_small_things():
    text = "[Mem Check (BUSY)] available_size=388, evictable_size=0, protected_size=12, uncached_size=4"
    assert old_busy(text, cut=False) == (388, 0, 12, 4)
    assert old_busy(text, cut=True) is None
    assert begun("max_total_num_tokens=400, chunked_prefill_size=-1") == 400
    assert begun("vs self.max_total_num_tokens=256") is None
    assert retracted("KV cache pool is full. Retract requests. #retracted_reqs: 3, #new_tokens_gained: 40") == 3
    assert raised("torch.cuda.OutOfMemoryError: CUDA out of memory") is not None
    assert raised("KeyboardInterrupt") == "KeyboardInterrupt"
    assert raised('INFO:     127.0.0.1 - "POST /generate"') is None


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        (b'INFO:     127.0.0.1:1 - "POST /v1/chat/completions HTTP/1.1" 200 OK', True),
        (b'[2026-01-01 00:00:00] INFO:     127.0.0.1:1 - "POST /generate HTTP/1.1" 200 OK', True),
        (b'INFO:     127.0.0.1:1 - "POST /generate HTTP/1.1" 500 Internal Server Error', False),
        (b'INFO:     127.0.0.1:1 - "POST /flush_cache HTTP/1.1" 200 OK', False),
        (b'INFO:     127.0.0.1:1 - "GET /health HTTP/1.1" 200 OK', False),
    ],
)
def test_which_lines_of_the_web_server_count(line, counts):
    assert answered(line) is counts
