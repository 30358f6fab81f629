"""An operation that cannot be done as it is written is refused in one line with advice."""

from __future__ import annotations

import pytest

OPERATIONS = "open, submit, step, retract, refuse, abort, close, expire, wait, reap"
A_DURATION = "write e.g. `1.5s`, `300ms`, `2m` or a number of seconds"
A_LIST = "write e.g. `operations: [{submit: r1, prompt: 20, output: 12}, {step: 12}]`"
A_PROMPT = "write e.g. 20, or [{x: 16}, {r1: 4}]"
A_PERIOD = "a duration of zero does not pass; write more than zero, e.g. `1ms`"

ENTRIES = [
    ("{opne: a}", "14: `opne` is unknown, so this is no operation; did you mean `open`?"),
    ("{every: 1s}", f"14: this is no operation; write one of {OPERATIONS}"),
    ("close", f"14: `close` is no operation; write a mapping with one of {OPERATIONS}"),
    ("{open: a, close: b}", "24: a second operation `close` in one entry; write it as an entry of its own"),
    ("{open: a, timeout: 0}", f"33: `timeout`: {A_PERIOD}"),
    (
        "{submit: r, prompt: 3, output: 1, request: x}",
        "48: unknown key `request`; the keys here are submit, session, prompt, output, stop_at, ignore_eos, "
        "priority, accept",
    ),
    ("{submit: r, prompt: 3, output: 1, stop: 2}", "48: unknown key `stop`; did you mean `stop_at`?"),
    ("{submit: r, prompt: 3}", "14: `output` is missing; write e.g. `output: 12`"),
    ("{submit: r, output: 1}", "14: `prompt` is missing; write e.g. `prompt: 20`"),
    ("{submit: r, prompt: 0, output: 1}", "34: `prompt`: `0` is too small; write 1 or more"),
    ("{submit: r, prompt: many, output: 1}", "34: `prompt`: `many` is no whole number; write e.g. 20"),
    ("{submit: r, prompt: {x: 3}, output: 1}", f"34: `prompt`: a mapping is no prompt; {A_PROMPT}"),
    ("{submit: r, prompt: [], output: 1}", f"34: `prompt`: the prompt is empty; {A_PROMPT}"),
    (
        "{submit: r, prompt: [x], output: 1}",
        "35: `prompt`: `x` is no text and its length; write e.g. {x: 16}",
    ),
    (
        "{submit: r, prompt: [{x: 1, y: 2}], output: 1}",
        "35: `prompt`: a mapping is no text and its length; write e.g. {x: 16}",
    ),
    ("{submit: r, prompt: [{x: 0}], output: 1}", "39: `prompt`: `0` is too small; write 1 or more"),
    (
        "{submit: r, prompt: [{x: 4}, {'': 1}], output: 1}",
        "43: `prompt`: a text without a name; write e.g. {x: 16}",
    ),
    ("{submit: r, prompt: 3, output: -1}", "45: `output`: `-1` is too small; write 0 or more"),
    ("{submit: r, prompt: 3, output: 1, stop_at: 0}", "57: `stop_at`: `0` is too small; write 1 or more"),
    ("{submit: r, prompt: 3, output: 1, accept: [0]}", "57: `accept`: `0` is too small; write 1 or more"),
    (
        "{submit: r, prompt: 3, output: 1, ignore_eos: 1}",
        "60: `ignore_eos` is `1`, neither true nor false; write true or false",
    ),
    (
        "{submit: r, prompt: 3, output: 1, priority: high}",
        "58: `priority`: `high` is no whole number; write e.g. 10",
    ),
    (
        "{submit: 7, prompt: 3, output: 1}",
        '23: `submit`: `7` is no text; write text, in quotes if need be: "7"',
    ),
    (
        "{submit: '', prompt: 3, output: 1}",
        "23: `submit`: the text is empty; write something, or leave the key out",
    ),
    ("{step: 0}", "21: `step`: `0` is too small; write 1 or more"),
    ("{step: 1.5}", "21: `step`: `1.5` is no whole number; write e.g. 8"),
    ("{step: 3, times: 2}", "24: unknown key `times`; the keys here are step"),
    (
        "{step: 9999999}, {step: 2}",
        "38: with this there are 10000001 iterations in the list; write at most 10000000 in all",
    ),
    ("{retract: []}", "24: `retract`: the list of requests is empty; write e.g. [a/1, r2], or all"),
    (
        "{retract: [a/1, 3]}",
        '30: `retract`: `3` is no text; write text, in quotes if need be: "3"',
    ),
    ("{retract: a/1, how: hard}", "34: `how` is `hard`, which is unknown; write one of pause, memory"),
    ("{retract: a/1, at: 1s}", "29: unknown key `at`; the keys here are retract, how"),
    ("{refuse: a/1, times: 0}", "35: `times`: `0` is too small; write 1 or more"),
    (
        "{abort: null}",
        "22: `abort`: nothing is no text; write text, in quotes if need be: `a few words`",
    ),
    (
        "{close: [a]}",
        "22: `close`: a list is no text; write text, in quotes if need be: `a few words`",
    ),
    (
        "{expire: true}",
        '23: `expire`: `true` is no text; write text, in quotes if need be: "True"',
    ),
    ("{wait: 0}, {step: 1}", f"21: `wait`: {A_PERIOD}"),
    ("{wait: often}, {step: 1}", f"21: `wait`: `often` is no duration; {A_DURATION}"),
    (
        "{step: 1}, {wait: 1}",
        "25: nothing comes after this wait, so it changes nothing; add `- {reap: true}` or `- {step: 1}`, "
        "or leave it out",
    ),
    ("{reap: false}", "21: `reap`: `false` says nothing; write `reap: true`, or leave the entry out"),
    ("", f"13: `operations` is empty; {A_LIST}"),
]


@pytest.mark.parametrize(("entries", "line"), ENTRIES)
def test_an_entry_that_is_no_operation_or_a_wrong_one(refusal, entries, line):
    assert refusal(f"pool: {{tokens: 1000}}\noperations: [{entries}]\n") == f"f.yaml:2:{line}"


BESIDE = "cannot stand beside `operations`, which say exactly what happens; leave one of the two out"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("operations: {step: 1}\n", f"2:13: `operations` is a mapping, no list; {A_LIST}"),
        ("operations: 3\n", f"2:13: `operations` is `3`, no list; {A_LIST}"),
        ("operatons: [{step: 1}]\n", "2:1: unknown key `operatons`; did you mean `operations`?"),
        ("operations: [{step: 1}]\nworkload: [{request: r, prompt: 1, output: 1}]\n", f"3:11: `workload` {BESIDE}"),
        ("inject: []\noperations: [{step: 1}]\n", f"2:9: `inject` {BESIDE}"),
        ("until: 3s\noperations: [{step: 1}]\n", f"2:8: `until` {BESIDE}"),
        ("operations: [{step: 1}]\nvariants: {a: {until: 3s}}\n", f"3:23: `until` {BESIDE}"),
        (
            "operations: [{step: 1}]\nvariants: {a: {operations: []}}\n",
            "3:16: unknown key `operations`; the keys here are release, revert, add, decide, seed, model, pool, "
            "scheduler, latency, until",
        ),
        ("seed: 1\n", "1:1: `workload` is missing; write e.g. `workload: [{request: r1, prompt: 20, output: 12}]`"),
        (
            "release: sglang-0.5.10\nscheduler: {speculative: {}}\noperations: [{open: a}]\n",
            "3:26: sglang-0.5.10 refuses to start with streaming sessions, speculation and overlap together; "
            "write `session_gate: false` or `overlap: false`",
        ),
    ],
)
def test_what_cannot_stand_beside_operations(refusal, text, line):
    assert refusal(f"pool: {{tokens: 1000}}\n{text}") == f"f.yaml:{line}"


NAMED = "pool: {tokens: 1000}\noperations: [{open: a}, {submit: a/1, session: a, prompt: 1, output: 3, stop_at: 2}, "
NAMED += "{abort: b}, {close: c}, {step: 1}]\n"


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ("request: a/2", "3:19: the list of operations makes no request `a/2`; did you mean `a/1`?"),
        ("session: d", "3:19: the list of operations opens no session `d`; write one of a, c"),
        (
            "points: [{when: {decoded: 3, turn: a/1}, free_rows: 3}]",
            "3:61: `a/1` has at most 2 output tokens, so this can never happen; write `decoded: 2` or less",
        ),
        (
            "points: [{when: {finished: b}, free_rows: 3}]",
            "3:62: the list of operations makes no request `b`; write `a/1`",
        ),
        (
            "points: [{at: 1s, swa: {delta: 0}}]",
            "3:58: this variant has no pool `swa`; leave it out, or add `swa` to its `pool`",
        ),
    ],
)
def test_expectations_about_what_no_operation_names(refusal, entry, line):
    assert refusal(f"{NAMED}expect: {{default: {{verdict: leak, {entry}}}}}\n") == f"f.yaml:{line}"


def test_a_verdict_may_name_whatever_an_operation_names(scenario):
    text = f"{NAMED}expect: {{default: [{{verdict: leak, request: b}}, {{verdict: leak, session: c}}]}}\n"
    assert len(scenario(text).variants["default"].expect.verdicts) == 2
