"""Playing a run again: the same on both engines, and a word where it cannot be done."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.commandline import kvledger  # noqa: F401
from helpers.sources import source_of

from sim.cli import cache_folder
from sim.engines.select import Choice, Engines
from sim.errors import InputError
from sim.retrace import looked_inside, retrace
from sim.run import Options, run_paths

TAIL = Path("scenarios/founding/pr22862-retract-tail.yaml")
FILES = ("lives.jsonl", "slots.npz", "moments.json")
POLICY = "docs/examples/most_output_first.py:MostOutputFirst"


@pytest.fixture
def before(tmp_path):
    """The folder of a run that lost a slot."""
    ((_, result),) = run_paths([TAIL], Options(out=tmp_path / "out", variant="before"))
    return result.folder


def events_of(folder):
    return json.loads((folder / "verdicts.json").read_text())["variants"]["before"]["events"]


def moment(folder):
    (found,) = json.loads((folder / "moments.json").read_text())["moments"]
    return found


def test_the_lost_slot_is_on_the_map_from_its_cause_on_and_was_in_the_row_before(before):
    assert not looked_inside(before)
    retrace(before)
    assert looked_inside(before)
    verdict = json.loads((before / "verdicts.json").read_text())["variants"]["before"]["verdicts"][0]
    (slot,) = verdict["cause"]["slots"]
    found = np.load(before / "slots.npz")
    lost = found["full"][:, slot - int(found["full_first"])] == 5
    assert found["event"][lost].tolist() == [e for e in found["event"] if e >= verdict["cause"]["event"]]
    steps = {step["event"]: step["rows"] for step in moment(before)["steps"]}
    (was,), (now,) = steps[verdict["cause"]["event"] - 1], steps[verdict["cause"]["event"]]
    assert slot in was["slots"]
    assert slot not in now["slots"]
    assert (was["session"], was["request"], now["request"]) == ("a", None, "a/1")
    assert was["slots"].index(slot) == 25 < was["c"] == 26


def test_each_row_has_as_many_slots_as_are_allocated_to_it(before):
    retrace(before)
    for step in moment(before)["steps"]:
        for row in step["rows"]:
            assert 0 <= row["p"] <= row["c"] <= row["a"] == len(row["slots"]) <= row["width"]


def test_the_real_engine_shows_the_same(before, tmp_path):
    source_of("0.5.11")
    retrace(before)
    with Engines(Choice(spec="sglang==0.5.11", cache=cache_folder())) as engines:
        ((_, result),) = run_paths([TAIL], Options(out=tmp_path / "real", variant="before"), engines=engines)
        retrace(result.folder, engines)
    for name in FILES:
        assert (result.folder / name).read_bytes() == (before / name).read_bytes()


def test_playing_twice_gives_the_same_bytes(before):
    retrace(before)
    first = [(before / name).read_bytes() for name in FILES]
    retrace(before)
    assert [(before / name).read_bytes() for name in FILES] == first


def test_a_run_that_comes_out_otherwise_is_not_shown(before):
    path = before / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    lines[5] = lines[5].replace('"full":[970', '"full":[971')
    path.write_text("".join(lines))
    with pytest.raises(InputError, match=r"played again, event 6 comes out otherwise than in events\.jsonl; run the"):
        retrace(before)
    assert not any((before / name).exists() for name in (*FILES, "lives.jsonl.part"))


def test_a_crash_is_the_end_of_the_map(tmp_path):
    scenario = Path("scenarios/found/rows-of-idle-sessions.yaml")
    ((_, result),) = run_paths([scenario], Options(out=tmp_path))
    retrace(result.folder)
    assert np.load(result.folder / "slots.npz")["event"][-1] == result.events - 1


def test_a_run_that_died_of_the_releases_check_is_shown_up_to_there(tmp_path):
    text = TAIL.read_text().replace("scheduler: {", "scheduler: {idle_check: raise, ")
    assert "raise" in text
    (tmp_path / "s.yaml").write_text(text)
    ((_, result),) = run_paths([tmp_path / "s.yaml"], Options(out=tmp_path, variant="before"))
    assert [v.verdict for v in result.verdicts] == ["leak", "crash"]
    retrace(result.folder)
    assert np.load(result.folder / "slots.npz")["event"][-1] == result.events - 1


def test_a_report_looks_up_what_a_folder_lacks(before, kvledger):  # noqa: F811
    status, _, err = kvledger("report", before, "--out", before)
    assert (status, err) == (0, "")
    assert looked_inside(before)


def test_a_run_under_a_policy_is_not_played_without_being_told_so(tmp_path, kvledger):  # noqa: F811
    assert kvledger("run", TAIL, "--variant", "after", "--policy", POLICY, "--out", tmp_path / "out")[0] == 0
    folder = tmp_path / "out" / "pr22862-retract-tail" / "after"
    assert looked_inside(folder)
    (folder / "moments.json").unlink()
    status, _, err = kvledger("report", folder)
    assert status == 0
    assert f"{folder}: there will be nothing of the rows (moments.json): " in err
    assert f"this run used a policy; write --policy {POLICY}" in err
    assert kvledger("report", folder, "--policy", POLICY)[::2] == (0, "")
    assert looked_inside(folder)


def cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def halved(path):
    """Whole lines, but not all of them."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: len(lines) // 2]))


def garbled(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.write_bytes(data)


def emptied(path):
    path.write_bytes(b"")


DAMAGES = [(name, harm) for name in FILES for harm in (cut, garbled, emptied)] + [("lives.jsonl", halved)]


@pytest.mark.parametrize(("name", "harm"), DAMAGES)
def test_what_is_damaged_is_made_anew(before, kvledger, name, harm):  # noqa: F811
    retrace(before)
    whole = {name: (before / name).read_bytes() for name in FILES}
    harm(before / name)
    status, _, err = kvledger("report", before, "--out", before)
    assert status == 0
    assert err.startswith(f"{before / name}:")
    assert err.endswith("; looking inside the run again\n")
    assert err.count("\n") == 1
    assert {name: (before / name).read_bytes() for name in FILES} == whole


@pytest.mark.parametrize(("name", "harm"), DAMAGES)
def test_what_cannot_be_made_anew_is_left_out_with_a_word(before, kvledger, name, harm):  # noqa: F811
    retrace(before)
    harm(before / name)
    (before / "ops.jsonl").write_text("{")
    status, out, err = kvledger("report", before, "--out", before)
    assert status == 0
    first, second = err.splitlines()
    assert first.startswith(f"{before / name}:")
    assert f"({name} is damaged): {before / 'ops.jsonl'}:1:2: " in second
    assert f"({name} is damaged)." in Path(out.strip()).read_text()


def test_an_export_makes_the_states_anew_or_leaves_them_out(before, kvledger):  # noqa: F811
    retrace(before)
    halved(before / "lives.jsonl")
    assert kvledger("export", before, "--to", "perfetto")[0] == 0
    assert kvledger("export", before, "--to", "perfetto")[2] == ""
    halved(before / "lives.jsonl")
    (before / "ops.jsonl").unlink()
    status, _, err = kvledger("export", before, "--to", "perfetto")
    assert (status, len(err.splitlines())) == (0, 3)
    assert err.endswith("lives.jsonl is damaged; exported without the tracks of sessions and requests\n")


def test_a_log_of_events_that_is_cut_off_is_shown_up_to_there(before, kvledger):  # noqa: F811
    events = before / "events.jsonl"
    cut(events)
    status, _, err = kvledger("report", before, "--out", before)
    there, of = events.read_bytes().count(b"\n"), events_of(before)
    assert (status, err.splitlines()) == (
        0,
        [
            f"{events}:{there + 1}: the last line is cut off, and left out",
            f"{events}: {there} of {of} events are there; shown up to there",
        ],
    )
    assert looked_inside(before)


def killed(folder):
    """What SIGKILL leaves of a run."""
    for path in folder.iterdir():
        if path.name not in ("events.jsonl", "ops.jsonl", "scenario.yaml"):
            path.unlink()


def test_a_run_that_was_killed_is_told_with_what_to_do(before, kvledger, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    killed(before)
    words = "this run was killed before it could write its verdicts"
    for path in (before, before.parent, before.parent.parent):
        status, out, err = kvledger("report", path)
        assert (status, out) == (2, "")
        place, _, command = err.strip().partition("; play it again with: kvledger ")
        assert place == f"{before}: {words}"
    assert kvledger(*command.split())[0] == 1
    assert (tmp_path / "DIR2" / "report.html").is_file()
    (before / "ops.jsonl").write_text("")
    assert kvledger("report", before)[2] == f"{before}: {words}; run the scenario again with --out\n"


def test_beside_others_a_run_that_was_killed_is_told_and_left_out(before, kvledger, tmp_path):  # noqa: F811
    retrace(before)
    other = before.parent / "other"
    shutil.copytree(before, other)
    killed(other)
    status, _, err = kvledger("report", before.parent, "--out", tmp_path)
    assert (status, len(err.splitlines())) == (0, 1)
    assert err.startswith(f"{other}: this run was killed before it could write its verdicts; ")


@pytest.mark.parametrize("there", [12, 0])
@pytest.mark.parametrize(
    ("command", "done"),
    [("report", "shown"), ("export --to csv", "exported"), ("export --to perfetto", "exported")],
)
def test_how_many_events_are_there_is_said(before, kvledger, command, done, there):  # noqa: F811
    retrace(before)
    events = before / "events.jsonl"
    events.write_text("".join(events.read_text().splitlines(keepends=True)[:there]))
    name, *options = command.split()
    status, _, err = kvledger(name, before, *options)
    said = f"{events}: {there} of {events_of(before)} events are there; {done} up to there"
    assert (status, err.splitlines()[0]) == (0, said)
    assert err.count(str(events)) == 1


def test_a_log_of_events_that_is_damaged_is_one_line(before, kvledger):  # noqa: F811
    events = before / "events.jsonl"
    lines = events.read_text().splitlines(keepends=True)
    events.write_text("".join([*lines[:4], "{]\n", *lines[5:]]))
    status, out, err = kvledger("report", before, "--out", before)
    assert (status, out) == (2, "")
    assert err == (
        f"{events}:5:2: this is not JSON (expecting property name enclosed in double quotes); "
        "run the scenario again with --out\n"
    )


def test_what_an_earlier_run_has_left_is_not_taken_for_this_ones(before):
    retrace(before)
    with pytest.raises(KeyboardInterrupt):
        interrupted(before)
    assert not any((before / name).exists() for name in FILES)


def interrupted(folder):
    def stop(event, time):
        raise KeyboardInterrupt

    list(run_paths([TAIL], Options(out=folder.parents[1], variant="before"), lambda *_: stop))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("t", "NaN", "t is NaN and must be seconds from 0 on"),
        ("event", "1e999", "event is Infinity and must be a whole number"),
        ("full", '["x",2]', 'full is ["x", 2] and must be a list of five whole numbers'),
    ],
)
@pytest.mark.parametrize("command", ["report", "export"])
def test_a_damaged_value_is_one_line(before, kvledger, command, key, value, said):  # noqa: F811
    events = before / "events.jsonl"
    lines = events.read_text().splitlines(keepends=True)
    was = json.dumps(json.loads(lines[9])[key], separators=(",", ":"))
    lines[9] = lines[9].replace(f'"{key}":{was}', f'"{key}":{value}')
    column = lines[9].index(f'"{key}"') + 1
    events.write_text("".join(lines))
    status, out, err = kvledger(command, before, *(("--to", "csv") if command == "export" else ()))
    assert (status, out) == (2, "")
    assert err == f"{events}:10:{column}: {said}; run the scenario again with --out\n"
