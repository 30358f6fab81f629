"""An impossible workload is refused in one line: where, what, what to write instead."""

from __future__ import annotations

import pytest

SOURCES = "session, request, poisson, bursty, fleet"

WORKLOADS = [
    (
        "{}",
        "2:11: `workload` is a mapping, no list; write e.g. `workload: [{request: r1, prompt: 20, "
        "output: 12}]`",
    ),
    ("[]", "2:11: `workload` is empty; write e.g. `workload: [{request: r1, prompt: 20, output: 12}]`"),
    (
        "[chat]",
        f"2:12: `chat` is an entry of the workload without a kind; write a mapping with one of {SOURCES}",
    ),
    (
        "[{prompt: 1, output: 1}]",
        f"2:12: this is an entry of the workload without a kind; write one of {SOURCES}",
    ),
    (
        "[{sesion: a}]",
        "2:12: `sesion` is unknown, so this is an entry of the workload without a kind; did you mean "
        "`session`?",
    ),
    (
        "[{request: r, prompt: 1, output: 1, session: a}]",
        "2:47: a second source `session` in one entry; write it as an entry of its own",
    ),
    ("[{request: 7, prompt: 1, output: 1}]", '2:22: `request`: `7` is no name; put it in quotes: "7"'),
    (
        "[{request: all, prompt: 1, output: 1}]",
        "2:22: `request`: the name `all` is taken: it means every request; write another name",
    ),
    (
        "[{request: a/1, prompt: 1, output: 1}]",
        "2:22: `request`: the name `a/1` cannot be used; write at most 64 letters, digits, `.`, `_`, `-`",
    ),
    ("[{request: r, prompt: 1}]", "2:12: `output` is missing; write e.g. `output: 12`"),
    ("[{request: r, promt: 1, output: 1}]", "2:25: unknown key `promt`; did you mean `prompt`?"),
    ("[{request: r, prompt: 0, output: 1}]", "2:33: `prompt`: `0` is too small; write 1 or more"),
    (
        "[{request: r, prompt: 1, output: 99999999}]",
        "2:44: `output`: `99999999` is too large; write at most 16777216",
    ),
    (
        "[{request: r, prompt: 1, output: 1, accept: {rate: 2}}]",
        "2:62: `accept`: an acceptance rate of `2`; write 0 to 1, e.g. {rate: 0.7}",
    ),
    (
        "[{request: r, prompt: 1, output: 1, accept: [2, 0]}]",
        "2:59: `accept`: `0` is too small; write 1 or more",
    ),
    (
        "[{request: r, prompt: 1, output: 1, prefix: 64}]",
        "2:55: `prefix` is `64`, no mapping; write e.g. `prefix: {name: system, tokens: 64}`",
    ),
    ("[{session: a, turns: []}]", "2:32: `turns` is empty; write e.g. `turns: [{prompt: 20, output: 12}]`"),
    (
        "[{session: a, turns: [3]}]",
        "2:33: the value here is `3`, no mapping; write e.g. {prompt: 20, output: 12}",
    ),
    (
        "[{session: a, close: later, turns: [{prompt: 1, output: 1}]}]",
        "2:32: `close`: `later` is no time to close; write end, never or a time, e.g. `12s`",
    ),
    (
        "[{session: a, open: 2s, turns: [{prompt: 1, output: 1, at: 1s}]}]",
        "2:43: session `a` opens at 2s, its turn `a/1` comes at 1s; send the turn later, or open the "
        "session earlier",
    ),
    (
        "[{session: a, open: 2s, close: 1s, turns: [{prompt: 1, output: 1}]}]",
        "2:22: session `a` opens at 2s and closes at 1s; close it later, or open it earlier",
    ),
    (
        "[{request: r, prompt: 1, output: 1}, {request: r, prompt: 1, output: 1}]",
        "2:58: the name `r` is used twice, first in line 2; write another name",
    ),
    (
        "[{request: p-3, prompt: 1, output: 1}, {poisson: {name: p, rate: 1/s, count: 3, prompt: 1, "
        "output: 1}}]",
        "2:22: a generator of this workload makes `p-3` too; write another name",
    ),
    (
        "[{poisson: [1]}]",
        "2:22: `poisson` is a list, no mapping; write e.g. `poisson: {name: p, rate: 20/s, count: "
        "100, prompt: 64, output: 16}`",
    ),
    (
        "[{poisson: {name: p, rate: 1/s, prompt: 1, output: 1}}]",
        "2:22: this generator never ends; add `until: 60s` or `count: 100`",
    ),
    (
        "[{poisson: {name: p, rate: 1/s, until: 1s, count: 1, prompt: 1, output: 1}}]",
        "2:61: this generator has both `until` and `count`; leave one of the two out",
    ),
    (
        "[{poisson: {name: p, rate: 20, count: 0, prompt: 1, output: 1}}]",
        "2:49: `count`: `0` is too small; write 1 or more",
    ),
    (
        "[{poisson: {name: p, rate: often, count: 1, prompt: 1, output: 1}}]",
        "2:38: `rate`: `often` is no rate; write e.g. `20/s` or `90/m`",
    ),
    (
        "[{poisson: {name: p, rate: 0/s, count: 1, prompt: 1, output: 1}}]",
        "2:38: `rate`: a rate of `0/s` is out of range; write more than 0/s and at most 1000000/s",
    ),
    (
        "[{poisson: {name: p, rate: 1/s, count: 1, prompt: [1, 2], output: 1}}]",
        "2:61: `prompt`: a list is no distribution; write {choice: [..]} or {uniform: [lo, hi]}",
    ),
    (
        "[{poisson: {name: p, rate: 1/s, count: 1, prompt: {unifrm: [1, 2]}, output: 1}}]",
        "2:70: `prompt`: `unifrm` is no distribution; did you mean `uniform`?",
    ),
    (
        "[{poisson: {name: p, rate: 1/s, count: 1, prompt: {uniform: [9, 2]}, output: 1}}]",
        "2:71: `prompt`: the lower bound 9 is above the upper bound 2; write [2, 9]",
    ),
    (
        "[{poisson: {name: p, rate: 1/s, count: 1, prompt: {uniform: [0, 2]}, output: 1}}]",
        "2:72: `prompt`: `0` is too small; write 1 or more",
    ),
    (
        "[{poisson: {name: p, rate: 1/s, count: 1, prompt: {lognormal: {median: 9, sigma: x, max: "
        "99}}, output: 1}}]",
        "2:92: `prompt`: sigma is `x`; write a number from 0 to 10, e.g. `sigma: 0.8`",
    ),
    (
        "[{poisson: {name: p, rate: 1/s, count: 1, prompt: {lognormal: {median: 9, sigma: 1}}, output: 1}}]",
        "2:73: `prompt`: lognormal has no `max`; write {lognormal: {median, sigma, max}}",
    ),
    (
        "[{poisson: {name: p, rate: 1/s, count: 1, prompt: {exponential: {mean: 9, max: 3}}, output: 1}}]",
        "2:90: `prompt`: the mean 9 is above max 3; write a max of at least 9",
    ),
    (
        "[{poisson: {name: p, rate: 1/s, count: 1, prompt: {choice: []}, output: 1}}]",
        "2:70: `prompt`: choice takes a list of values; write {choice: [8, 64, 512]}",
    ),
    (
        "[{bursty: {name: b, every: 0, size: 2, count: 1, prompt: 1, output: 1}}]",
        "2:38: `every`: a duration of zero does not pass; write more than zero, e.g. `1ms`",
    ),
    (
        "[{fleet: {name: f, sessions: 0, turns: 2, prompt: 1, output: 1}}]",
        "2:40: `sessions`: `0` is too small; write 1 or more",
    ),
    (
        "[{fleet: {name: f, sessions: 4, turns: 2, prompt: 1, output: 1, abort_rate: 2}}]",
        "2:87: `abort_rate`: `2` is out of range; write a number from 0 to 1, e.g. 0.02",
    ),
    (
        "[{fleet: {name: f, sessions: 4, turns: 2, prompt: 1, output: 1, close: 12s}}]",
        "2:82: `close` is `12s`, which is unknown; write one of end, never",
    ),
]


def _ids(table: list[tuple[str, str]]) -> list[str]:
    return [f"{index}-{line.split(': ', 1)[1][:40]}" for index, (_, line) in enumerate(table)]


@pytest.mark.parametrize(("workload", "line"), WORKLOADS, ids=_ids(WORKLOADS))
def test_an_impossible_workload(refusal, workload, line):
    assert refusal(f"pool: {{tokens: 100}}\nworkload: {workload}\n") == f"f.yaml:{line}"
