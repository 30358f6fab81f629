"""Playing ops.jsonl: the same events again, and one line for a record that is damaged."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sim.config import LatencyConfig, PoolConfig, RunConfig, SchedulerConfig, SpeculativeConfig
from sim.errors import InputError
from sim.replay import Changes, replay
from sim.run import Options, run_paths
from sim.typed import Mistyped, build

FLEET = """\
name: fleet
seed: 3
pool: {tokens: 640, page_size: 4, rows: 24}
scheduler: {max_running: 8, overlap: true, speculative: {algorithm: eagle}, chunked_prefill: 32}
workload:
  - fleet:
      {name: f, sessions: 8, turns: 3, think: {exponential: {mean: 0.8, max: 4}}, start: {uniform: [0, 1]},
       timeout: 1, prompt: {uniform: [5, 20]}, output: {uniform: [2, 12]}, abort_rate: 0.2, rounds: 2}
  - poisson: {name: p, rate: 20/s, count: 40, prompt: {uniform: [5, 30]}, output: {uniform: [2, 20]}}
inject:
  - {retract: all, at: 0.7s}
"""


@pytest.fixture
def recorded(tmp_path):
    """Runs a scenario; gives its folder."""

    def record(text, variant="default"):
        (tmp_path / "scenario.yaml").write_text(text)
        ((_, result),) = run_paths([tmp_path / "scenario.yaml"], Options(out=tmp_path / "out"))
        return result.folder

    return record


@pytest.fixture(scope="module")
def ops(tmp_path_factory):
    """The lines of one small record, to be damaged."""
    folder = tmp_path_factory.mktemp("ops")
    (folder / "s.yaml").write_text(
        "name: s\npool: {tokens: 100, rows: 4}\n"
        "workload: [{session: a, timeout: 5s, turns: [{prompt: 9, output: 3}]}]\n"
        "inject: [{retract: a/1, at: 0.02s}]\n"
    )
    ((_, result),) = run_paths([folder / "s.yaml"], Options(out=folder))
    return (result.folder / "ops.jsonl").read_text().splitlines(keepends=True)


@pytest.fixture
def damaged(tmp_path, ops, monkeypatch):
    """Replays the record with one line changed; gives the complaint without the path."""

    def complaint(number, change):
        lines = list(ops)
        lines[number - 1] = change(lines[number - 1])
        path = tmp_path / "ops.jsonl"
        path.write_text("".join(lines))
        monkeypatch.setattr("sim.recorded.machine_memory", lambda: 16 << 30)
        with pytest.raises(InputError) as caught:
            replay(path)
        text = str(caught.value)
        assert text.startswith(f"{path}:")
        assert "\n" not in text
        return text.removeprefix(f"{path}:")

    return complaint


def test_a_replay_leaves_the_same_events_and_operations(recorded, tmp_path):
    folder = recorded(FLEET)
    result = replay(folder / "ops.jsonl", Changes(out=tmp_path / "again"))
    assert result.folder == tmp_path / "again" / "fleet" / "default"
    for name in ("events.jsonl", "ops.jsonl", "series.npz"):
        assert (result.folder / name).read_bytes() == (folder / name).read_bytes()
    kinds = {json.loads(line)["kind"] for line in (folder / "events.jsonl").open()}
    assert kinds >= {"open", "submit", "abort", "close", "retract", "reap", "prefill", "decode", "idle"}


def test_a_replay_on_another_release_is_another_run(recorded):
    folder = recorded(
        "pool: {tokens: 1000, rows: 8}\nscheduler: {overlap: false}\n"
        "workload: [{session: a, turns: [{prompt: 20, output: 12}]}]\n"
        "inject: [{retract: a/1, when: {decoded: 6}}]\n"
    )
    assert replay(folder / "ops.jsonl").verdicts == ()
    (leak,) = replay(folder / "ops.jsonl", Changes(revert=(22862,))).verdicts
    assert (leak.verdict, leak.size) == ("leak", -1)


def test_a_replay_of_work_that_got_stuck_is_stuck(recorded):
    folder = recorded(
        "pool: {tokens: 100, rows: 4, context: 90}\nworkload:\n"
        "  - {session: a, turns: [{prompt: 60, output: 10}]}\n"
        "  - {request: r, prompt: 60, output: 10, at: 5s}\n"
    )
    result = replay(folder / "ops.jsonl")
    assert ([v.verdict for v in result.verdicts], result.status) == (["stuck"], 3)


def test_a_run_that_ended_while_something_waited_is_not_stuck_when_replayed(recorded):
    folder = recorded(
        "pool: {tokens: 100, rows: 4, context: 90}\nuntil: 20s\nworkload:\n"
        "  - {session: a, turns: [{prompt: 60, output: 10}], close: 30s}\n"
        "  - {request: r, prompt: 60, output: 10, at: 5s}\n"
    )
    result = replay(folder / "ops.jsonl")
    assert (result.verdicts, result.status) == ((), 0)


def test_an_unaudited_replay_makes_no_checks(recorded):
    result = replay(recorded(FLEET) / "ops.jsonl", Changes(audit="off"))
    assert (result.checks, result.verdicts) == (0, ())


def field(name, value):
    return lambda line: json.dumps({**json.loads(line), name: value}) + "\n"


def inside(*path, value):
    def change(line):
        data = whole = json.loads(line)
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value
        return json.dumps(whole) + "\n"

    return change


@pytest.mark.parametrize(
    ("number", "change", "complaint"),
    [
        (1, lambda _: "[]\n", "1:1: this line is no JSON object; record the run again"),
        (1, lambda _: "{}\n", "1:1: no record of kvledger; write the path of an ops.jsonl"),
        (1, field("kvledger", 2), "1:2: no record of kvledger; write the path of an ops.jsonl"),
        (1, field("config", None), "1:127: config is not an object; record the run again"),
        (1, field("config", {}), "1:137: `pool` is missing; write e.g. `pool: {tokens: 1000}`"),
        (
            1,
            inside("config", "pool", "tokens", value="many"),
            "1:157: `tokens`: `many` is no whole number; write e.g. 1000",
        ),
        (1, inside("config", "pool", "tokens", value=-5), "1:157: `tokens`: `-5` is too small; write 8 or more"),
        (1, inside("config", "pool", "tokens", value=7), "1:157: `tokens`: `7` is too small; write 8 or more"),
        (1, inside("config", "pool", "rows", value=0), "1:186: `rows`: `0` is too small; write 1 or more"),
        (
            1,
            inside("config", "pool", "page_size", value=7),
            "1:175: page_size 7 does not divide the 100 tokens of the pool; write `tokens: 98` or `tokens: 105`",
        ),
        (
            1,
            inside("config", "pool", "tokens", value=2_000_000_000),
            "1:157: this needs about 74.5 GiB of memory, the machine has 16.0 GiB; write fewer tokens or rows, a "
            "shorter context, or a smaller model",
        ),
        (1, inside("config", "pool", "swa", value={"ratio": 0.5}), "ratio is not known here; leave it out"),
        (1, lambda _: '{"kvledger":1,"config":' + '{"a":' * 600 + "1" + "}" * 601 + "\n", "1:1: nested too deep"),
        (1, lambda _: '{"kvledger":1,"t":' + "9" * 5000 + "}\n", "1:1: a number here is too long; record the run"),
        (1, inside("config", "scheduler", "overlap", value="yes"), "overlap is 'yes'; write true or false"),
        (
            1,
            inside("config", "scheduler", "idle_check", value="x"),
            "idle_check is 'x'; write one of raise, warn",
        ),
        (1, inside("config", "colour", value=1), "colour is not known here; leave it out"),
        (1, field("release", "sglang-9"), "1:1: unknown release 'sglang-9'; write"),
        (1, field("policy", "/tmp/x.py:X"), "1:1: this run used a policy; write --policy /tmp/x.py:X"),
        (2, field("op", "reboot"), "2:2: 'reboot' is no operation; write one of open, submit, abort, close"),
        (2, field("t", "soon"), "2:16: t is 'soon'; write a number"),
        (2, field("t", -1.0), "2:16: t is -1.0; write zero or more"),
        (2, lambda line: line.replace("0.0", "NaN"), "t is nan; write zero or more"),
        (2, field("session", 7), "session is 7; write text"),
        (3, field("request", [1]), "request is not an object"),
        (3, inside("request", "max_new", value="3"), "max_new is '3'; write a whole number"),
        (3, inside("request", "prompt", value=[{"name": "x"}]), "length is missing"),
        (4, field("t", 1e300), "t is 1e+300; write zero or more"),
        (6, field("t", 0.0), "6:16: t goes back from 0.01045 to 0.0; put the lines in order"),
        (5, lambda line: line[:9] + "\n", "5:10: this is not JSON"),
        (5, lambda _: "\xff\xfe\n", "5:1: this is not JSON"),
        (5, lambda _: "\n", "5:1: this is not JSON"),
        (5, lambda _: "[" * 100_000 + "\n", "5:1: nested too deep"),
    ],
)
def test_a_wrong_line_is_refused_with_its_place(damaged, number, change, complaint):
    text = damaged(number, change)
    assert text.startswith(f"{number}:")
    assert complaint in text


def test_a_record_cannot_write_outside_the_output_folder(tmp_path, ops):
    path = tmp_path / "ops.jsonl"
    path.write_text("".join([field("scenario", "../../etc")(ops[0]), *ops[1:]]))
    with pytest.raises(InputError, match=r"the name '\.\./\.\./etc' is no folder name"):
        replay(path, Changes(out=tmp_path / "out"))


def test_a_cut_off_last_line_is_named(tmp_path, ops):
    path = tmp_path / "ops.jsonl"
    path.write_text("".join(ops)[:-5])
    with pytest.raises(InputError) as caught:
        replay(path)
    column = len(ops[-1]) - 4
    assert str(caught.value) == (
        f"{path}:{len(ops)}:{column}: this line is cut off; delete it, or record the run again"
    )


def test_a_missing_final_line_feed_does_no_harm(tmp_path, ops):
    path = tmp_path / "ops.jsonl"
    path.write_text("".join(ops)[:-1])
    assert replay(path).ok


def test_an_empty_record_is_one_line(tmp_path):
    path = tmp_path / "ops.jsonl"
    path.touch()
    with pytest.raises(InputError, match=r"ops\.jsonl:1:1: the file is empty; record the run again$"):
        replay(path)


def test_a_record_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(
        InputError, match=r"nothing:1:1: no such file or directory; write the path of an ops\.jsonl$"
    ):
        replay(tmp_path / "nothing")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 4000), junk=st.binary(max_size=6))
@example(cut=0, junk=b"\x00")
def test_bytes_thrown_into_a_record_never_give_a_traceback(tmp_path, ops, cut, junk):
    data = "".join(ops).encode()
    cut %= len(data)
    path = tmp_path / "ops.jsonl"
    path.write_bytes(data[:cut] + junk + data[cut + len(junk) :])
    assert len(complaint_about(path)) <= 1


@pytest.mark.parametrize("name", ["tiny", "lru", "fcfs"])
def test_a_name_that_nothing_bears_is_told(tmp_path, ops, name):
    path = tmp_path / "ops.jsonl"
    path.write_text("".join(ops).replace(f'"{name}"', '"nothing"'))
    (line,) = complaint_about(path)
    assert line.startswith(f"{path}:1:")
    assert re.search(f"['`]nothing['`]; write one of .*{name}", line)


def complaint_about(path):
    """The lines that a replay complains with; none if it is played."""
    try:
        replay(path)
    except InputError as error:
        return str(error).splitlines()
    return []


configs = st.builds(
    RunConfig,
    pool=st.builds(PoolConfig, tokens=st.integers(1, 1 << 40), rows=st.integers(1, 99)),
    scheduler=st.builds(
        SchedulerConfig,
        chunked_prefill=st.none() | st.integers(1, 512),
        speculative=st.none() | st.builds(SpeculativeConfig, steps=st.integers(1, 8)),
        conservativeness=st.floats(0, 9),
    ),
    latency=st.builds(LatencyConfig, idle=st.floats(0, 1)),
    audit=st.sampled_from(["off", "idle", "step", "event"]),
)


@given(configs)
def test_a_configuration_survives_json(config):
    from dataclasses import asdict

    assert build(RunConfig, json.loads(json.dumps(asdict(config)))) == config


def test_a_missing_key_is_named():
    with pytest.raises(Mistyped, match="tokens is missing"):
        build(PoolConfig, {"rows": 3})
