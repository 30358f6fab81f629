"""Parts that are each right and cannot be together, and impossible pools, are refused in one line."""

from __future__ import annotations

import pytest

WHAT_CANNOT_BE = [
    ("inject: [{retract: a/3, at: 0}]\n", "6:20: the workload makes no request `a/3`; did you mean `a/2`?"),
    ("inject: [{close: b, at: 1s}]\n", "6:18: the workload opens no session `b`; write `a`"),
    (
        "inject: [{abort: zz, at: 1s}]\n",
        "6:18: the workload makes no request whose id begins with `zz`; write one of a/1, a/2",
    ),
    (
        "inject: [{close: a, when: {finished: a/9}}]\n",
        "6:38: the workload makes no request `a/9`; did you mean `a/2`?",
    ),
    (
        "inject: [{retract: a/1, when: {decoded: 13}}]\n",
        "6:41: `a/1` has at most 12 output tokens, so this can never happen; write `decoded: 12` or less",
    ),
    (
        "inject: [{close: a, when: {decoded: 3}}]\n",
        "6:37: `decoded` counts output tokens, and nothing says whose; add `turn:`, write one of a/1, a/2",
    ),
    (
        "inject: [{second_turn: a, when: {queued: a/second-1}}]\n",
        "6:42: `a/second-1` is made by this very action, so it cannot trigger it; wait for another "
        "request, or write `at:`",
    ),
    (
        "until: 2s\ninject: [{close: a, at: 5s}]\n",
        "7:25: the run ends at 2s, before this can happen; write `at: 2s` or earlier, or a later `until`",
    ),
    (
        "until: {iterations: 9}\ninject: [{close: a, when: {iteration: 10}}]\n",
        "7:39: the run ends with iteration 9, before this can happen; write `iteration: 9` or less, "
        "or a later `until`",
    ),
    ("expect: {defalt: {verdict: clean}}\n", "6:10: there is no variant `defalt`; did you mean `default`?"),
    (
        "expect: {default: [{verdict: clean}, {verdict: leak}]}\n",
        "6:20: `clean` stands beside other verdicts; leave one of the two out",
    ),
    (
        "expect: {default: {verdict: leak, session: b}}\n",
        "6:19: the workload opens no session `b`; write `a`",
    ),
    (
        "expect: {default: {verdict: leak, request: a/7}}\n",
        "6:19: the workload makes no request `a/7`; did you mean `a/2`?",
    ),
    (
        "expect: {default: {verdict: clean, points: [{at: 0, sessions: {b: {c: 1}}}]}}\n",
        "6:45: the workload opens no session `b`; write `a`",
    ),
    (
        "expect: {default: {verdict: clean, points: [{when: {decoded: 1}, free_rows: 1}]}}\n",
        "6:62: `decoded` counts output tokens, and nothing says whose; add `turn:`, write one of a/1, a/2",
    ),
    ("release: sglang-0.5.12\n", "6:10: unknown release 'sglang-0.5.12'; write 'sglang-0.5.11'"),
    ("revert: [22862, 22863]\n", "6:17: unknown fix 22863; write '22862'"),
    ("add: [22862]\n", "6:7: fix 22862 is in sglang-0.5.11 already; leave it out of `add`"),
    ("variants: {b: {decide: {abrt: save}}}\n", "6:31: unknown decision 'abrt'; write 'abort'"),
    ("decide: {abort: safe}\n", "6:17: unknown variant 'safe' of decision 'abort'; write 'save'"),
    ("model: llama\n", "6:8: there is no model preset `llama`; did you mean `llama-3-8b`?"),
    (
        "variants: {b: {pool: {page_size: 3}}}\n",
        "6:34: page_size 3 does not divide the 1000 tokens of the pool; write `tokens: 999` or "
        "`tokens: 1002`",
    ),
    (
        "variants: {b: {pool: {page_size: 4}, scheduler: {chunked_prefill: 6}}}\n",
        "6:67: page_size 4 does not divide chunked_prefill 6; write `chunked_prefill: 4` or "
        "`chunked_prefill: 8`",
    ),
    (
        "scheduler: {max_running: 65}\n",
        "6:26: max_running 65 is more than the 64 rows of the pool; write `max_running: 64` or `rows: 65`",
    ),
    (
        "scheduler: {speculative: {topk: 4}}\n",
        "6:33: speculation with topk 4 does not run under overlap; write `topk: 1` or `overlap: false`",
    ),
    (
        "scheduler: {speculative: {draft: 7}}\n",
        "6:34: with topk 1 a round verifies steps + 1 = 4 tokens, not 7; write `draft: 4` or `steps: 6`",
    ),
    (
        "scheduler: {preemption: true}\n",
        "6:25: preemption needs priority scheduling; add `priority: true`, or leave it out",
    ),
    (
        "scheduler: {mixed_chunk: true}\n",
        "6:26: mixed_chunk needs chunks; add `chunked_prefill: 512`, or leave it out",
    ),
    (
        "variants: {v: {pool: {page_size: 2}, scheduler: {speculative: {topk: 4, draft: 8}, overlap: false}}}\n",
        "6:70: speculation with topk 4 is not modelled with pages of 2; write `topk: 1` or `page_size: 1`",
    ),
    (
        "scheduler: {speculative: {}, overlap: false, priority: true, preemption: true}\n",
        "6:74: preemption and speculation without overlap make the release raise on its own draft state; "
        "write `preemption: false` or `overlap: true`",
    ),
    (
        "revert: [22651]\nscheduler: {speculative: {}}\n",
        "7:26: sglang-0.5.11 refuses to start with streaming sessions, speculation and overlap "
        "together; write `session_gate: false` or `overlap: false`",
    ),
    (
        "release: sglang-0.5.10\nscheduler: {speculative: {}}\n",
        "7:26: sglang-0.5.10 refuses to start with streaming sessions, speculation and overlap "
        "together; write `session_gate: false` or `overlap: false`",
    ),
    (
        "variants: {b: {pool: {swa: {window: 8}}, model: llama-3-8b}}\n",
        "6:28: llama-3-8b has no windowed layers; leave `swa` out, or write a model that has some: tiny, "
        "gpt-oss-20b, gpt-oss-120b",
    ),
    (
        "variants: {b: {pool: {mamba: {slots: 8}}, model: gpt-oss-20b}}\n",
        "6:30: gpt-oss-20b has no recurrent layers; leave `mamba` out, or write a model that has some: tiny, "
        "qwen3-next-80b-a3b",
    ),
    (
        "variants: {b: {model: gpt-oss-20b}}\n",
        "6:23: gpt-oss-20b has windowed layers, and there is no pool for them; add `swa: {ratio: 0.8, window: 128}` "
        "to `pool`",
    ),
    (
        "variants: {b: {model: qwen3-next-80b-a3b}}\n",
        "6:23: qwen3-next-80b-a3b has recurrent layers, and there is no pool for them; add `mamba: {slots: 30}` "
        "to `pool`",
    ),
    (
        "variants: {b: {pool: {page_size: 8, mamba: {slots: 8}}, scheduler: {radix: false, overlap: false}}}\n",
        "6:34: no_buffer without chunks keeps states of single tokens, not of pages of 8; write `page_size: 1`, or "
        "`chunked_prefill: 512` in `scheduler`",
    ),
    (
        "variants: {b: {pool: {swa: {tokens: 800, ratio: 0.8}}}}\n",
        "6:49: `tokens` and `ratio` both say how large the windowed pool is; leave one of the two out",
    ),
    (
        "variants: {b: {pool: {swa: {tokens: 1001}}}}\n",
        "6:37: the windowed pool has 1001 tokens, the full pool only 1000; write `tokens: 1000` or fewer",
    ),
    (
        "variants: {b: {pool: {page_size: 4, swa: {tokens: 402}}}}\n",
        "6:51: page_size 4 does not divide the 402 tokens of the windowed pool; write `tokens: 400` or `tokens: 404`",
    ),
    (
        "variants: {b: {pool: {swa: {ratio: 0.001}}}}\n",
        "6:36: the windowed pool has only 1 tokens; write a larger `ratio`, or more `tokens` for the full pool",
    ),
    (
        "variants: {b: {pool: {swa: {ratio: 1.5}}}}\n",
        "6:36: `ratio`: `1.5` is out of range; write more than 0 and at most 1, e.g. 0.8",
    ),
    ("variants: {b: {pool: {swa: {windw: 8}}}}\n", "6:29: unknown key `windw`; did you mean `window`?"),
    ("variants: {b: {pool: {mamba: {}}}}\n", "6:30: `slots` is missing; write e.g. `slots: 24`"),
    (
        "variants: {b: {pool: {mamba: {slots: 8, strategy: buffer}}}}\n",
        "6:51: `strategy` is `buffer`, which is unknown; did you mean `no_buffer`?",
    ),
    (
        "variants: {b: {pool: {page_size: 4, mamba: {slots: 8}}}}\n",
        "6:34: no_buffer with the prefix tree keeps states of single tokens, not of pages of 4; "
        "write `page_size: 1` or `strategy: extra_buffer`",
    ),
    (
        "variants: {b: {pool: {mamba: {slots: 8}}, scheduler: {overlap: true}}}\n",
        "6:64: no_buffer with the prefix tree switches overlap off; write `overlap: false`, or "
        "`strategy: extra_buffer`",
    ),
    (
        "variants: {b: {pool: {mamba: {slots: 8, strategy: no_buffer}}, scheduler: {speculative: {}}}}\n",
        "6:51: no_buffer with the prefix tree does not go together with speculation; write "
        "`strategy: extra_buffer` or `radix: false`",
    ),
    (
        "variants: {b: {pool: {mamba: {slots: 8, strategy: extra_buffer}}, scheduler: {radix: false}}}\n",
        "6:51: extra_buffer keeps states for the prefix tree, and there is none; write `strategy: no_buffer` or "
        "`radix: true`",
    ),
    (
        "variants: {b: {pool: {page_size: 8, mamba: {slots: 8, strategy: extra_buffer, track_interval: 12}}}}\n",
        "6:95: page_size 8 does not divide track_interval 12; write `track_interval: 16`",
    ),
    (
        "variants: {b: {pool: {page_size: 8, mamba: {slots: 8, strategy: extra_buffer, chunk: 12}}}}\n",
        "6:86: neither of page_size 8 and chunk 12 divides the other; write `chunk: 16`",
    ),
    (
        "variants: {b: {pool: {mamba: {slots: 8, strategy: extra_buffer, track_interval: 3}}, "
        "scheduler: {speculative: {}}}}\n",
        "6:81: track_interval 3 is less than the 4 drafts of a round; write `track_interval: 4` or more",
    ),
    (
        "expect: {default: {verdict: leak, pool: mamba}}\n",
        "6:41: this variant has no pool `mamba`; leave it out, or add `mamba` to its `pool`",
    ),
    (
        "expect: {default: {verdict: clean, points: [{at: 0, swa: {delta: 0}}]}}\n",
        "6:58: this variant has no pool `swa`; leave it out, or add `swa` to its `pool`",
    ),
    (
        "expect: {default: {verdict: clean, points: [{at: 0, sessions: {a: {held: 6, held_swa: 0}}}]}}\n",
        "6:87: this variant has no pool `swa`; leave it out, or add `swa` to its `pool`",
    ),
    (
        "expect: {default: [{verdict: leak, points: [{at: 0, free_rows: 6}, {at: 0, sessions: {a: {e: 0}}}]}]}\n",
        "6:94: this variant has no pool `swa`; leave it out, or add `swa` to its `pool`",
    ),
    (
        "variants: {b: {pool: {swa: {}}}}\n"
        "expect: {b: {verdict: clean, points: [{at: 0, sessions: {a: {e: 0, states: 0}}}]}}\n",
        "7:76: this variant has no pool `mamba`; leave it out, or add `mamba` to its `pool`",
    ),
    ("expect: {verdict: clean}\n", "6:19: `expect`: this is by variant; write `default: {verdict: clean}`"),
    (
        "variants: {before: {revert: [22862]}, after: }\nexpect: {points: [{at: 0, free_rows: 1}], verdict: leak}\n",
        "7:52: `expect`: this is by variant; write `before: {verdict: leak}`; the variants are before, after",
    ),
    (
        "expect: [{verdict: clean}]\n",
        "6:9: `expect` is a list, no mapping; write e.g. `expect: {default: {verdict: clean}}`",
    ),
    (
        "variants: {b: {pool: {mamba: {slots: 2, strategy: extra_buffer}}}}\n",
        "6:38: with extra_buffer a request that runs has 3 states, and there are only 2; write `slots: 3` or more",
    ),
    (
        "variants: {b: {pool: {mamba: {slots: 1, strategy: extra_buffer}}, scheduler: {overlap: false}}}\n",
        "6:38: with extra_buffer a request that runs has 2 states, and there are only 1; write `slots: 2` or more",
    ),
    (
        "revert: [22862, 22900]\n",
        "6:17: fix 22900 is about windowed layers, and there are none; leave it out, or add `swa: {ratio: 0.8, window: "
        "128}` to `pool`",
    ),
    (
        "variants: {b: {revert: [23496], pool: {swa: {}}}}\n",
        "6:25: fix 23496 is about recurrent layers, and there are none; leave it out, or add `mamba: {slots: 30}` to "
        "`pool`",
    ),
    (
        "release: sglang-0.5.10\nadd: [23327]\n",
        "7:7: fix 23327 is about recurrent layers, and there are none; leave it out, or add `mamba: {slots: 30}` to "
        "`pool`",
    ),
    (
        "variants: {a: {pool: {swa: {}}}, b: {decide: {clock: reserved}}}\n",
        "6:54: the decision `clock` is about windowed layers, and there are none; leave it out, or add `swa: {ratio: "
        "0.8, window: 128}` to `pool`",
    ),
    (
        "decide: {leftover: lost}\n",
        "6:20: the decision `leftover` is about recurrent layers, and there are none; leave it out, or add `mamba: "
        "{slots: 30}` to `pool`",
    ),
    (
        "release: sglang-0.5.10\nvariants: {b: {pool: {swa: {eviction_multiplier: 0.5}}}}\n",
        "7:50: sglang-0.5.10 looks once in a window, and has no eviction_multiplier; leave it out, or write `release: "
        "sglang-0.5.11`",
    ),
    (
        "variants: {b: {pool: {mamba: {slots: 8, track_interval: 32}}}}\n",
        "6:57: track_interval is about snapshots, and no_buffer keeps none; leave it out, or write `strategy: "
        "extra_buffer`",
    ),
    (
        "variants: {b: {pool: {mamba: {slots: 8, chunk: 32}}, scheduler: {radix: false}}}\n",
        "6:48: chunk is about snapshots, and no_buffer keeps none; leave it out, or write `strategy: extra_buffer`",
    ),
]

TWO_SIZES = [
    (
        "swa: {tokens: 1001}",
        "4:37: the windowed pool has 1001 tokens, the full pool only 1000; write `tokens: 1000` or fewer",
    ),
    (
        "page_size: 8, swa: {tokens: 300}",
        "4:51: page_size 8 does not divide the 300 tokens of the windowed pool; write `tokens: 296` or `tokens: 304`",
    ),
    (
        "swa: {tokens: 300, ratio: 0.3}",
        "4:49: `tokens` and `ratio` both say how large the windowed pool is; leave one of the two out",
    ),
    (
        "swa: {ratio: 0.001}",
        "4:36: the windowed pool has only 1 tokens; write a larger `ratio`, or more `tokens` for the full pool",
    ),
]

POOLS = [
    ("tokens: 0", "1:16: `tokens`: `0` is too small; write 8 or more"),
    ("tokens: -5", "1:16: `tokens`: `-5` is too small; write 8 or more"),
    ("tokens: 7", "1:16: `tokens`: `7` is too small; write 8 or more"),
    ("tokens: 2_147_483_648", "1:16: `tokens`: `2147483648` is too large; write at most 2147483647"),
    ("tokens: 1000.0", "1:16: `tokens`: `1000.0` is no whole number; write 1000"),
    ("tokens: 64, page_size: 0", "1:31: `page_size`: `0` is too small; write 1 or more"),
    (
        "tokens: 64, page_size: 128",
        "1:31: page_size 128 does not divide the 64 tokens of the pool; write `tokens: 128`",
    ),
    ("tokens: 64, rows: 0", "1:26: `rows`: `0` is too small; write 1 or more"),
    ("tokens: 64, context: 99999999", "1:29: `context`: `99999999` is too large; write at most 16777216"),
    ("tokens: 64, contxt: 128", "1:20: unknown key `contxt`; did you mean `context`?"),
    ("page_size: 4", "1:7: `tokens` is missing; write e.g. `tokens: 1000`"),
    (
        "tokens: 2_000_000_000",
        "1:16: this needs about 74.5 GiB of memory, the machine has 16.0 GiB; write fewer tokens or "
        "rows, a shorter context, or a smaller model",
    ),
    (
        "tokens: 64, rows: 16000000",
        "1:16: this needs about 244.4 GiB of memory, the machine has 16.0 GiB; write fewer tokens or "
        "rows, a shorter context, or a smaller model",
    ),
]


def _ids(table: list[tuple[str, str]]) -> list[str]:
    return [f"{index}-{line.split(': ', 1)[1][:40]}" for index, (_, line) in enumerate(table)]


@pytest.mark.parametrize(("text", "line"), WHAT_CANNOT_BE, ids=_ids(WHAT_CANNOT_BE))
def test_parts_that_do_not_go_together(appended_refusal, text, line):
    assert appended_refusal(text) == f"f.yaml:{line}"


@pytest.mark.parametrize(("pool", "line"), POOLS, ids=_ids(POOLS))
def test_an_impossible_pool(refusal, pool, line):
    text = f"pool: {{{pool}}}\nworkload: [{{request: r, prompt: 1, output: 1}}]\n"
    assert refusal(text) == f"f.yaml:{line}"


@pytest.mark.parametrize(("pool", "line"), TWO_SIZES, ids=_ids(TWO_SIZES))
@pytest.mark.parametrize("base", ["ratio: 0.50", "tokens: 500"])
def test_a_size_of_the_windowed_pool_that_a_variant_puts_in_the_place_of_the_base_s(refusal, base, pool, line):
    text = f"name: x\npool: {{tokens: 1000, swa: {{{base}}}}}\nworkload: [{{request: r, prompt: 1, output: 1}}]\n"
    assert refusal(f"{text}variants: {{b: {{pool: {{{pool}}}}}}}\n") == f"f.yaml:{line}"
