"""Verdicts of a log: what they rest on, and that nothing else that a server prints changes them."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

import pytest
from helpers.loglines import (
    begun,
    busy,
    crash,
    decode,
    diagnosis,
    idle,
    leaking,
    named_unit,
    prefill,
    sound,
    stamp,
    terms,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.errors import ReportError
from reports.logs import examine

NOISE = (
    b'INFO:     127.0.0.1:5000 - "POST /v1/chat/completions HTTP/1.1" 200 OK\n',
    b"\rLoading safetensors: 10%|#         | 1/10\rLoading safetensors: 20%|##        | 2/10",
    b"\x1b[32mINFO\x1b[0m: started\r\n",
    b"Traceback (most recent call last):\n  File \"x.py\", line 1, in f\nValueError: of somebody else\n",
    b"\xff\xfe\x80 not text\n",
    b'{"message": "health check", "level": "info"}\n',
    b"[2026-01-01 00:00:07] INFO:     127.0.0.1:1 - \"GET /health HTTP/1.1\" 200 OK\n",
    b"[2026-01-01 00:00:09] Receive: obj=GenerateReqInput(text='Full Pool Mem Leak Detected! [full] total=9, "
    b"available=1, evictable=0, protected=0, session_held=0, uncached=0')\n",
    b"\n",
    b"[2026-13-45 99:99:99 TP0] Decode batch",
    b"total=400, available=1\n",
)


def examined(data: bytes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.log")
        path.write_bytes(data)
        return examine(path)


# -- verdicts ------------------------------------------------------------------------------------------------


def test_a_token_for_each_turn(told, read):
    assert told("".join(leaking())) == [("leak", "full", -12, ("",), True, -1.0)]
    finding = read("".join(leaking())).findings[0]
    assert named_unit(finding) == ("admitted request", -1.0)
    assert finding.drift[0].unit == "minute"
    assert round(finding.drift[0].slope, 6) == -6.0
    assert dict(finding.moved.changes) == {"available": -11}


def test_a_clean_log_is_clean(told):
    assert told("".join(sound())) == []


def test_what_comes_back_by_itself_is_a_suspected_false_alarm(told):
    log = busy(1) + busy(2, 6) + busy(3) + decode(4)
    assert told(log) == [("false-alarm", "full", 6, ("",), False, None)]


def test_what_a_flush_gives_back_was_a_leak(told, read):
    log = prefill(0) + idle(1, -3) + f"{stamp(2)}Cache flushed successfully!\n" + busy(3)
    assert told(log) == [("leak", "full", -3, ("",), True, None)]
    assert "a flush of the cache gave it back" in read(log).findings[0].what


def test_a_deficit_that_is_seen_only_while_batches_run_is_not_settled(read):
    finding = read(busy(1) + busy(2, -2)).findings[0]
    assert (finding.verdict, finding.sure) == ("leak", False)
    assert any("did not count" in line for line in finding.unknown)


def test_a_crash_has_its_exception(read):
    log = decode(1) + crash(2, "torch.OutOfMemoryError: CUDA out of memory")
    finding = read(log).findings[0]
    assert (finding.verdict, finding.what) == ("crash", "torch.OutOfMemoryError: CUDA out of memory")
    assert finding.line == 5


@pytest.mark.parametrize("between", ["", decode(2), decode(2, "TP1")])
def test_of_two_crashes_of_a_rank_the_first_is_told(read, between):
    log = decode(1) + crash(2, "RuntimeError: the cause") + between + crash(3, f"ValueError: {SAID}")
    found = next(f for f in read(log).findings if f.verdict == "crash")
    assert (found.what, found.line, found.time % 60) == ("RuntimeError: the cause", 5, 2)
    assert [f.size for f in read(log).findings if f.verdict == "leak"] == [-3]


def test_of_a_chain_in_one_traceback_the_last_exception_is_told(read):
    chain = "KeyError: 1\n\nDuring handling of the above exception, another exception occurred:\n\nValueError: the end"
    (finding,) = read(decode(1) + crash(2, chain) + crash(3, "OSError: later")).findings
    assert (finding.what, finding.line) == ("ValueError: the end", 9)


def test_a_crash_whose_words_are_lost(read):
    text = "Received sigquit from a child process. It usually means the child failed."
    finding = read(decode(1) + stamp(2) + text + "\n").findings[0]
    assert (finding.verdict, finding.sure) == ("crash", False)


def test_a_watchdog_that_gives_up_is_a_crash_and_its_figures_are_no_check(read):
    dump = f"{stamp(2)}Scheduler debug info:\nscheduler.cur_batch.batch_size()=3\n{terms(-30)}\n"
    end = f"{stamp(3)}Scheduler watchdog timeout (self.watchdog_timeout=300, self.soft=False)\n"
    result = read(decode(1) + dump + end)
    assert [(f.verdict, f.what[:5]) for f in result.findings] == [("crash", "Hang:")]


def test_a_server_that_was_started_again_begins_anew(read):
    result = read("".join(leaking(turns=3)) + begun(100) + prefill(101) + idle(102, -1))
    assert [(f.verdict, f.size, f.life) for f in result.findings] == [("leak", -3, 1), ("leak", -1, 2)]


def test_ranks_that_do_the_same_stand_together(told):
    records = [record for pair in zip(leaking("TP0"), leaking("TP1"), strict=True) for record in pair]
    assert told("".join(records)) == [("leak", "full", -12, ("TP0", "TP1"), True, -1.0)]


def test_what_came_before_the_break_is_counted(read):
    retract = f"{stamp(50)}KV cache pool is full. Retract requests. #retracted_reqs: 3, #new_tokens_gained: 40\n"
    log = begun(0) + busy(1) + decode(40) + busy(45) + retract + idle(55, -1) + decode(1000)
    near = read(log).findings[0].near
    assert [(one.kind, one.count) for one in near] == [("retracted request", 3)]
    assert near[0].usual < 0.1


def test_the_lines_of_several_pools_belong_to_their_first_line(told):
    log = prefill(0) + idle(1, -2, pools=("swa", "mamba"))
    assert [found[:3] for found in told(log)] == [("leak", "full", -2)]


def packed(record, **beside):
    return json.dumps({"log": record, "stream": "stderr"} | beside) + "\n"


PACKED = {
    "without a time": packed,
    "with a time": lambda record: packed(record, time="2026-01-01T00:00:00.123456789Z"),
    "without the end of the line": lambda record: packed(record.rstrip("\n")),
    "in colour": lambda record: packed(f"\x1b[32m{record}\x1b[0m"),
    "twice": lambda record: packed(packed(record)),
}


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("before", ["", stamp(4)], ids=["bare", "stamped"])
def test_lines_that_a_collector_has_packed_in_json_say_the_same(read, pack, before):
    answer = f'{before}INFO:     127.0.0.1:1 - "POST /generate HTTP/1.1" 200 OK\n'
    end = crash(200, "RuntimeError: x", "TP0").splitlines(keepends=True)
    lines = [line for record in leaking("TP0") for line in (record, answer)] + end
    plain, wrapped = read("".join(lines)), read("".join(pack(line) for line in lines))
    assert plain.findings == wrapped.findings
    assert plain.log.answered == wrapped.log.answered == len(leaking())
    assert [f.verdict for f in plain.findings] == ["leak", "crash"]


def test_several_lines_in_one_message_say_the_same(read):
    answer = 'INFO:     127.0.0.1:1 - "POST /generate HTTP/1.1" 200 OK\n'
    records = [record + answer for record in leaking()]
    result = read("".join(packed(record) for record in records))
    assert diagnosis(result) == diagnosis(read("".join(records)))
    assert result.log.answered == len(records)


def test_a_request_that_quotes_an_answer_is_none(read):
    request = {"event": "request.received", "text": 'of "POST /generate HTTP/1.1" 200 OK'}
    assert read(decode(1) + json.dumps(request) + "\n").log.answered == 0


LEAK_LINE = idle(9, -3, "TP0").rstrip()
SAID = LEAK_LINE.partition("] ")[2]


@pytest.mark.parametrize(
    "quote",
    [
        f"{stamp(9, 'TP0')}prompt: {SAID}",
        f"{stamp(9)}INFO:     a client asks: {LEAK_LINE!r}",
        f"{stamp(9)}Receive: obj=GenerateReqInput(text='my log\\n{LEAK_LINE}')",
        f"{stamp(9)}Receive OpenAI: obj={{'content': \"it's {LEAK_LINE}\"}}",
        f"Finish: obj=GenerateReqInput(text='{SAID} and {LEAK_LINE}')",
        json.dumps({"timestamp": "2026-01-01T00:00:09", "event": "request.received", "text": f"\n{LEAK_LINE}"}),
        f"{stamp(9, 'TP0')}New: ValueError: {SAID}",
        f"{stamp(9, 'TP0')}prompt: Scheduler hit an exception: Traceback (most recent call last):",
        f"{stamp(9, 'TP0')}prompt: KV cache pool is full. Retract requests. #retracted_reqs: 3",
        f"{stamp(9, 'TP0')}prompt: Received sigquit from a child process.",
        f"{stamp(9, 'TP0')}prompt: max_total_num_tokens=9, chunked_prefill_size=-1",
        f"    assert not leak, '{SAID}'",
    ],
)
def test_what_is_only_quoted_is_not_believed(read, quote):
    log = read(f"{begun(0, 'TP0')}{decode(1, 'TP0')}{quote}\n{decode(20, 'TP0')}")
    assert log.findings == ()
    assert not log.log.ranks["TP0"].counts["retracted request"]
    assert not log.log.ended


def test_after_a_leak_another_line_that_quotes_terms_is_none_of_its_pools(told):
    quote = f"a prompt: {terms(-9, pool='swa')}\n{stamp(6)}also [swa] total=1, available=0, evictable=0\n"
    log = prefill(0, "TP0") + idle(5, -1, "TP0", pools=("swa",)) + quote
    assert [found[:3] for found in told(log)] == [("leak", "full", -1)]


FOREIGN = ("2026-01-01 00:00:09,123 - sglang.srt - WARNING - ", "WARNING 01-01 00:00:09 [mixin.py:12] ", "sglang: ", "")


@pytest.mark.parametrize("prefix", FOREIGN)
def test_behind_the_prefix_of_another_logger_a_check_is_believed(told, prefix):
    log = f"{prefix}{SAID}\n{prefix}INFO prompt '{SAID}'\n"
    assert [found[:3] for found in told(log)] == [("leak", "full", -3)]


def test_a_traceback_that_a_collector_has_packed_as_one_message(told):
    def packed(text):
        return json.dumps({"message": text.rstrip("\n"), "time": "2026-01-01T00:00:09"}) + "\n"

    log = begun(0, "TP0") + packed(crash(9, f"ValueError: {SAID}", "TP0"))
    assert [found[:3] for found in told(log)] == [("leak", "full", -3), ("crash", "full", 0)]
    two = packed(idle(9, -1, "TP0", pools=("swa",)).replace("available=183", "available=181"))
    assert [found[:3] for found in told(two)] == [("leak", "full", -1), ("leak", "swa", -2)]


# -- nothing else matters ------------------------------------------------------------------------------------


@st.composite
def mixed(draw):
    """The records of several ranks in any order that keeps each rank's own, with noise and cut copies between."""
    ranks = [leaking("DP0", 5), leaking("DP1", 4, each=2), sound("DP2", 5)]
    order = draw(st.permutations([number for number, records in enumerate(ranks) for _ in records]))
    taken = [iter(records) for records in ranks]
    copies = [record.encode() for record in (idle(3, -7, "DP0"), busy(4, -9, "DP2"), decode(5, "DP1"))]
    crlf = draw(st.booleans())
    parts = []
    for number in order:
        for _ in range(draw(st.integers(0, 2))):
            if draw(st.booleans()):
                parts.append(draw(st.sampled_from(NOISE)))
            else:
                copy = draw(st.sampled_from(copies))
                parts.append(copy[: draw(st.integers(0, len(copy) - 2))])
        record = next(taken[number]).encode()
        parts.append(record.replace(b"\n", b"\r\n") if crlf else record)
    return b"".join(parts)


@given(mixed())
@settings(max_examples=60, deadline=None)
def test_any_order_of_ranks_with_noise_and_cuts_between_gives_the_same(data):
    assert sorted(diagnosis(examined(data))) == [
        ("leak", "full", -8, ("DP1",), True, -2.0),
        ("leak", "full", -5, ("DP0",), True, -1.0),
    ]


PLAIN = "".join([*leaking("TP0", 3), busy(50, 1, "TP0"), crash(60, "ValueError: x", "TP0")]).encode()


@given(
    st.lists(st.tuples(st.integers(0, len(PLAIN) - 1), st.binary(max_size=4), st.integers(0, 30)), max_size=12)
)
@settings(max_examples=150, deadline=None)
def test_bytes_that_were_changed_never_raise(changes):
    data = PLAIN
    for at, put, dropped in changes:
        data = data[:at] + put + data[at + dropped :]
    with contextlib.suppress(ReportError):
        json.dumps(examined(data).to_json())


def test_a_check_of_which_nobody_can_tell_whose_it_is_counts_all_the_same(tmp_path):
    begun = "[2026-01-01 00:00:00 TP{}] max_total_num_tokens=400, chunked_prefill_size=-1\n"
    terms = "available=382, evictable=17, protected=0, session_held=0, uncached=0"
    check = f"pool memory leak detected! [full] total=400, {terms}"
    (tmp_path / "server.log").write_text(begun.format(0) + begun.format(1) + check + "\n")
    (found,) = examine(tmp_path / "server.log").findings
    assert (found.verdict, found.size) == ("leak", -1)
