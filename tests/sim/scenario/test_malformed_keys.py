"""A key that may not stand there, or a value of another kind, is refused in one line with advice."""

from __future__ import annotations

import pytest

ACTIONS = "retract, abort, close, timeout, overlong, second_turn, refuse"
A_DURATION = "write e.g. `1.5s`, `300ms`, `2m` or a number of seconds"

KEYS_AND_TYPES = [
    ("revrt: [1]\n", "6:1: unknown key `revrt`; did you mean `revert`?"),
    ("page_size: 4\n", "6:1: unknown key `page_size`; it belongs into `pool:`"),
    ("overlap: true\n", "6:1: unknown key `overlap`; it belongs into `scheduler:`"),
    (
        "latency: {zzz: 1s}\n",
        "6:11: unknown key `zzz`; the keys here are prefill_base, prefill_per_token, decode_base, "
        "decode_per_request, idle",
    ),
    ("scheduler: {speculative: {stepps: 3}}\n", "6:27: unknown key `stepps`; did you mean `steps`?"),
    ("scheduler: 5\n", "6:12: `scheduler` is `5`, no mapping; write e.g. `scheduler: {overlap: true}`"),
    ("scheduler:\n", "6:11: `scheduler` is nothing, no mapping; write e.g. `scheduler: {overlap: true}`"),
    ("scheduler: {overlap: yes}\n", "6:22: `overlap` is `yes`, neither true nor false; write true or false"),
    ("scheduler: {overlap: 1}\n", "6:22: `overlap` is `1`, neither true nor false; write true or false"),
    ("scheduler: {policy: fcf}\n", "6:21: `policy` is `fcf`, which is unknown; did you mean `fcfs`?"),
    (
        "scheduler: {policy: 7}\n",
        "6:21: `policy` is `7`, which is unknown; write one of fcfs, lpm, dfs-weight, lof, random",
    ),
    (
        "scheduler: {idle_check: no}\n",
        "6:25: `idle_check` is `no`, which is unknown; write one of raise, warn",
    ),
    ("seed: 1.5\n", "6:7: `seed`: `1.5` is no whole number; write e.g. 1"),
    ("seed: 1e3\n", "6:7: `seed`: `1000.0` is no whole number; write 1000"),
    ("seed: 'one'\n", "6:7: `seed`: `one` is no whole number; write e.g. 1"),
    ("seed: true\n", "6:7: `seed`: `true` is no whole number; write e.g. 1"),
    ("seed: -1\n", "6:7: `seed`: `-1` is too small; write 0 or more"),
    ("about: ''\n", "6:8: `about`: the text is empty; write something, or leave the key out"),
    ("about: 8\n", '6:8: `about`: `8` is no text; write text, in quotes if need be: "8"'),
    ("revert: 22862\n", "6:9: `revert` is `22862`, no list; write e.g. `revert: [22862]`"),
    ("revert: [x]\n", "6:10: `x` is no whole number; write e.g. 22862"),
    ("decide: abort\n", "6:9: `decide` is `abort`, no mapping; write e.g. `decide: {abort: save}`"),
    ("until: 1:30\n", f"6:8: `until`: `1:30` is no duration; {A_DURATION}"),
    ("until: .nan\n", f"6:8: `until`: `.nan` is no duration; {A_DURATION}"),
    ("until: -3s\n", f"6:8: `until`: `-3s` is no duration; {A_DURATION}"),
    ("until: 0\n", "6:8: `until`: a duration of zero does not pass; write more than zero, e.g. `1ms`"),
    (
        "until: 1e99\n",
        "6:8: `until`: a duration of `1e+99` is beyond thirty years; write a shorter one, e.g. `24h`",
    ),
    ("until: {iteration: 4}\n", "6:9: unknown key `iteration`; did you mean `iterations`?"),
    (
        "latency: {idle: 0}\n",
        "6:17: `idle`: a duration of zero does not pass; write more than zero, e.g. `1ms`",
    ),
    (
        "latency: {decode_base: -1}\n",
        "6:24: `decode_base`: a duration of `-1` is negative; write zero or more, e.g. `1.5s`",
    ),
    (
        "inject: {close: a}\n",
        "6:9: `inject` is a mapping, no list; write e.g. `inject: [{abort: r1, when: {decoded: 3}}]`",
    ),
    (
        "inject: [close]\n",
        f"6:10: `close` is an injection without an action; write a mapping with one of {ACTIONS}",
    ),
    ("inject: [{at: 1s}]\n", f"6:10: this is an injection without an action; write one of {ACTIONS}"),
    (
        "inject: [{clsoe: a, at: 1s}]\n",
        "6:10: `clsoe` is unknown, so this is an injection without an action; did you mean `close`?",
    ),
    (
        "inject: [{close: a, abort: a/1, at: 0}]\n",
        "6:21: a second action `abort` in one entry; write it as an entry of its own",
    ),
    (
        "inject: [{close: a}]\n",
        "6:10: nothing says when this happens; add `at: 1.2s` or `when: {decoded: 6}`",
    ),
    (
        "inject: [{close: a, at: 1, when: {iteration: 1}}]\n",
        "6:34: this has both `at` and `when`; leave one of the two out",
    ),
    (
        "inject: [{close: a, when: {}}]\n",
        "6:27: `when` names no moment; write e.g. {decoded: 6}, {iteration: 40} or {running: a/2}",
    ),
    (
        "inject: [{close: a, when: {iteration: 1, queued: a/1}}]\n",
        "6:50: `when` names 2 moments: iteration, queued; leave one",
    ),
    (
        "inject: [{close: a, when: {iteration: 1, turn: a/1}}]\n",
        "6:48: `turn` says whose tokens `decoded` counts; add `decoded: 3`",
    ),
    ("inject: [{close: a, when: {iteration: 0}}]\n", "6:39: `iteration`: `0` is too small; write 1 or more"),
    ("inject: [{refuse: a/1, times: 0, at: 0}]\n", "6:31: `times`: `0` is too small; write 1 or more"),
    (
        "inject: [{retract: all, how: gently, at: 0}]\n",
        "6:30: `how` is `gently`, which is unknown; write one of pause, memory",
    ),
    (
        "variants: [before]\n",
        "6:11: `variants` is a list, no mapping; write e.g. `variants: {before: {revert: [22862]}, "
        "after: {}}`",
    ),
    (
        "variants: {}\n",
        "6:11: `variants` is empty; write e.g. `variants: {before: {revert: [22862]}, after: {}}`",
    ),
    (
        "variants: {a/b: {}}\n",
        "6:12: the name `a/b` cannot be used; write at most 64 letters, digits, `.`, `_`, `-`",
    ),
    (
        "variants: {b: {workload: []}}\n",
        "6:16: unknown key `workload`; the keys here are release, revert, add, decide, seed, model, "
        "pool, scheduler, latency, until",
    ),
    (
        "variants: {b: {pool: {tokens: null}}}\n",
        "6:31: `tokens`: nothing is no whole number; write e.g. 1000",
    ),
    ("expect: {default: leak}\n", "6:19: the value here is `leak`, no mapping; write e.g. {verdict: clean}"),
    ("expect: {default: []}\n", "6:19: the value here is empty; write at least one entry"),
    (
        "expect: {default: {verdict: lek}}\n",
        "6:29: `verdict` is `lek`, which is unknown; did you mean `leak`?",
    ),
    ("expect: {default: {size: -1}}\n", "6:19: `verdict` is missing; write e.g. `verdict: clean`"),
    (
        "expect: {default: {verdict: clean, size: 3}}\n",
        "6:42: `clean` has no size; leave `size` out, or name the verdict",
    ),
    (
        "expect: {default: {verdict: leak, invariant: INV-12}}\n",
        "6:46: `invariant`: INV-12 is no invariant; write INV-1 to INV-11",
    ),
    (
        "expect: {default: {verdict: clean, points: [{at: 1s}]}}\n",
        "6:45: this point checks nothing; add e.g. `full: {delta: 0}` or `free_rows: 7`",
    ),
    (
        "expect: {default: {verdict: clean, points: [{at: 1s, full: {held: 1}}]}}\n",
        "6:61: unknown key `held`; did you mean `session_held`?",
    ),
]


def _ids(table: list[tuple[str, str]]) -> list[str]:
    return [f"{index}-{line.split(': ', 1)[1][:40]}" for index, (_, line) in enumerate(table)]


@pytest.mark.parametrize(("text", "line"), KEYS_AND_TYPES, ids=_ids(KEYS_AND_TYPES))
def test_a_key_or_value_that_may_not_stand_there(appended_refusal, text, line):
    assert appended_refusal(text) == f"f.yaml:{line}"
