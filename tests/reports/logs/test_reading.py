"""What a log may be packed in, and what is no log."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import os
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.loglines import decode, diagnosis, idle, leaking, prefill, stamp

from reports.errors import ReportError
from reports.logs import examine
from reports.logs.reading import BLOCK, Source
from reports.logs.scanning import LONGEST

LEAK = "".join(leaking()).encode()
FOUND = [("leak", "full", -12, ("",), True, -1.0)]
SPEAK = 'give what a server of SGLang has printed, with lines such as "Decode batch, #running-req: …"'


PACK = pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])


@PACK
@pytest.mark.parametrize("name", ["server.log", "server.log.gz", "any.name"])
def test_a_packed_log_is_known_by_its_content(read, pack, name):
    half = len(LEAK) // 2
    packed = pack(LEAK[:half]) + pack(LEAK[half:])
    assert diagnosis(read(LEAK, name)) == diagnosis(read(packed, name)) == FOUND


@PACK
def test_what_unpacks_to_much_comes_in_pieces(tmp_path, pack):
    path = tmp_path / "long"
    path.write_bytes(pack(b" " * (9 * BLOCK) + b"\n" + LEAK))
    blocks = list(Source(path).blocks())
    assert max(map(len, blocks)) <= BLOCK
    assert b"".join(blocks).lstrip() == LEAK


@PACK
def test_standard_input_is_read_and_may_be_packed(monkeypatch, pack):
    for text in (LEAK, pack(LEAK)):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text)))
        result = examine(Path("-"))
        assert (diagnosis(result), result.name) == (FOUND, "<stdin>")


NOISE = b"".join(os.urandom(60).hex().encode() + b"\n" for _ in range(20000))


@PACK
def test_a_packed_log_that_ends_in_the_middle_is_read_as_far_as_it_goes(read, pack):
    result = read(pack(LEAK + NOISE)[:-2000])
    assert diagnosis(result) == FOUND
    assert "the packed file ends in the middle" in result.notes[0]


@PACK
def test_a_packed_log_with_damage_is_read_up_to_it(read, pack):
    packed = bytearray(pack(LEAK + NOISE))
    packed[len(packed) * 9 // 10 :] = os.urandom(len(packed) // 10)
    result = read(bytes(packed))
    assert diagnosis(result) == FOUND
    assert "cannot be unpacked" in result.notes[0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"", "server.log:1:1: the file is empty; give what a server of SGLang has printed"),
        (b"one\nab\0c\n", f"server.log:2:3: this is no text (byte 0x00); {SPEAK}"),
        (b"\x7fELF\2\1\1", f"server.log:1:5: this is no text (byte 0x02); {SPEAK}"),
        (b"nothing\nof the kind\n", f"server.log:1:1: no scheduler of SGLang speaks in its 2 lines; {SPEAK}"),
        (b"an error: CUDA available\n", f"server.log:1:1: no scheduler of SGLang speaks in its 1 line; {SPEAK}"),
        (
            "Decode batch".encode("utf-16"),
            "server.log:1:1: this is UTF-16; write it as UTF-8, e.g. iconv -f utf-16 -t utf-8",
        ),
        *(
            (rubbish, "server.log:1:1: nothing in it can be unpacked; give what a server of SGLang has printed")
            for rubbish in (b"\x1f\x8b\x08 rubbish", b"\xfd7zXZ\0 rubbish", b"BZh9 rubbish")
        ),
        (b"\x28\xb5\x2f\xfd", "server.log | kvledger log -"),
    ],
)
def test_what_is_no_log_is_said_in_one_line(read, text, complaint):
    with pytest.raises(ReportError) as error:
        read(text)
    assert str(error.value).endswith(complaint)


def _endless(monkeypatch, *first):
    """Standard input that begins with these, and then repeats the last for ever."""
    monkeypatch.setattr("reports.logs.scanning.HOPELESS", 1 << 23)
    text = itertools.chain(first, itertools.repeat(first[-1]))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=SimpleNamespace(read=lambda _: next(text))))
    return examine(Path("-"))


@pytest.mark.parametrize(
    ("blocks", "complaint"),
    [
        ((b"\0" * BLOCK,), "<stdin>:1:1: this is no text (byte 0x00); "),
        ((b"\0\n" * (BLOCK // 2),), "<stdin>:1:1: this is no text (byte 0x00); "),
        ((b"a\n", b"y" * BLOCK), "<stdin>:2:1: this line never ends; "),
    ],
)
def test_what_never_ends_is_given_up(monkeypatch, blocks, complaint):
    with pytest.raises(ReportError) as error:
        _endless(monkeypatch, *blocks)
    assert str(error.value) == complaint + SPEAK


def test_what_came_before_a_line_that_never_ends_is_read(monkeypatch):
    result = _endless(monkeypatch, LEAK, b"y" * BLOCK)
    assert diagnosis(result) == FOUND
    line = len(LEAK.splitlines()) + 1
    assert result.notes == (f"<stdin>:{line}: this line never ends; what came before it was read",)


def test_a_folder_and_a_missing_file(tmp_path):
    for path, reason in ((tmp_path, "Is a directory"), (tmp_path / "no.log", "No such file or directory")):
        with pytest.raises(ReportError, match=reason):
            examine(path)


def test_lines_are_numbered_across_blocks_and_long_lines_pass(read):
    filler = (b"x" * 99 + b"\n") * (3 * BLOCK // 100)
    result = read(b"y" * (LONGEST + 5 * BLOCK) + b"\n" + filler + LEAK)
    assert diagnosis(result) == FOUND
    assert result.findings[0].line == 1 + 3 * BLOCK // 100 + 4
    assert result.lines == 1 + 3 * BLOCK // 100 + LEAK.count(b"\n")


def _long(turns):
    """A long log, made as it is read."""
    for turn in range(turns):
        rank = "TP0"
        yield prefill(turn, rank)
        yield decode(turn, rank, used=turn % 300)
        yield f'{stamp(turn)}INFO:     127.0.0.1:1 - "POST /generate HTTP/1.1" 200 OK\n'
        yield f"{stamp(turn, rank)}KV cache pool is full. Retract requests. #retracted_reqs: 1, #new_tokens_gained: 4\n"
        yield idle(turn, -1 - turn, rank)


def test_memory_does_not_grow_with_the_log(tmp_path, monkeypatch):
    monkeypatch.setattr("reports.logs.reading.BLOCK", 1 << 16)
    used = []
    for turns in (1_500, 4_500):
        path = tmp_path / f"{turns}.log"
        with path.open("w") as file:
            file.writelines(_long(turns))
        tracemalloc.start()
        examine(path)
        used.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert used[1] < 1.4 * used[0]
