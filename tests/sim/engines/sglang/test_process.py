"""Worker processes: bounds, deaths, noise, and that none is left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from sim.engines.sglang.process import Died, Hung, Worker, python

ROOT = Path(__file__).parents[4]


def worker(code, bound=30.0):
    return Worker(python("-c", textwrap.dedent(code)), bound=bound)


def gone(pid):
    """Neither running nor a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


ECHO = """
    import sys
    for line in sys.stdin:
        sys.stdout.write(line)
        sys.stdout.flush()
"""


def test_lines_come_back_in_order():
    process = worker(ECHO)
    for number in range(100):
        process.send(b"%d\n" % number)
    assert [process.receive() for _ in range(100)] == [b"%d" % number for number in range(100)]
    process.close()
    assert gone(process.pid)


def test_many_long_lines_do_not_make_both_sides_wait():
    process = worker(ECHO)
    line = b"x" * 300_000
    for _ in range(10):
        process.send(line + b"\n")
    assert all(process.receive() == line for _ in range(10))
    process.close()


def test_noise_on_standard_error_is_read_away_and_its_end_kept():
    process = worker("""
        import sys
        for line in sys.stdin:
            for number in range(20000):
                print("noise", number, file=sys.stderr)
            print("done", flush=True)
    """)
    process.send(b"go\n")
    assert process.receive() == b"done"
    process.send(b"go\n")
    assert process.receive() == b"done"
    assert len(process.said) == 50
    assert process.said[-1].startswith("noise")
    process.close()


def test_no_answer_within_the_bound():
    process = worker("import time; time.sleep(600)", bound=0.3)
    process.send(b"go\n")
    with pytest.raises(Hung, match=r"no answer within 0\.3 s"):
        process.receive()
    assert gone(process.pid)
    assert not process.alive


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "signal SIGKILL"),
        ("import os; os._exit(7)", "exit status 7"),
        ("raise SystemExit('no such thing')", "exit status 1; its last words: no such thing"),
    ],
)
def test_how_it_died(code, how):
    process = worker(code)
    with pytest.raises(Died) as error:
        process.receive()
    assert str(error.value) == how
    assert gone(process.pid)


def test_writing_to_the_dead_is_no_error_of_ours():
    process = worker("import os; os._exit(3)")
    assert wait_until(lambda: not process.alive)
    process.send(b"x" * 100_000 + b"\n")
    with pytest.raises(Died, match="exit status 3"):
        process.receive()


def test_closing_twice_is_as_good_as_once():
    process = worker(ECHO)
    process.close()
    process.close()
    assert gone(process.pid)
    with pytest.raises(Died):
        process.receive()


def test_who_does_not_go_is_made_to(monkeypatch):
    monkeypatch.setattr("sim.engines.sglang.process._GRACE", 0.2)
    process = worker("import time; print('up', flush=True); time.sleep(600)")
    process.receive()
    process.close()
    assert gone(process.pid)


def test_a_forgotten_worker_is_ended():
    process = worker(ECHO)
    pid = process.pid
    del process
    assert wait_until(lambda: gone(pid))


def test_an_exception_while_waiting_ends_the_worker(monkeypatch):
    process = worker(ECHO)

    def interrupted(timeout):
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "_exchange", interrupted)
    with pytest.raises(KeyboardInterrupt):
        process.receive()
    assert gone(process.pid)


PARENT = """
    import sys, time
    sys.path[:0] = {paths!r}
    from helpers.modelworker import model_worker
    worker = model_worker({how!r})
    print(worker.receive().decode(), worker.pid, flush=True)
    {then}
"""


def parent(then, how="hello"):
    """Another kvledger, with a worker of its own; its process and the worker's id."""
    paths = [str(ROOT), str(ROOT / "tests")]
    code = textwrap.dedent(PARENT).format(paths=paths, then=then, how=how)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)
    line = process.stdout.readline()
    return process, int(line.split()[-1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_parent_that_is_ended_leaves_no_worker(number):
    process, pid = parent("time.sleep(600)")
    os.killpg(process.pid, number)
    process.wait()
    assert wait_until(lambda: gone(pid))


def test_an_exception_in_the_parent_leaves_no_worker():
    process, pid = parent("raise SystemExit(5)")
    assert process.wait() == 5
    assert wait_until(lambda: gone(pid))


def test_a_busy_worker_ends_with_its_parent():
    begin = '{"op":"begin","config":{"pool":{"tokens":64}}}'
    process, pid = parent(f"worker.send(b'{begin}\\n'); time.sleep(600)", how="spin")
    process.kill()
    process.wait()
    assert wait_until(lambda: gone(pid))


def test_a_process_that_is_busy_for_ever_says_where():
    process = worker("""
        import faulthandler, signal, sys
        faulthandler.register(signal.SIGUSR1, all_threads=False)
        def round_and_round():
            while True:
                pass
        sys.stdin.readline()
        round_and_round()
    """, bound=1.5)
    process.send(b"go\n")
    with pytest.raises(Hung, match=r"^no answer within 1\.5 s$") as caught:
        process.receive()
    assert [frame.split()[1] for frame in caught.value.frames] == ["<module>", "round_and_round"]
    assert gone(process.pid)


def test_what_a_worker_has_started_ends_with_it():
    process = worker("""
        import subprocess, sys
        sys.stdin.readline()
        print(subprocess.Popen(["sleep", "300"]).pid, flush=True)
        sys.stdin.readline()
    """)
    process.send(b"go\n")
    child = int(process.receive())
    assert not gone(child)
    process.close()
    assert wait_until(lambda: ended(child))


def ended(pid):
    """Gone, or waiting to be buried by whoever adopted it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return gone(pid)
