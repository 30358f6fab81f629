"""Folders of runs made up at random: what an export may find, equal times and wild names included."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

ITERATIONS = ("prefill", "decode", "mixed", "idle", "step")
OPERATIONS = ("open", "submit", "abort", "close", "expire", "retract", "refuse", "reap")
LISTS = ("finished", "aborted", "retracted", "refused", "closed")
REQUEST_STATES = ("queued", "prefill", "decode", "retracted", "finished", "aborted")
SESSION_STATES = ("open", "turn", "held", "closed")

_names = st.one_of(
    st.sampled_from(["a", "a/1", "=cmd|' /C calc'!A0", "-1", "+1", "@x", "'quoted", '"', "a,b", "\r\n=1", " =1", "–"]),
    st.text(max_size=6),
)
_figures = st.integers(-9, 2000)
_faults = st.sampled_from([0, 0, 0, -6, 1, 3])


@dataclass
class Folder:
    """What is in a run's files."""

    events: list[dict] = field(default_factory=list)
    lives: list[dict] | None = None
    verdicts: list[dict] | None = None
    end: float = 0.0

    def write(self, folder: Path, scenario: str = "s") -> Path:
        """Write them as a run does; the variant is the folder's name."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "events.jsonl").write_text(_lines(self.events))
        if self.lives is not None:
            (folder / "lives.jsonl").write_text(_lines(self.lives))
        if self.verdicts is not None:
            outcome = {"release": "sglang-0.5.11", "reverted": [22862], "ok": True, "verdicts": self.verdicts}
            outcome |= {"events": len(self.events), "checks": 0, "iterations": 0}
            document = {"scenario": scenario, "variants": {folder.name: outcome}}
            (folder / "verdicts.json").write_text(json.dumps(document))
            (folder / "meta.json").write_text(json.dumps({"time": self.end}))
        return folder


def _lines(objects):
    return "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in objects)


@st.composite
def _events(draw):
    pools = draw(st.sampled_from([(), ("full",), ("full", "mamba"), ("full", "swa", "mamba")]))
    events, number, iteration, now = [], 0, 0, 0.0
    for _ in range(draw(st.integers(0, 12))):
        number += draw(st.sampled_from([1, 1, 1, 4]))
        now = round(now + draw(st.sampled_from([0.0, 0.0, 1e-9, 2e-9, 0.008, 3.5])), 9)
        kind = draw(st.sampled_from(ITERATIONS + OPERATIONS))
        event = {"event": number, "t": now, "it": iteration, "kind": kind}
        if kind in ITERATIONS:
            iteration += 1
            event["it"] = iteration
            sizes = {"batch": st.integers(1, 9), "tokens": st.integers(1, 99)}
            event |= draw(st.fixed_dictionaries({}, optional=sizes))
        else:
            event |= draw(st.fixed_dictionaries({}, optional={"request": _names, "session": _names}))
        lists = st.lists(_names, min_size=1, max_size=3)
        event |= draw(st.fixed_dictionaries({}, optional=dict.fromkeys(LISTS, lists)))
        for pool in pools:
            prefix = "" if pool == "full" else f"{pool}_"
            event[pool] = draw(st.lists(_figures, min_size=5, max_size=5))
            faults = {f"{prefix}{name}": draw(_faults) for name in ("delta", "lost", "extra")}
            event |= {name: value for name, value in faults.items() if value}
        event |= {"running": draw(st.integers(0, 3)), "waiting": draw(st.integers(0, 3))}
        event |= draw(st.fixed_dictionaries({}, optional={"check": _names, "verdicts": st.just([0, 1])}))
        events.append(event)
    return events


@st.composite
def _lives(draw, events):
    lives = []
    sessions, requests = draw(st.lists(_names, min_size=1, max_size=2)), draw(st.lists(_names, min_size=1, max_size=2))
    for event in events:
        for _ in range(draw(st.sampled_from([0, 1, 1, 3]))):
            life = {"event": event["event"], "t": event["t"]}
            if draw(st.booleans()):
                life |= {"request": draw(st.sampled_from(requests)), "state": draw(st.sampled_from(REQUEST_STATES))}
                life |= draw(st.fixed_dictionaries({}, optional={"session": st.sampled_from(sessions)}))
            else:
                life |= {"session": draw(st.sampled_from(sessions)), "state": draw(st.sampled_from(SESSION_STATES))}
            lives.append(life)
    return lives


@st.composite
def _verdicts(draw, most):
    verdicts = []
    for _ in range(draw(st.integers(0, 3))):
        began = draw(st.integers(1, most))
        seen = draw(st.none() | st.integers(began, most + 3))
        cause = {"what": draw(_names), "event": began, "op": "step", "slots": [3, 4]}
        cause |= {"request": draw(st.none() | _names)}
        verdicts.append(
            {
                "verdict": draw(st.sampled_from(["leak", "false-alarm"])),
                "pool": "full",
                "size": draw(_faults),
                "event": began,
                "time": draw(st.none() | st.just(0.5)),
                "session": draw(st.none() | _names),
                "cause": draw(st.sampled_from([cause, cause, None])),
                "detected_by": "never" if seen is None else "busy check",
                "detected_event": seen,
                "message": draw(_names),
            }
        )
    return verdicts


@st.composite
def folders(draw):
    """Any run's folder."""
    events = draw(_events())
    last = events[-1] if events else {"event": 1, "t": 0.0}
    return Folder(
        events=events,
        lives=draw(st.none() | _lives(events)),
        verdicts=draw(st.none() | _verdicts(last["event"])),
        end=draw(st.sampled_from([0.0, last["t"], last["t"] + 0.008])),
    )
