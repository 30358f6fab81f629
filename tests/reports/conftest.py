"""Runs made up by hand: what a clean run, a leak, a false alarm and a silent fault leave behind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="make the pictures in tests/reports/pictures anew")


@pytest.fixture
def record(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--record", default=False))


TOTAL = 1000
Story = dict[str, Any]


def story(events: int, *, total: int = TOTAL) -> Story:
    """A session's turns: prefill, decode slot by slot, park in the session; the books balance."""
    n = np.arange(events)
    phase = n % 20
    uncached = np.where(phase < 12, 10 + phase, 0)
    held = np.minimum(6 + 10 * (n // 20), total // 5)
    protected = np.full(events, 20)
    evictable = 2 * (n // 40) % 50
    available = total - uncached - held - protected - evictable
    return {
        "event": n + 1,
        "t": np.round(0.008 * (n + 1), 9),
        "it": n,
        "full": np.column_stack([available, evictable, protected, held, uncached]),
        "lost": np.zeros(events, dtype=np.int64),
        "extra": np.zeros(events, dtype=np.int64),
        "delta": np.zeros(events, dtype=np.int64),
        "running": (phase < 12).astype(np.int64),
        "waiting": np.zeros(events, dtype=np.int64),
        "full_total": np.int64(total),
    }


def shift(made: Story, start: int, stop: int | None, term: int, by: int, *, true: bool) -> None:
    """From event `start` on, one term is off by `by`; with `true` the slots really are lost or double."""
    at = slice(start - 1, None if stop is None else stop - 1)
    made["full"][at, term] += by
    made["delta"][at] += by
    if true:
        made["lost" if by < 0 else "extra"][at] += abs(by)


def fault(kind: str, size: int, began: int, seen: int | None, **more: Any) -> dict[str, Any]:
    """One entry of verdicts.json."""
    return {
        "verdict": kind,
        "pool": "full",
        "size": size,
        "event": began,
        "iteration": began - 1,
        "time": 0.008 * began,
        "request": "a/2",
        "session": "a",
        "invariant": "INV-1",
        "cause": {
            "what": "prefill overwrote row[25:26)",
            "event": began,
            "iteration": began - 1,
            "time": 0.008 * began,
            "op": "step",
            "request": "a/2",
            "session": "a",
            "slots": [26],
            "count": 1,
        },
        "detected_by": "never" if seen is None else "busy check",
        "detected_event": seen,
        "latency_events": None if seen is None else seen - began,
        "detected_iteration": None if seen is None else seen - 1,
        "message": "[full] total=1000, available=963, evictable=0, protected=20, session_held=0, uncached=16",
    } | more


def save(
    folder: Path,
    made: Story,
    verdicts: list[dict[str, Any]] | None = None,
    *,
    scenario: str = "tail",
    unmet: tuple[str, ...] = (),
    expects: bool = True,
    release: str = "sglang-0.5.11",
    reverted: tuple[int, ...] = (),
) -> Path:
    """Write a run's folder the way a run does; the variant is the folder's name."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "series.npz", **made)
    outcome = {
        "release": release,
        "reverted": list(reverted),
        "engine": "model",
        "events": len(made["event"]),
        "checks": len(made["event"]),
        "iterations": len(made["event"]),
        "ok": not unmet if expects else not verdicts,
        "verdicts": verdicts or [],
        "expected": [{"verdict": "as it came"}] if expects else [],
        "unmet": list(unmet),
    }
    document = {"scenario": scenario, "variants": {folder.name: outcome}}
    (folder / "verdicts.json").write_text(json.dumps(document))
    meta = {
        "versions": {"kvledger": "0.1.0", "python": "3.11.7"},
        "seed": 7,
        "device": "cpu",
        "config": {"pool": {"tokens": 1000, "page_size": 1}},
        "replay": "kvledger replay ops.jsonl",
    }
    (folder / "meta.json").write_text(json.dumps(meta))
    lines = (
        json.dumps({"event": n, "t": 0.008 * n, "it": n - 1, "kind": "decode", "batch": 2, "full": terms})
        for n, terms in zip(made["event"].tolist(), made["full"].tolist(), strict=True)
    )
    (folder / "events.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


def four_kinds(scenario: Path, events: int = 120) -> Path:
    """A scenario folder with one variant of each kind that must be told apart."""
    name = scenario.name
    save(scenario / "clean", story(events), scenario=name)
    leak = story(events)
    faults = []
    for retry in range(5):
        began = 21 + 20 * retry
        shift(leak, began, None, 0, -1, true=True)
        faults.append(fault("leak", -1, began, began))
    save(scenario / "leak", leak, faults, scenario=name, reverted=(22862,))
    alarm = story(events)
    shift(alarm, 41, 53, 3, 6, true=False)
    save(scenario / "false-alarm", alarm, [fault("false-alarm", 6, 41, 45)], scenario=name, reverted=(22753,))
    silent = story(events)
    silent["lost"][60:] = 3
    silent["extra"][60:] = 3
    save(scenario / "silent", silent, [fault("silent", 3, 61, None, invariant="INV-3")], scenario=name)
    return scenario


@pytest.fixture
def make_story() -> Callable[..., Story]:
    return story


@pytest.fixture
def shift_term() -> Callable[..., None]:
    return shift


@pytest.fixture
def make_fault() -> Callable[..., dict[str, Any]]:
    return fault


@pytest.fixture
def save_run() -> Callable[..., Path]:
    return save


@pytest.fixture
def scenario_of_four(tmp_path: Path) -> Path:
    return four_kinds(tmp_path / "tail")


def with_states(made: Story, *, size: int = 24) -> Story:
    """The same story with a pool of states beside it: one for each turn that runs."""
    running = made["running"]
    terms = np.column_stack([size - running, *np.zeros((3, len(running)), dtype=np.int64), running])
    none = np.zeros(len(running), dtype=np.int64)
    more = {"mamba": terms, "mamba_lost": none, "mamba_extra": none.copy(), "mamba_delta": none.copy()}
    return made | more | {"mamba_total": np.int64(size)}


@pytest.fixture
def states_too() -> Callable[..., Story]:
    return with_states
