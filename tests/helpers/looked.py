"""What looking inside a run leaves, made up by hand: owners of slots, lives of sessions, rows around a cause."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

FREE, EVICTABLE, PROTECTED, HELD, IN_USE, NOBODY, DOUBLE = range(7)


def save_slots(folder: Path, event: Iterable[int], pools: Mapping[str, Any], **figures: Any) -> Path:
    """slots.npz; a pool has slots from 1 on, one to a bin, unless its figures (`full_unit`, …) say otherwise."""
    arrays: dict[str, Any] = {"event": np.array(list(event), dtype=np.int64)}
    for pool, codes in pools.items():
        bins = np.array(codes, dtype=np.uint8)
        unit = figures.get(f"{pool}_unit", 1)
        arrays |= {
            pool: bins,
            f"{pool}_unit": np.int64(unit),
            f"{pool}_total": np.int64(bins.shape[1] * unit),
            f"{pool}_first": np.int64(1),
            f"{pool}_page": np.int64(1),
        }
    path = folder / "slots.npz"
    np.savez(path, **(arrays | figures))
    return path


def save_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    """A file of JSON lines."""
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def change(event: int, state: str, request: str | None = None, session: str | None = None) -> dict[str, Any]:
    """One line of lives.jsonl."""
    named = {"request": request, "session": session}
    return {"event": event, "t": 0.008 * event, "state": state} | {k: v for k, v in named.items() if v is not None}


def row(p: int, c: int, a: int, slots: Iterable[int] = (), **more: Any) -> dict[str, Any]:
    """One row of moments.json."""
    slots = list(slots) or list(range(1, a + 1))
    return {"row": 1, "session": "a", "request": "a/1", "p": p, "c": c, "a": a, "e": 0, "width": 96} | {
        "slots": slots,
        **more,
    }


def save_moment(folder: Path, event: int, steps: Mapping[int, list[dict[str, Any]]]) -> Path:
    """moments.json with one moment, that of the first verdict."""
    told = [{"event": number, "rows": rows} for number, rows in steps.items()]
    moment = {"verdicts": [0], "event": event, "from": min(steps), "to": max(steps), "steps": told}
    path = folder / "moments.json"
    path.write_text(json.dumps({"moments": [moment]}))
    return path


def look_inside(folder: Path, cause: int = 21) -> Path:
    """All three files for the run `tail/leak` of the fixtures: one slot of a session is overwritten at `cause`."""
    events = range(1, 121)
    codes = np.zeros((120, 40), dtype=np.uint8)
    codes[2:, :19] = PROTECTED
    codes[3:, 19:26] = IN_USE
    codes[cause - 2 : cause - 1, 19:26] = HELD
    codes[cause - 1 :, 25] = NOBODY
    codes[cause - 1 :, 26:33] = IN_USE
    save_slots(folder, events, {"full": codes, "rows": np.where(codes[:, :1] > 0, IN_USE, FREE)})
    save_lines(
        folder / "lives.jsonl",
        [
            change(1, "open", session="a"),
            change(2, "queued", "a/1", "a"),
            change(3, "prefill", "a/1", "a"),
            change(4, "decode", "a/1", "a"),
            change(cause - 1, "retracted", "a/1", "a"),
            change(cause - 1, "held", session="a"),
            change(cause, "prefill", "a/1", "a"),
            change(cause + 1, "decode", "a/1", "a"),
            change(110, "finished", "a/1", "a"),
            change(110, "held", session="a"),
            change(118, "closed", session="a"),
        ],
    )
    before = [*range(1, 27)]
    after = [*range(1, 26), 34, 35]
    held = row(19, 26, 26, before, request=None)
    save_moment(
        folder,
        cause,
        {cause - 2: [row(19, 26, 33, range(1, 34))], cause - 1: [held], cause: [row(19, 27, 27, after)]},
    )
    return folder
