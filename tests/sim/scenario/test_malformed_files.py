"""A text that is no YAML, or none of ours, is refused in one line: where, what, what to write instead."""

from __future__ import annotations

import pytest

BASE = """\
name: x
pool: {tokens: 1000}
workload:
  - session: a
    turns: [{prompt: 20, output: 12}, {prompt: 1, output: 4}]
"""
"""Five lines that are right: what is appended begins in line 6."""

CHECK_HERE = "check the indentation, colons, quotes and brackets here"

NOT_A_SCENARIO = [
    ("", "1:1: the file is empty; write a scenario, starting with `name:`, `pool:`, `workload:`"),
    ("# nothing\n", "1:1: the file is empty; write a scenario, starting with `name:`, `pool:`, `workload:`"),
    (
        "- 1\n- 2\n",
        "1:1: the file holds a list, not a mapping; write `key: value` lines, e.g. `name: my-scenario`",
    ),
    (
        "hello\n",
        "1:1: the file holds `hello`, not a mapping; write `key: value` lines, e.g. `name: my-scenario`",
    ),
    ("a: b: c\n", f"1:5: this is not YAML (mapping values are not allowed in this context); {CHECK_HERE}"),
    ("a: [1, 2\n", f"2:1: this is not YAML (did not find expected ',' or ']'); {CHECK_HERE}"),
    ("a: 'x\n", f"2:1: this is not YAML (found unexpected end of stream); {CHECK_HERE}"),
    (
        "a:\n\tb: 1\n",
        "2:1: this is not YAML (found character that cannot start any token); indent with spaces, not tabs",
    ),
    ("a: \0\n", "1:4: the character \\x00 is not text; write a YAML file in UTF-8"),
    (BASE + "x: \x1b[31m\n", "6:4: the character \\x1b is not text; write a YAML file in UTF-8"),
    (
        "a: " + "[" * 100_000,
        "1:35: nested more than 32 deep; a scenario needs no more than 8: check the brackets",
    ),
    (BASE + "---\nname: y\n", "6:1: a second document begins here; write each scenario in a file of its own"),
    (BASE + "seed: &s 1\n", "6:7: the anchor `&s` is not understood; write the value out where it is used"),
    (BASE + "seed: *s\n", "6:7: the alias `*s` is not understood; write the value out"),
    (
        BASE + "seed: !!python/name:os.system\n",
        "6:7: the tag `!!python/name:os.system` is not understood; write the plain value, without `!`",
    ),
    (
        BASE + "<<: {seed: 1}\n",
        "6:1: merging with `<<` is not understood; write the keys out, or use `variants:`",
    ),
    (BASE + "? [seed]\n: 1\n", "6:3: a key is a list or a mapping; write a name before the colon"),
    (
        BASE + "seed: 1\nseed: 2\n",
        "7:1: the key `seed` stands twice, first in line 6; leave one of the two out",
    ),
    (
        BASE + "scheduler: {radix: true, radix: true}\n",
        "6:26: the key `radix` stands twice, first in line 6; leave one of the two out",
    ),
    (
        BASE + "seed: " + "9" * 5000 + "\n",
        f"6:7: the number `{'9' * 60}…` is too long; write a number that a machine could hold",
    ),
]


def _ids(table: list[tuple[str, str]]) -> list[str]:
    return [f"{index}-{line.split(': ', 1)[1][:40]}" for index, (_, line) in enumerate(table)]


@pytest.mark.parametrize(("text", "line"), NOT_A_SCENARIO, ids=_ids(NOT_A_SCENARIO))
def test_a_text_that_is_no_scenario(refusal, text, line):
    assert refusal(text) == f"f.yaml:{line}"


def test_the_first_of_several_faults_in_reading_order_is_the_one_named(refusal):
    text = "seed: -1\nrevrt: [1]\npool: {tokens: 0}\nworkload: 3\n"
    assert refusal(text).startswith("f.yaml:1:7: ")


def test_a_misspelled_required_key_is_named_before_the_key_that_is_missing(refusal):
    text = "pool: {tokens: 100}\nworkload:\n  - request: r\n    promt: 3\n    output: 1\n"
    assert refusal(text) == "f.yaml:4:5: unknown key `promt`; did you mean `prompt`?"


def test_the_place_counts_characters_not_bytes(refusal):
    assert refusal('{"größen": "ß", zzz: 1}\n').startswith("f.yaml:1:2: unknown key `größen`; ")
    assert refusal('{about: "größe", zzz: 1}\n').startswith("f.yaml:1:18: unknown key `zzz`; ")
