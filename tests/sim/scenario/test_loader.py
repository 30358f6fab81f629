"""A right scenario becomes the dataclasses of a run, every key of the grammar with its figures."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sim.config import LatencyConfig, SpeculativeConfig, TestRetractConfig
from sim.scenario import distributions as d
from sim.scenario.model import (
    Bursty,
    ExpectVerdict,
    Fleet,
    Injection,
    Poisson,
    Prefix,
    ScriptedSession,
    SingleRequest,
    Trigger,
    Turn,
    Until,
)

POOL = "pool: {tokens: 1000}\n"
SESSION = "workload:\n  - session: a\n    turns: [{prompt: 20, output: 12}, {prompt: 1, output: 4}]\n"
BASE = POOL + SESSION


def only(scenario, text):
    """The only variant of a scenario."""
    (variant,) = scenario(text).variants.values()
    return variant


def workload(scenario, text):
    """The only source of a workload."""
    (source,) = only(scenario, f"{POOL}workload: [{text}]\n").workload
    return source


def injected(scenario, text):
    """The only injection into session a."""
    (injection,) = only(scenario, f"{BASE}inject: [{text}]\n").inject
    return injection


def test_the_shortest_scenario_gets_the_defaults(scenario):
    variant = only(scenario, BASE)
    assert variant.name == "default"
    assert variant.release == "sglang-0.5.11"
    assert (variant.revert, variant.add, variant.decide) == ((), (), {})
    assert variant.until == Until()
    assert variant.expect is None
    assert variant.config.seed == 0
    assert variant.config.pool.model == "tiny"


def test_the_name_is_the_files_where_none_is_given(scenario):
    assert scenario(BASE).name == "my-scenario"
    assert scenario("name: chat\nabout: two turns\n" + BASE).name == "chat"
    assert scenario("about: two turns\n" + BASE).about == "two turns"


def test_the_pool_is_configured(scenario):
    pool = only(
        scenario,
        f"model: llama-3-8b\npool: {{tokens: 1024, page_size: 16, rows: 8, context: 512}}\n{SESSION}",
    ).config.pool
    assert (pool.tokens, pool.page_size, pool.rows, pool.context, pool.model) == (
        1024,
        16,
        8,
        512,
        "llama-3-8b",
    )


def test_the_scheduler_is_configured(scenario):
    text = (
        "scheduler: {max_running: 8, chunked_prefill: 512, overlap: false, waiting_timeout: 30s,"
        " radix: false, test_retract: {interval: 5}}\n"
    )
    scheduler = only(scenario, BASE + text).config.scheduler
    assert (scheduler.max_running, scheduler.chunked_prefill, scheduler.overlap) == (8, 512, False)
    assert (scheduler.waiting_timeout, scheduler.radix) == (30.0, False)
    assert scheduler.test_retract == TestRetractConfig(interval=5)


def test_no_more_run_than_there_are_rows(scenario):
    text = f"pool: {{tokens: 1000, rows: 8}}\n{SESSION}"
    assert only(scenario, text).config.scheduler.max_running == 8


@pytest.mark.parametrize(
    ("spelled", "config"),
    [
        ("{}", SpeculativeConfig(steps=3, topk=1, draft=4)),
        ("{steps: 5}", SpeculativeConfig(steps=5, topk=1, draft=6)),
        ("{algorithm: eagle, draft: 4}", SpeculativeConfig(steps=3, topk=1, draft=4)),
        ("{steps: 5, topk: 4, draft: 8}", SpeculativeConfig(steps=5, topk=4, draft=8)),
    ],
)
def test_speculation_verifies_one_token_more_than_it_drafts_when_topk_is_1(scenario, spelled, config):
    text = f"{BASE}scheduler: {{overlap: false, speculative: {spelled}}}\n"
    assert only(scenario, text).config.scheduler.speculative == config


def test_latency_is_read_as_durations(scenario):
    latency = only(scenario, BASE + "latency: {decode_base: 20ms, idle: 0.5}\n").config.latency
    assert latency == LatencyConfig(decode_base=0.02, idle=0.5)


@pytest.mark.parametrize(
    ("spelled", "until"),
    [
        ("60s", Until(time=60.0)),
        ("90", Until(time=90.0)),
        ("{iterations: 5000}", Until(iterations=5000)),
        ("{time: 1m, iterations: 10}", Until(time=60.0, iterations=10)),
        ("null", Until()),
    ],
)
def test_a_run_can_be_bounded_by_time_or_iterations(scenario, spelled, until):
    assert only(scenario, f"{BASE}until: {spelled}\n").until == until


def test_a_scripted_session(scenario):
    session = workload(
        scenario,
        "{session: a, open: 1s, timeout: 30s, close: 12s, turns: ["
        "{prompt: 20, output: 12, stop: 5, accept: [3, 4], prefix: {name: sys, tokens: 64}},"
        "{prompt: 1, output: 2, think: 0.5s, accept: {rate: 0.7}, priority: 3, ignore_eos: true},"
        "{prompt: 1, output: 2, at: 5s}]}",
    )
    first = Turn(rid="a/1", prompt=20, output=12, stop=5, accept=(3, 4), prefix=Prefix(name="sys", tokens=64))
    second = Turn(rid="a/2", prompt=1, output=2, think=0.5, accept=0.7, priority=3, ignore_eos=True)
    third = Turn(rid="a/3", prompt=1, output=2, at=5.0)
    assert session == ScriptedSession(
        name="a", open=1.0, timeout=30.0, close=12.0, turns=(first, second, third)
    )
    assert str(session.turns[1].place) == "folder/my scenario.yaml:2:152"


@pytest.mark.parametrize(("spelled", "close"), [("end", "end"), ("never", "never"), ("3s", 3.0), ("3", 3.0)])
def test_a_session_closes_at_its_end_or_never_or_at_a_time(scenario, spelled, close):
    assert (
        workload(scenario, f"{{session: a, close: {spelled}, turns: [{{prompt: 1, output: 1}}]}}").close
        == close
    )


def test_a_single_request(scenario):
    source = workload(scenario, "{request: r1, prompt: 20, output: 12, at: 0.5s, stop: 3, priority: -1}")
    assert source == SingleRequest(rid="r1", prompt=20, output=12, at=0.5, stop=3, priority=-1)


def test_poisson_arrivals(scenario):
    source = workload(
        scenario,
        "{poisson: {name: p, rate: 90/m, until: 60s, prompt: {uniform: [8, 64]}, output: 16,"
        " prefix: {pool: 4, tokens: 64}, accept: 2, priority: [0, 20]}}",
    )
    assert source == Poisson(
        name="p",
        rate=1.5,
        until=60.0,
        prompt=d.Uniform(8, 64),
        output=d.Constant(16),
        prefix=Prefix(name="p", tokens=64, pool=4),
        accept=(2,),
        priority=d.Choice((0, 20)),
    )


def test_arrivals_in_bursts(scenario):
    source = workload(
        scenario, "{bursty: {name: b, every: 5s, size: {choice: [10, 20]}, count: 3, prompt: 8, output: 4}}"
    )
    assert source == Bursty(
        name="b", every=5.0, size=d.Choice((10, 20)), count=3, prompt=d.Constant(8), output=d.Constant(4)
    )


def test_a_fleet_of_clients(scenario):
    source = workload(
        scenario,
        "{fleet: {name: f, sessions: 40, turns: {uniform: [2, 6]}, think: 2s, start: {uniform: [0s, "
        "10s]}, prompt: 8,"
        " output: 8, timeout: 90s, close: never, abort_rate: 0.02, rounds: 2, prefix: {name: sys, "
        "tokens: 9}}}",
    )
    assert source == Fleet(
        name="f",
        sessions=40,
        turns=d.Uniform(2, 6),
        think=d.Constant(2.0),
        start=d.Uniform(0.0, 10.0),
        prompt=d.Constant(8),
        output=d.Constant(8),
        timeout=90.0,
        close="never",
        abort_rate=0.02,
        rounds=2,
        prefix=Prefix(name="sys", tokens=9),
    )


@pytest.mark.parametrize(
    ("spelled", "injection"),
    [
        (
            "{retract: a/1, at: 1s}",
            Injection(action="retract", target="a/1", trigger=Trigger(kind="at", value=1.0)),
        ),
        (
            "{retract: all, how: memory, when: {iteration: 4}}",
            Injection(
                action="retract", target=None, how="memory", trigger=Trigger(kind="iteration", value=4)
            ),
        ),
        (
            "{abort: a/2, when: {decoded: 3}}",
            Injection(action="abort", target="a/2", trigger=Trigger(kind="decoded", value=3, rid="a/2")),
        ),
        (
            "{abort: a/, when: {queued: a/2}}",
            Injection(action="abort", target="a/", trigger=Trigger(kind="queued", rid="a/2")),
        ),
        (
            "{close: a, when: {turn: a/2, decoded: 3}}",
            Injection(action="close", target="a", trigger=Trigger(kind="decoded", value=3, rid="a/2")),
        ),
        (
            "{timeout: a, when: {running: a/2}}",
            Injection(action="timeout", target="a", trigger=Trigger(kind="running", rid="a/2")),
        ),
        (
            "{overlong: a, when: {finished: a/1}}",
            Injection(
                action="overlong", target="a", rid="a/overlong-1", trigger=Trigger(kind="finished", rid="a/1")
            ),
        ),
        (
            "{overlong: null, at: 0}",
            Injection(
                action="overlong", target=None, rid="overlong-1", trigger=Trigger(kind="at", value=0.0)
            ),
        ),
        (
            "{second_turn: a, prompt: 7, output: 3, at: 2s}",
            Injection(
                action="second_turn",
                target="a",
                rid="a/second-1",
                prompt=7,
                output=3,
                trigger=Trigger(kind="at", value=2.0),
            ),
        ),
        (
            "{refuse: a/2, times: 3, when: {queued: a/2}}",
            Injection(action="refuse", target="a/2", times=3, trigger=Trigger(kind="queued", rid="a/2")),
        ),
    ],
)
def test_every_injection(scenario, spelled, injection):
    assert injected(scenario, spelled) == injection


def test_the_requests_that_injections_make_are_numbered_and_can_be_waited_for(scenario):
    text = (
        "inject: [{second_turn: a, at: 0}, {second_turn: a, at: 1}, {overlong: a, at: 2},"
        " {abort: a/second-2, when: {decoded: 2}}, {close: a, when: {finished: a/overlong-1}}]\n"
    )
    rids = [injection.rid for injection in only(scenario, BASE + text).inject]
    assert rids == ["a/second-1", "a/second-2", "a/overlong-1", None, None]


@pytest.mark.parametrize(
    "rid",
    ["p-1", "p-987654", "b-60", "f1/1", "f80/6"],
    ids=["poisson", "poisson-far", "bursty", "fleet", "fleet-last"],
)
def test_a_generated_request_can_be_waited_for(scenario, rid):
    text = (
        f"{POOL}workload: [{{poisson: {{name: p, rate: 1/s, until: 60s, prompt: 8, output: 4}}}},"
        " {bursty: {name: b, every: 1s, size: {uniform: [1, 20]}, count: 3, prompt: 8, output: 4}},"
        " {fleet: {name: f, sessions: 40, rounds: 2, turns: 6, prompt: 8, output: 4}}]\n"
        f"inject: [{{abort: {rid}, when: {{decoded: 4}}}}]\n"
    )
    assert only(scenario, text).inject[0].trigger.rid == rid


@pytest.mark.parametrize("rid", ["p-4", "p-0", "p-01", "p-", "b-61", "f81/1", "f1/7", "f01/1", "f/1"])
def test_a_number_that_no_generator_reaches_is_refused(refusal, rid):
    text = (
        f"{POOL}workload: [{{poisson: {{name: p, rate: 1/s, count: 3, prompt: 8, output: 4}}}},"
        " {bursty: {name: b, every: 1s, size: 20, count: 3, prompt: 8, output: 4}},"
        " {fleet: {name: f, sessions: 40, rounds: 2, turns: 6, prompt: 8, output: 4}}]\n"
        f"inject: [{{retract: {rid}, at: 1s}}]\n"
    )
    assert f"the workload makes no request `{rid}`" in refusal(text)


def test_tokens_after_the_stop_are_never_decoded_unless_eos_is_ignored(scenario, refusal):
    text = (
        POOL
        + "workload: [{request: r, prompt: 9, output: 9, stop: 4%s}]\n"
        + "inject: [{abort: r, when: {decoded: 5}}]\n"
    )
    assert "`r` has at most 4 output tokens" in refusal(text % "")
    assert only(scenario, text % ", ignore_eos: true").inject[0].trigger.value == 5


def test_an_expectation_with_every_field(scenario):
    text = (
        "expect: {default: {verdict: leak, pool: full, size: -1, request: a/1, session: a, invariant: INV-1,"
        " detected_by: idle check, count: 2}}\n"
    )
    expected = ExpectVerdict(
        verdict="leak",
        pool="full",
        size=-1,
        request="a/1",
        session="a",
        invariant="INV-1",
        detected_by="idle check",
        count=2,
    )
    assert only(scenario, BASE + text).expect.verdicts == (expected,)


def test_an_expectation_can_be_several_verdicts_with_points(scenario):
    text = (
        "expect:\n  default:\n    - verdict: leak\n    - verdict: alias\n      points:\n"
        "        - when: {finished: a/1}\n          full: {available: 974, session_held: 6, delta: 0}\n"
        "          sessions: {a: {held: 6, c: 26, a: 26, p: 20, history: 26}}\n"
        "          requests: {a/2: {prompt: 22, decoded: 4}}\n          free_rows: 7\n"
    )
    expect = only(scenario, BASE + text).expect
    (point,) = expect.points
    assert [each.verdict for each in expect.verdicts] == ["leak", "alias"]
    assert point.trigger == Trigger(kind="finished", rid="a/1")
    assert point.full == {"available": 974, "session_held": 6, "delta": 0}
    assert point.sessions == {"a": {"held": 6, "c": 26, "a": 26, "p": 20, "history": 26}}
    assert point.requests == {"a/2": {"prompt": 22, "decoded": 4}}
    assert point.free_rows == 7
    assert point.place.line == 10


def test_variants_are_merged_key_by_key(scenario):
    text = (
        "release: sglang-0.5.11\nseed: 3\nscheduler: {max_running: 8, speculative: {steps: 5}}\n"
        "pool: {tokens: 1000, rows: 8}\n" + SESSION + "variants:\n"
        "  before: {revert: [22862], scheduler: {speculative: {steps: 2}}}\n"
        "  paged: {pool: {tokens: 1600, page_size: 16}, seed: 4, scheduler: {speculative: null}}\n"
        "  after:\n"
    )
    variants = scenario(text).variants
    before, paged, after = (variants[name] for name in ("before", "paged", "after"))
    assert list(variants) == ["before", "paged", "after"]
    assert (before.revert, after.revert) == ((22862,), ())
    assert [v.config.scheduler.max_running for v in variants.values()] == [8, 8, 8]
    assert before.config.scheduler.speculative.steps == 2
    assert paged.config.scheduler.speculative is None
    assert after.config.scheduler.speculative.steps == 5
    assert (paged.config.pool.tokens, paged.config.pool.page_size, paged.config.pool.rows) == (1600, 16, 8)
    assert [v.config.seed for v in variants.values()] == [3, 4, 3]


def test_a_list_in_a_variant_replaces_the_files(scenario):
    text = BASE + "revert: [22862]\nvariants: {both: {revert: [22753, 22862]}, none: {revert: []}}\n"
    assert [v.revert for v in scenario(text).variants.values()] == [(22753, 22862), ()]


def test_an_impossible_pair_of_settings_is_placed_where_the_variant_spells_it(refusal):
    text = BASE + "scheduler: {chunked_prefill: 500}\nvariants:\n  a: {}\n  b: {pool: {page_size: 8}}\n"
    assert refusal(text).startswith("f.yaml:5:30: page_size 8 does not divide chunked_prefill 500; ")


@pytest.mark.parametrize(
    "way_out",
    ["session_gate: false, speculative: {}", "overlap: false, speculative: {}", "speculative: null"],
)
def test_the_gate_of_0_5_10_can_be_avoided(scenario, way_out):
    assert (
        only(scenario, f"{BASE}release: sglang-0.5.10\nscheduler: {{{way_out}}}\n").release == "sglang-0.5.10"
    )


def test_importing_scenarios_imports_neither_torch_nor_pydantic():
    script = (
        "import sys, sim.scenario; print(*[m for m in ('torch', 'pydantic', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
