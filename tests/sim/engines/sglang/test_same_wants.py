"""What runs short, and what the tree counts wrongly: both engines name the same pool and the same node."""

import pytest

from sim.engines.select import Choice, Engines
from sim.run import Options, load_all, run_variant

RELEASES = {"sglang-0.5.10": "0.5.10.post1", "sglang-0.5.11": "0.5.11"}
IDLE_SESSION = """
  - {session: a, turns: [{prompt: 60, output: 9}]}
  - {request: r, prompt: 40, output: 9, at: 1s}
"""
WANTS = {
    "state": ("{tokens: 1000, rows: 8, mamba: {slots: 1}}", "\n  - {request: r, prompt: 20, output: 6}", "mamba"),
    "running state": (
        "{tokens: 1000, rows: 8, mamba: {slots: 3}}",
        "".join(f"\n  - {{request: r{n}, prompt: 20, output: 6}}" for n in range(4)),
        "mamba",
    ),
    "snapshot": (
        "{tokens: 1000, rows: 8, mamba: {slots: 4, strategy: extra_buffer}}",
        "".join(f"\n  - {{request: r{n}, prompt: 20, output: 6}}" for n in range(2)),
        "mamba",
    ),
    "row": ("{tokens: 1000, rows: 1}", IDLE_SESSION, "rows"),
}  # fmt: skip
ROOMS = {
    "full": ("{tokens: 100, rows: 8}", IDLE_SESSION, "full"),
    "the larger half": ("{tokens: 100, rows: 8, swa: {tokens: 100, window: 8}}", IDLE_SESSION, "full"),
    "the smaller half": (
        "{tokens: 400, rows: 8, swa: {tokens: 200, window: 300}}", "\n  - {request: r, prompt: 20, output: 250}", "swa",
    ),
}  # fmt: skip
PARKED = (
    "{{tokens: 200, rows: 4, swa: {{tokens: 38, window: 16}}}}",
    """
  - {{session: a, turns: [{{prompt: 20, output: 1}}], timeout: {timeout}}}
  - {{request: r, prompt: 60, output: 4, at: 1s}}
""",
    "{{chunked_prefill: 16, radix: false, overlap: false, waiting_timeout: {waiting}}}",
)
REFUSED = "\n  - {request: r, prompt: 20, output: 6}\ninject: [{refuse: r, times: 1, at: 0s}]"


@pytest.fixture(scope="module")
def processes():
    made = {}
    yield made
    for engine in made.values():
        engine.close()


@pytest.fixture
def play(processes, sglang_source, tmp_path):
    """`play(release, pool, workload)`: the verdicts of the model and of the release."""

    def run(release, pool, workload, scheduler="{}"):
        file = tmp_path / "case.yaml"
        file.write_text(f"release: {release}\npool: {pool}\nscheduler: {scheduler}\nworkload:{workload}\n")
        version = RELEASES[release]
        if version not in processes:
            processes[version] = Engines(Choice(spec=f"sglang=={version}", path=sglang_source(version).path))
        (scenario,) = load_all([file])
        variant = scenario.variants["default"]
        model = run_variant(scenario, variant, Options())
        return model.verdicts, run_variant(scenario, variant, Options(), engines=processes[version]).verdicts

    return run


def told(verdicts):
    return [(v.verdict, v.invariant, v.pool, v.size, v.event, v.request, v.cause.what) for v in verdicts]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("want", WANTS)
def test_a_crash_is_about_the_pool_that_had_nothing_left(release, want, play):
    pool, workload, short = WANTS[want]
    model, real = play(release, pool, workload, f"{{max_running: {1 if want == 'row' else 4}}}")
    crash = model[-1]
    assert (crash.verdict, crash.invariant, crash.pool) == ("crash", "INV-8", short)
    assert (real[-1].verdict, real[-1].invariant, real[-1].pool) == ("crash", "INV-8", short)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("room", ROOMS)
def test_who_waits_for_ever_waits_for_the_pool_that_admission_found_short(release, room, play):
    pool, workload, short = ROOMS[room]
    model, real = play(release, pool, workload)
    (stuck,) = (v for v in model if v.verdict == "stuck")
    assert (stuck.pool, stuck.size) == (short, 1)
    assert f"admission finds no room in the {short} pool" in stuck.message
    assert told(real) == told(model)


@pytest.mark.parametrize("waiting", ["null", "5s"])
def test_a_parked_prompt_that_nothing_can_continue_is_stuck_though_no_queue_has_it(waiting, play):
    pool, workload, scheduler = (part.format(timeout="null", waiting=waiting) for part in PARKED)
    model, real = play("sglang-0.5.11", pool, workload, scheduler)
    stuck = model[-1]
    assert (stuck.verdict, stuck.pool, stuck.size, stuck.request) == ("stuck", "swa", 1, "r")
    assert stuck.cause.what == (
        "1 requests wait, the first is r, whose prompt is parked half-way; 0 run, and nothing to come can change that: "
        "admission finds no room in the swa pool"
    )
    assert told(real) == told(model)


def test_a_parked_prompt_goes_on_when_the_session_that_holds_its_window_is_closed(play):
    pool, workload, scheduler = (part.format(timeout="9s", waiting="null") for part in PARKED)
    for verdicts in play("sglang-0.5.11", pool, workload, scheduler):
        assert "stuck" not in {v.verdict for v in verdicts}


@pytest.mark.parametrize("release", RELEASES)
def test_where_nothing_was_short_no_pool_is_blamed(release, play):
    model, real = play(release, "{tokens: 1000, rows: 8}", REFUSED)
    assert [(v.verdict, v.pool) for v in model] == [("stuck", "full")]
    assert "no room" not in model[0].message
    assert told(real) == told(model)


def test_a_leaf_without_its_windowed_half_is_named(play):
    pool = "{tokens: 1024, page_size: 16, rows: 8, swa: {tokens: 512, window: 5}}"
    model, real = play("sglang-0.5.10", pool, "\n  - {request: r, prompt: 20, output: 40}")
    (alarm,) = (v for v in model if v.verdict == "false-alarm")
    assert (alarm.pool, alarm.size) == ("swa", 32)
    assert alarm.cause.what == (
        "the tree's node of positions 16 to 47, slots 32–63, owns 0 SWA tokens, the books count 32 in evictable"
    )
    assert told(real) == told(model)
