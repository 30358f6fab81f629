"""The line that says how far a run is: on a terminal, and only of what takes its time."""

import io
import time

import pytest

from sim.progress import Progress, waiting


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Sets what the wall clock says, reading by reading."""

    def tick(*times):
        readings = iter(times)
        monkeypatch.setattr("sim.progress.monotonic", lambda: next(readings))

    return tick


def test_a_run_of_seconds_is_told_on_a_terminal(clock):
    clock(0.0, 0.0, 1.9, 2.05, 2.1, 2.5)
    terminal = Terminal()
    progress = Progress(terminal)
    notice = progress.watch("retract before")
    for event in (19_000, 20_500, 20_900, 25_000):
        notice(event, event / 1000)
    progress.clear()
    assert terminal.getvalue() == (
        "\r\x1b[2Kretract before: 20,500 events, 20.5 s simulated, 10,000 events/s"
        "\r\x1b[2Kretract before: 25,000 events, 25.0 s simulated, 10,000 events/s\r\x1b[2K"
    )


def test_of_many_runs_a_bar_says_how_many_are_done(clock):
    clock(0.0, 3.0, 4.0)
    terminal = Terminal()
    Progress(terminal).watch("retract before", done=18, of=72)(0, 0.0)
    assert terminal.getvalue() == "\r\x1b[2K[#####...............] 19/72 retract before"


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True)])
def test_nothing_is_written_elsewhere_or_when_told_to_be_quiet(stream, quiet):
    progress = Progress(stream, quiet=quiet)
    assert progress.watch("s v") is None
    progress.show("s v")
    progress.clear()
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("stream", "patience", "written"),
    [
        (Terminal(), 0.0, "\r\x1b[2Kreading x …\r\x1b[2K"),
        (Terminal(), 60.0, ""),
        (io.StringIO(), 0.0, ""),
    ],
)
def test_what_takes_its_time_is_named_until_it_is_done(monkeypatch, stream, patience, written):
    monkeypatch.setattr("sim.progress._PATIENCE", patience)
    with waiting(stream, "reading x"):
        deadline = time.monotonic() + (10 if written else 0.1)
        while not stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert stream.getvalue() == written
