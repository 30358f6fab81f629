"""A case written down as a scenario is read back as the same case, and is pleasant to read."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.releases import DEFAULT_RELEASE
from sim.cases.case import draw_case
from sim.config import (
    LatencyConfig,
    MambaConfig,
    PoolConfig,
    RunConfig,
    SchedulerConfig,
    SpeculativeConfig,
    SwaConfig,
    TestRetractConfig,
)
from sim.engines.marks import REAP, STEP
from sim.engines.protocol import Request
from sim.operations import Abort, Close, Expire, Open, Refuse, Retract, Submit
from sim.play import play
from sim.recorded import Recorded
from sim.run import Options, run_variant
from sim.scenario import ScenarioError
from sim.scenario.loader import load_text
from sim.scenario.model import ExpectVerdict
from sim.scenario.writer import scenario_text, spelled_config
from sim.setup import Identity, Stage
from sim.world import Segment

PLAIN = RunConfig(pool=PoolConfig(tokens=1000))
IDENTITY = Identity(scenario="x", variant="y", release=DEFAULT_RELEASE)
STEPPED = ((0.0, STEP),)


def written(config=PLAIN, actions=STEPPED, name="case", about="what it shows", identity=IDENTITY, expect=()):
    return scenario_text(
        name=name, about=about, identity=identity, config=config, actions=actions, expect=expect
    )


def read(text):
    return load_text(text, "f.yaml", memory=1 << 40)


def read_back(actions):
    return read(written(actions=actions)).variants["default"].operations


def accepted(seeds):
    """The drawn cases that a scenario can have, with the scenario of each."""
    for seed in seeds:
        case = draw_case(seed)
        try:
            yield case, read(written(case.config, case.actions))
        except ScenarioError:
            continue


def test_drawn_cases_come_back_as_they_were():
    count = 0
    for case, scenario in accepted(range(100)):
        variant = scenario.variants["default"]
        assert (variant.config, variant.operations) == (case.config, case.actions), case.seed
        count += 1
    assert count >= 80


def test_a_written_case_has_the_verdicts_of_its_actions():
    identity = Identity(scenario="x", variant="y", release=DEFAULT_RELEASE, revert=(22862,))
    found = set()
    for case, _ in accepted(range(40)):
        with Stage(identity, case.config, None) as stage:
            ending = play(stage.driver, case.actions, case.config)
            stage.end(ending)
            straight = stage.conclude(ending)
        scenario = read(written(case.config, case.actions, identity=identity))
        result = run_variant(scenario, scenario.variants["default"])
        assert [v.to_json() for v in result.verdicts] == [v.to_json() for v in straight.verdicts], case.seed
        assert (result.events, result.ending) == (straight.events, straight.ending)
        found |= {v.verdict for v in result.verdicts}
    assert found > {"leak"}


def test_a_recorded_run_written_as_operations_leaves_the_same_events(tmp_path):
    scenario = read(
        "name: fleet\npool: {tokens: 640, page_size: 4, rows: 24}\nseed: 3\n"
        "scheduler: {speculative: {}, chunked_prefill: 32}\nworkload:\n  - fleet: {name: f, sessions: 6, turns: 3,"
        " think: {uniform: [0, 2]}, timeout: 1, prompt: {uniform: [5, 20]}, output: 9, abort_rate: 0.2}\n"
        "inject: [{retract: all, at: 0.7s}]\n"
    )
    first = run_variant(scenario, scenario.variants["default"], Options(out=tmp_path / "first"))
    with Recorded(first.folder / "ops.jsonl") as recorded:
        actions = [(line.time, line.what) for line in recorded.lines()]
        scenario = read(written(recorded.config, actions))
    second = run_variant(scenario, scenario.variants["default"], Options(out=tmp_path / "second"))
    names = ("events.jsonl", "series.npz")
    assert [(first.folder / n).read_bytes() for n in names] == [(second.folder / n).read_bytes() for n in names]
    assert REAP in [what for _, what in actions]


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)
odd_names = st.sampled_from(
    ["on", "yes", "1e3", "1_0", "0x1f", "12", "-1", ".5", "~", "null", "True", "a: b", "a #b", "<<", "=", "*a", "&a",
     "!t", "- a", "? a", "{a", "a}", "[a]", "a, b", "'", '"', "%", "@a", "`", "|", ">", "a:", ":a", "größe", "日本",
     "🙂", "a\nb", "\t", "a\x00b", "\u2028a", "\x85a", "\ufeffa", " a ", "2026-01-01", "1:30", "all", "x" * 200]
).filter(str.strip)  # fmt: skip
rids = names | odd_names
lengths = st.integers(1, 1 << 24)
requests = st.builds(
    Request,
    rid=rids,
    prompt=st.lists(st.builds(Segment, name=rids, length=lengths), min_size=1, max_size=3).map(tuple),
    max_new=st.integers(0, 1 << 24),
    session=st.none() | rids,
    priority=st.none() | st.integers(-1_000_000, 1_000_000),
    ignore_eos=st.booleans(),
    stop_at=st.none() | lengths,
    accept=st.lists(st.integers(1, 64), min_size=1, max_size=3).map(tuple) | st.floats(0, 1),
)
seconds = st.floats(1e-9, 1e9)
operations = st.one_of(
    st.just(STEP),
    st.just(REAP),
    st.builds(Submit, what=requests),
    st.builds(Open, session=rids, timeout=st.none() | seconds),
    st.builds(Abort, request=rids),
    st.builds(Close, session=rids),
    st.builds(Expire, session=rids),
    st.builds(Refuse, request=rids, times=st.integers(1, 9)),
    st.builds(
        Retract,
        rids=st.none() | st.lists(rids, min_size=1, max_size=3).map(tuple),
        how=st.sampled_from(["pause", "memory"]),
    ),
)
times = st.integers(0, 10**15).map(lambda nanoseconds: nanoseconds / 10**9)


@st.composite
def timed(draw):
    what = draw(st.lists(operations, min_size=1, max_size=12))
    return tuple(zip(sorted(draw(times) for _ in what), what, strict=True))


@settings(max_examples=300, deadline=None)
@given(timed())
def test_any_operations_come_back_as_they_were(actions):
    assert read_back(actions) == actions


def test_a_recorded_time_is_spelled_to_the_nanosecond():
    now, actions = 0.0, []
    for number in range(2000):
        now = round(now + 0.010_05 + number * 1e-9, 9)
        actions.append((now, STEP))
    assert read_back(actions) == tuple(actions)


@pytest.mark.parametrize(
    "about", ["on", "1e3", "a: b", "it's #1", "größe 日本 🙂", "two\nlines", "x " * 200, "- [", "y"]
)
def test_words_are_quoted_where_yaml_would_misread_them(about):
    text = written(about=about)
    assert read(text).about == about
    assert yaml.safe_load(text)["about"] == about


configs = st.builds(
    RunConfig,
    pool=st.builds(
        PoolConfig,
        tokens=st.integers(8, 1 << 20),
        page_size=st.sampled_from([1, 4, 16, 128]),
        rows=st.integers(1, 99),
        context=st.integers(8, 9999),
        model=st.sampled_from(["tiny", "gpt-oss-20b"]),
        swa=st.none() | st.builds(SwaConfig, tokens=st.integers(8, 999), window=st.integers(1, 200)),
        mamba=st.none()
        | st.builds(
            MambaConfig,
            slots=st.integers(1, 99),
            strategy=st.just("extra_buffer"),
            track_interval=st.sampled_from([256, 128, 7]),
            chunk=st.sampled_from([64, 128, 5]),
        ),
    ),
    scheduler=st.builds(
        SchedulerConfig,
        max_running=st.integers(1, 99),
        chunked_prefill=st.none() | st.integers(1, 512),
        overlap=st.booleans(),
        eviction=st.sampled_from(["lru", "filo"]),
        conservativeness=st.floats(0, 9),
        test_retract=st.none() | st.builds(TestRetractConfig, interval=st.integers(1, 4)),
        speculative=st.none()
        | st.builds(SpeculativeConfig, steps=st.integers(1, 8), topk=st.integers(1, 3), draft=st.integers(1, 9)),
        waiting_timeout=st.none() | st.floats(1e-6, 1e6),
        retract_steps=st.integers(0, 40),
        session_gate=st.booleans(),
    ),
    latency=st.builds(LatencyConfig, idle=st.floats(1e-9, 1), decode_base=st.floats(0, 1)),
    seed=st.integers(0, (1 << 63) - 1),
)


@settings(max_examples=150, deadline=None)
@given(configs)
def test_any_configuration_comes_back_as_it_was_or_is_refused_as_impossible(config):
    text = written(config)
    try:
        found, reason = read(text).variants["default"].config, ""
    except ScenarioError as refusal:
        found, reason = config, refusal.what
    assert found == config
    # Settings may not go together; every single one can be written.
    assert not re.search("unknown|no number|no whole number|no duration|too (small|large)", reason)


def test_what_goes_without_saying_is_left_out():
    assert spelled_config(PLAIN) == {"pool": {"tokens": 1000}}
    pool = PoolConfig(tokens=800, page_size=128, rows=8, swa=SwaConfig(tokens=640, window=128), mamba=MambaConfig(
        slots=16, strategy="extra_buffer", chunk=128,
    ))  # fmt: skip
    knobs = SchedulerConfig(max_running=3, speculative=SpeculativeConfig(), session_gate=False)
    assert spelled_config(RunConfig(pool=pool, scheduler=knobs)) == {
        "pool": {
            "tokens": 800, "page_size": 128, "rows": 8, "swa": {"tokens": 640, "window": 128},
            "mamba": {"slots": 16, "strategy": "extra_buffer"},
        },
        "scheduler": {"speculative": {"steps": 3}, "session_gate": False},
    }  # fmt: skip


def test_a_case_looks_as_a_person_would_write_it():
    turn = Request(rid="a/1", prompt=(Segment(name="a/1", length=20),), max_new=12, session="a")
    shared = Request(
        rid="r1", prompt=(Segment(name="x", length=16), Segment(name="r1", length=5)), max_new=3, stop_at=2,
        ignore_eos=True, priority=5, accept=(1, 3),
    )  # fmt: skip
    actions = [
        (0.0, Open(session="a", timeout=0.87)), (0.0, Submit(what=turn)), (0.0, Submit(what=shared)),
        *[(0.0, STEP)] * 3, (0.0, Retract(rids=("a/1",), how="pause")), (0.5, STEP), (0.5, STEP), (0.6, STEP),
        (0.6, Refuse(request="a/2", times=2)), (0.6, Abort(request="a/1")), (0.6, Expire(session="a")), (1.0, REAP),
        (1.0, Retract(rids=None, how="memory")), (1.0, Close(session="a")),
    ]  # fmt: skip
    config = RunConfig(pool=PoolConfig(tokens=1000, rows=8), scheduler=SchedulerConfig(max_running=8, overlap=False))
    identity = Identity(scenario="", variant="", release="sglang-0.5.11", revert=(22862,), decide={"abort": "save"})
    leak = ExpectVerdict(verdict="leak", pool="full", size=-1)
    text = written(config, actions, identity=identity, expect=[leak, ExpectVerdict(verdict="silent", count=2)])
    assert text == """\
name: case
about: what it shows
release: sglang-0.5.11
revert: [22862]
decide: {abort: save}
pool: {tokens: 1000, rows: 8}
scheduler: {overlap: false}
operations:
  - {open: a, timeout: 0.87}
  - {submit: a/1, session: a, prompt: 20, output: 12}
  - {submit: r1, prompt: [{x: 16}, {r1: 5}], output: 3, stop_at: 2, ignore_eos: true, priority: 5, accept: [1, 3]}
  - {step: 3}
  - {retract: a/1}
  - {wait: 0.5}
  - {step: 2}
  - {wait: 0.1}
  - {step: 1}
  - {refuse: a/2, times: 2}
  - {abort: a/1}
  - {expire: a}
  - {wait: 0.4}
  - {reap: true}
  - {retract: all, how: memory}
  - {close: a}
expect:
  default:
    - {verdict: leak, pool: full, size: -1}
    - {verdict: silent, count: 2}
"""
    variant = read(text).variants["default"]
    assert (variant.release, variant.revert, variant.decide) == (identity.release, (22862,), {"abort": "save"})
    assert [(e.verdict, e.size, e.count) for e in variant.expect.verdicts] == [("leak", -1, None), ("silent", None, 2)]


def test_one_expectation_stands_on_one_line():
    text = written(expect=[ExpectVerdict(verdict="clean")])
    assert text.endswith("expect:\n  default: {verdict: clean}\n")
    assert read(text).variants["default"].expect.verdicts == (ExpectVerdict(verdict="clean"),)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"identity": Identity(scenario="", variant="", release="r", policy="p.py:P")}, "cannot name a policy"),
        ({"config": RunConfig(pool=PoolConfig(tokens=7))}, r"pool\.tokens: "),
        (
            {"config": RunConfig(pool=PoolConfig(tokens=99, mamba=MambaConfig(slots=9)))},
            "would be read as another one",
        ),
        ({"actions": [(1.0, STEP), (0.5, STEP)]}, "no wait leads from 1.0 s to 0.5 s"),
        ({"actions": [(0.0, "stuck")]}, "'stuck' is no operation"),
    ],
)
def test_what_no_scenario_can_say_is_told(case, reason):
    with pytest.raises(ValueError, match=reason):
        written(**case)
